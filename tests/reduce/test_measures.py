"""Measures of claims against plain loops over small tables."""

import numpy as np
import polars as pl
import pytest

from sinkscope.reduce.measures import MEASURES, in_layers

N_LAYERS = 5
DOCUMENTS = ("a", "b", "c")


@pytest.fixture(scope="module")
def tables():
    """Two models with numbers of their own, so that rows of the other one would be noticed."""
    rng = np.random.default_rng(3)
    found = {"max_attention_tokens": [], "max_attention_tokens_padded": [], "sink_mass": [],
             "sink_rate": [], "documents": [], "induction": [], "emergence": []}  # fmt: skip
    names = [
        ("[SEP]", "sep"),
        ("[CLS]", "cls"),
        (".", "terminator"),
        ("▁.", "terminator"),
        ("tide", "word"),
    ]
    for model in ("m", "other"):
        for table in ("max_attention_tokens", "max_attention_tokens_padded"):
            for token, key_class in names:
                count = int(rng.integers(1, 900))
                found[table].append(
                    {"model": model, "token": token, "key_class": key_class, "count": count}
                )
        for document in DOCUMENTS:
            found["documents"].append(
                {"model": model, "document": document, "n_tokens": int(rng.integers(5, 400))}
            )
            for layer in range(N_LAYERS):
                for key_set in ("sep", "first_token"):
                    values = {"mass": rng.random(), "strict_mass": rng.random()}
                    found["sink_mass"].append(
                        {
                            "model": model,
                            "document": document,
                            "layer": layer,
                            "key_set": key_set,
                            **values,
                        }
                    )
        for layer in range(N_LAYERS):
            for window in (None, 64):
                found["sink_rate"].append(
                    {"model": model, "layer": layer, "key_set": "first_token", "window": window,
                     "rate": rng.random()}
                )  # fmt: skip
            for head in range(2):
                found["induction"].append(
                    {"model": model, "layer": layer, "head": head, "is_induction": layer == 3,
                     "first_token": rng.random(), "over_half": rng.random()}
                )  # fmt: skip
                for step in (0, 10):
                    found["emergence"].append(
                        {"model": model, "step": step, "window": 64, "layer": layer, "head": head,
                         "first_token": rng.random()}
                    )  # fmt: skip
    frames = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in found.items()}
    return frames | {
        "max_attention_tokens": frames["max_attention_tokens"].with_columns(
            pl.col("count").cast(pl.UInt64)
        )
    }


def measured(tables, name, model="m", **options):
    return MEASURES[name].compute(tables, model, **options)


def counts(tables, table="max_attention_tokens"):
    return {
        (r["token"], r["key_class"]): r["count"]
        for r in tables[table].filter(model="m").iter_rows(named=True)
    }


def mass_of(tables, key_set, column="mass"):
    """[document, layer]."""
    rows = tables["sink_mass"].filter(model="m", key_set=key_set).sort("document", "layer")
    return rows[column].to_numpy().reshape(len(DOCUMENTS), N_LAYERS)


@pytest.mark.parametrize("counting", ["tokens", "padded"])
def test_a_share_is_a_part_of_all_max_keys_of_the_counting(tables, counting):
    table = {"tokens": "max_attention_tokens", "padded": "max_attention_tokens_padded"}[counting]
    own = counts(tables, table)
    stops = own[".", "terminator"] + own["▁.", "terminator"]
    share = measured(tables, "max_key_share", counting=counting, tokens=["."])
    assert share == pytest.approx(stops / sum(own.values()))
    classes = measured(tables, "max_key_share", counting=counting, key_classes=["sep", "cls"])
    assert classes == pytest.approx((own["[SEP]", "sep"] + own["[CLS]", "cls"]) / sum(own.values()))


def test_a_lead_is_over_the_most_frequent_other_token(tables):
    own = counts(tables)
    others = max(count for (token, _), count in own.items() if token != "[SEP]")
    lead = (own["[SEP]", "sep"] - others) / sum(own.values())
    assert measured(tables, "max_key_lead", tokens=["[SEP]"]) == pytest.approx(lead)
    assert measured(tables, "max_key_lead", tokens=[token for token, _ in own]) == pytest.approx(1)


def test_a_ratio_of_counts_and_none_over_nothing(tables):
    own = counts(tables)
    ratio = own["[SEP]", "sep"] / own["[CLS]", "cls"]
    assert measured(tables, "max_key_ratio", tokens=["[SEP]"], of=["[CLS]"]) == pytest.approx(ratio)
    assert measured(tables, "max_key_ratio", tokens=["[SEP]"], of=["<s>"]) is None


@pytest.mark.parametrize("over_layers", ["mean", "min", "max"])
@pytest.mark.parametrize("over_documents", ["mean", "min", "max"])
def test_a_mass_goes_over_layers_first_then_over_documents(tables, over_layers, over_documents):
    options = {"over_layers": over_layers, "over_documents": over_documents}
    found = measured(tables, "mass", key_set="sep", layers=[1, 3], **options)
    by_document = getattr(mass_of(tables, "sep")[:, 1:4], over_layers)(1)
    assert found == pytest.approx(getattr(by_document, over_documents)())


def test_the_strict_mass_is_another_column(tables):
    found = measured(tables, "mass", key_set="sep", strict=True)
    assert found == pytest.approx(mass_of(tables, "sep", "strict_mass").mean())


@pytest.mark.parametrize(
    ("layers", "expected"),
    [("all", [0, 1, 2, 3, 4]), ("intermediate", [1, 2, 3]), ([0, 0], [0]), ([3, -1], [3, 4]),
     ([-2, -1], [3, 4]), ([7, 9], [])],
)  # fmt: skip
def test_layers_are_chosen_from_either_end(layers, expected):
    frame = pl.DataFrame({"layer": range(N_LAYERS)}, schema={"layer": pl.UInt16})
    assert in_layers(frame, layers)["layer"].to_list() == expected


def test_rise_and_fall_are_from_the_middle_to_the_ends(tables):
    mean = mass_of(tables, "sep").mean(0)
    assert measured(tables, "mass_rise", key_set="sep") == pytest.approx(mean[1:4].mean() - mean[0])
    assert measured(tables, "mass_fall", key_set="sep") == pytest.approx(mean[1:4].mean() - mean[4])


@pytest.mark.parametrize(("end", "layer"), [("first", 2), ("last", 4)])
def test_the_ends_of_a_sink_are_the_layers_with_half_of_the_peak(end, layer):
    rows = {"model": "m", "document": "a", "key_set": "sep", "layer": range(6)}
    tables = {"sink_mass": pl.DataFrame(rows | {"mass": [0.1, 0.39, 0.4, 0.8, 0.5, 0.2]})}
    assert measured(tables, "half_peak_layer", key_set="sep", end=end) == layer


@pytest.mark.parametrize("window", [None, 64])
def test_a_sink_rate_is_the_mean_over_layers_of_one_window(tables, window):
    rows = tables["sink_rate"].filter(pl.col("model") == "m", pl.col("window").eq_missing(window))
    expected = np.mean(rows["rate"].to_list())
    assert measured(tables, "sink_rate", window=window) == pytest.approx(expected)


@pytest.mark.parametrize(("how", "of"), [("sum", sum), ("min", min), ("max", max)])
def test_tokens_of_documents(tables, how, of):
    lengths = tables["documents"].filter(model="m")["n_tokens"].to_list()
    assert measured(tables, "n_tokens", aggregate=how) == of(lengths)


def test_induction_heads_and_where_they_rest(tables):
    rows = tables["induction"].filter(pl.col("model") == "m", pl.col("is_induction"))
    assert measured(tables, "n_induction_heads") == 2
    assert measured(tables, "induction_rest") == pytest.approx(
        np.mean(rows["first_token"].to_list())
    )
    over = np.mean(rows["over_half"].to_list())
    assert measured(tables, "induction_rest", column="over_half") == pytest.approx(over)


def test_the_first_token_at_the_end_of_training_in_its_strongest_layer(tables):
    rows = tables["emergence"].filter(model="m", step=10)
    layers = [
        np.mean(rows.filter(layer=layer)["first_token"].to_list()) for layer in range(N_LAYERS)
    ]
    assert measured(tables, "first_token_trained") == pytest.approx(max(layers))


def test_any_column_of_any_table_can_be_a_value(tables):
    rows = tables["induction"].filter(model="m", head=1)["over_half"].to_list()
    found = measured(
        tables, "value", table="induction", column="over_half", where={"head": 1}, layers=[1, 2],
        aggregate="max",
    )  # fmt: skip
    assert found == pytest.approx(max(rows[1:3]))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("max_key_share", {"tokens": ["."]}), ("max_key_lead", {"tokens": ["."]}),
        ("max_key_ratio", {"tokens": ["."], "of": ["."]}), ("mass", {"key_set": "sep"}),
        ("mass_fall", {"key_set": "sep"}), ("mass_rise", {"key_set": "sep"}),
        ("half_peak_layer", {"key_set": "sep"}), ("sink_rate", {}),
        ("n_tokens", {"aggregate": "sum"}),
        ("n_induction_heads", {}), ("induction_rest", {}), ("first_token_trained", {}),
        ("value", {"table": "sink_mass", "column": "mass"}),
    ],
)  # fmt: skip
def test_of_a_model_without_rows_there_is_no_number(tables, name, options):
    assert measured(tables, name, "absent", **options) is None


def test_a_mass_is_the_same_to_the_last_bit_whenever_it_is_taken():
    """The order of documents within the table decides, not that in which threads come to them."""
    rows = [
        {"model": "m", "document": f"d{i}", "layer": layer, "key_set": "bos", "mass": value}
        for i, values in enumerate(np.random.default_rng(0).random((97, 3)))
        for layer, value in enumerate(values)
    ]
    masses = {"sink_mass": pl.DataFrame(rows)}
    found = {MEASURES["mass"].compute(masses, "m", key_set="bos") for _ in range(100)}
    assert len(found) == 1
