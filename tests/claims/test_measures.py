"""Measures of claims against plain loops over small tables."""

import numpy as np
import polars as pl
import pytest

from claims.case import resampled
from claims.made_tables import NO_SECOND_SINK, last_layer, llama
from sinkscope import means
from sinkscope.claims.measure import AbsentError, Estimate, in_layers, measures
from sinkscope.experiments.second_sink.figures.local import figure

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
                    values = {"n_keys": 1, "mass": rng.random(), "strict_mass": rng.random()}
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
                     "n_documents": 1 + layer, "rate": rng.random()}
                )  # fmt: skip
            for head in range(2):
                found["induction"].append(
                    {"model": model, "layer": layer, "head": head, "is_induction": layer == 3,
                     "first_token": rng.random(), "over_half": rng.random()}
                )  # fmt: skip
                for step in (0, 10):
                    found["emergence"].append(
                        {"model": model, "family": "f", "step": step, "window": 64,
                         "attention": "sigmoid" if model == "m" else "softmax",
                         "layer": layer, "head": head, "first_token": rng.uniform(0.3, 1)}
                    )  # fmt: skip
    frames = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in found.items()}
    return frames | {
        "max_attention_tokens": frames["max_attention_tokens"].with_columns(
            pl.col("count").cast(pl.UInt64)
        )
    }


def estimated(tables, name, model="m", **options):
    return measures()[name].compute(tables, model, **options)


def measured(tables, name, model="m", **options):
    """The number alone."""
    found = estimated(tables, name, model, **options)
    return found.number if isinstance(found, Estimate) else found


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


def test_a_ratio_of_counts_and_of_nothing(tables):
    own = counts(tables)
    ratio = own["[SEP]", "sep"] / own["[CLS]", "cls"]
    assert measured(tables, "max_key_ratio", tokens=["[SEP]"], of=["[CLS]"]) == pytest.approx(ratio)
    with pytest.raises(AbsentError, match="<s> is the max key of no query of m"):
        measured(tables, "max_key_ratio", tokens=["[SEP]"], of=["<s>"])


@pytest.mark.parametrize("over_layers", ["mean", "min", "max"])
@pytest.mark.parametrize("over_documents", ["mean", "min", "max", "median"])
def test_a_mass_goes_over_documents_first_then_over_layers(tables, over_layers, over_documents):
    options = {"over_layers": over_layers, "over_documents": over_documents}
    found = measured(tables, "mass", key_set="sep", layers=[1, 3], **options)
    by_layer = getattr(np, over_documents)(mass_of(tables, "sep")[:, 1:4], axis=0)
    assert found == pytest.approx(getattr(by_layer, over_layers)())


def test_documents_without_a_key_of_the_set_do_not_count(tables):
    """Their mass is 0 by nature."""
    extra = tables["sink_mass"].filter(model="m", key_set="sep", document="a")
    extra = extra.with_columns(document=pl.lit("z"), mass=0.0, strict_mass=0.0, n_keys=0)
    extra = extra.cast({"n_keys": tables["sink_mass"].schema["n_keys"]})
    with_zeros = pl.concat([tables["sink_mass"], extra])
    for how in ("mean", "min"):
        found = measured({"sink_mass": with_zeros}, "mass", key_set="sep", over_documents=how)
        assert found == measured(tables, "mass", key_set="sep", over_documents=how)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [("all", [0, 1, 2, 3, 4]), ([1, -2], [1, 2, 3]), ([0, 0], [0]), ([3, -1], [3, 4]),
     ([-2, -1], [3, 4]), ([7, 9], [])],
)  # fmt: skip
def test_layers_are_chosen_from_either_end(layers, expected):
    frame = pl.DataFrame({"layer": range(N_LAYERS)}, schema={"layer": pl.UInt16})
    assert in_layers(frame, layers)["layer"].to_list() == expected


def test_what_is_left_of_a_sink_is_a_ratio_of_two_ranges_of_layers(tables):
    mean = mass_of(tables, "sep").mean(0)
    options = {"key_set": "sep", "layers": [-1, -1], "of_layers": [1, -2]}
    found = measured(tables, "mass_left", **options)
    assert found == pytest.approx(mean[4] / mean[1:4].mean())
    middle = np.median(mass_of(tables, "sep"), axis=0)
    found = measured(tables, "mass_left", over_documents="median", **options)
    assert found == pytest.approx(middle[4] / middle[1:4].mean())


def by_layer(*masses):
    rows = {"model": "m", "document": "a", "key_set": "sep", "n_keys": 1}
    rows["layer"] = range(len(masses))
    return {"sink_mass": pl.DataFrame(rows | {"mass": masses})}


def test_a_sink_begins_in_the_first_layer_with_half_of_the_peak():
    masses = by_layer(0.1, 0.39, 0.4, 0.8, 0.5, 0.2)
    assert measured(masses, "half_peak_layer", key_set="sep") == 2


def test_what_is_no_sink_neither_begins_nor_falls():
    masses = by_layer(0.02, 0.09, 0.09, 0.01)
    with pytest.raises(AbsentError, match=r"sep is not a sink of m: its largest mass is 0\.090"):
        measured(masses, "half_peak_layer", key_set="sep")
    with pytest.raises(AbsentError, match="not a sink of m in layers 1 to the last but one"):
        measured(masses, "mass_left", key_set="sep", layers=[-1, -1], of_layers=[1, -2])


def test_a_sink_rate_is_the_mean_over_layers_and_documents_of_one_window(tables):
    rows = tables["sink_rate"].filter(model="m", window=64)
    expected = np.average(rows["rate"].to_list(), weights=rows["n_documents"].to_list())
    assert measured(tables, "sink_rate", window=64) == pytest.approx(expected)


@pytest.mark.parametrize(("how", "of"), [("sum", sum), ("min", min), ("max", max)])
def test_tokens_of_documents(tables, how, of):
    lengths = tables["documents"].filter(model="m")["n_tokens"].to_list()
    assert measured(tables, "n_tokens", aggregate=how) == of(lengths)


def test_induction_heads_and_the_one_that_rests_least(tables):
    rows = tables["induction"].filter(pl.col("model") == "m", pl.col("is_induction"))
    assert measured(tables, "n_induction_heads") == 2
    for column in ("first_token", "over_half"):
        assert measured(tables, "induction_rest", column=column) == rows[column].min()


def test_without_induction_heads_nothing_rests(tables):
    without = {"induction": tables["induction"].with_columns(is_induction=False)}
    with pytest.raises(AbsentError, match="m has no induction head"):
        measured(without, "induction_rest")


def test_the_first_token_at_the_end_of_training_in_its_strongest_layer(tables):
    rows = tables["emergence"].filter(model="m", step=10)
    layers = [
        np.mean(rows.filter(layer=layer)["first_token"].to_list()) for layer in range(N_LAYERS)
    ]
    assert measured(tables, "first_token_trained") == pytest.approx(max(layers))


def test_a_variant_is_held_against_a_softmax_model_of_its_family(tables):
    """Without one there is nothing to hold it against; one without a sink makes it Absent."""
    log = tables["emergence"]
    other_family = pl.when(pl.col("model") == "m").then(pl.lit("f")).otherwise(pl.lit("g"))
    alone = log.with_columns(family=other_family)
    assert measured({"emergence": alone}, "first_token_trained") is None
    flat = pl.when(pl.col("model") == "other").then(0.29).otherwise("first_token")
    with pytest.raises(AbsentError, match="softmax, other has no sink either"):
        measured({"emergence": log.with_columns(first_token=flat)}, "first_token_trained")


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
        ("mass_left", {"key_set": "sep", "layers": [0, 0], "of_layers": [1, -2]}),
        ("half_peak_layer", {"key_set": "sep"}), ("sink_rate", {"window": 64}),
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
        {
            "model": "m",
            "document": f"d{i}",
            "layer": layer,
            "key_set": "bos",
            "n_keys": 1,
            "mass": value,
        }
        for i, values in enumerate(np.random.default_rng(0).random((97, 3)))
        for layer, value in enumerate(values)
    ]
    masses = {"sink_mass": pl.DataFrame(rows)}
    found = {measures()["mass"].compute(masses, "m", key_set="bos") for _ in range(100)}
    assert len(found) == 1


def test_the_lead_of_the_last_layer_weighs_documents_by_their_queries():
    """2 queries of one document go to [SEP], 98 of another to the full stop."""
    long = last_layer(stop=0.98)(["m"])["last_layer_keys"]
    short = [
        {"model": "m", "document": "b", "token": token, "key_class": "sep", "share": share}
        for token, share in (("[SEP]", 1.0), ("x", 0.0))
    ]
    keys = {"last_layer_keys": pl.concat([long, pl.DataFrame(short).select(long.columns)])}
    assert measured(keys, "last_layer_lead", tokens=["."]) == pytest.approx((98 - 2) / 102)


SECOND_SINK = [
    ("second_sink", {"column": "ratio", "layers": [5, 5]}), ("second_sink_contrast", {}),
    ("near_copy_layer", {"end": "first"}), ("naive_drop", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), SECOND_SINK)
def test_measures_of_a_second_sink_need_one(name, options):
    assert measured(llama()(["m"]), name, **options) is not None
    assert measured(llama()(["other"]), name, **options) is None
    with pytest.raises(AbsentError, match=r"no second sink in .*at most 0\.090.*, below 0\.1"):
        measured(NO_SECOND_SINK(["m"]), name, **options)


@pytest.mark.parametrize(("drop", "n_less"), [(1.0, 1), (1.69, 1), (1.72, 0), (3.0, 0)])
def test_the_claim_and_the_report_say_the_same_of_the_naive_line(drop, n_less):
    tables = llama(drop=drop)(["m"])
    text = figure(tables).finding.text
    assert f"less than expected in most documents of {n_less} of 1 decoder." in text
    found = measured(tables, "naive_drop")
    assert (found < 1) == (n_less == 1)
    assert found == pytest.approx((drop - 1) / 0.704)


def test_a_mark_that_was_not_put_there_is_not_one_that_failed():
    tables = llama()(["m"])
    layers = tables["second_sink_layers"]
    assert measured(tables, "second_sink_marks") == 3
    without = layers.filter(pl.col("mark") != "!")
    assert measured({"second_sink_layers": without}, "second_sink_marks") is None


# --- Intervals over documents -------------------------------------------------------------------


def ends(estimate):
    return estimate.low, estimate.high


@pytest.mark.parametrize("over_layers", ["mean", "min", "max"])
@pytest.mark.parametrize("over_documents", ["mean", "median"])
def test_the_interval_of_a_mass_resamples_documents_not_layers(tables, over_layers, over_documents):
    options = {"over_layers": over_layers, "over_documents": over_documents}
    found = estimated(tables, "mass", key_set="sep", layers=[1, 3], **options)
    over = getattr(np, over_documents)
    expected = resampled(
        lambda masses: getattr(over(masses, axis=0), over_layers)(), mass_of(tables, "sep")[:, 1:4]
    )
    assert ends(found) == pytest.approx(expected)
    assert found.n_documents == len(DOCUMENTS)
    assert found.low <= found.number <= found.high


@pytest.mark.parametrize("over_documents", ["min", "max"])
def test_the_smallest_document_is_no_estimate(tables, over_documents):
    found = estimated(tables, "mass", key_set="sep", over_documents=over_documents)
    assert isinstance(found, float)


def test_the_interval_of_what_is_left_compares_the_same_documents(tables):
    options = {"key_set": "sep", "layers": [-1, -1], "of_layers": [1, -2]}
    found = estimated(tables, "mass_left", **options)
    expected = resampled(
        lambda masses: masses.mean(0)[4] / masses.mean(0)[1:4].mean(), mass_of(tables, "sep")
    )
    assert ends(found) == pytest.approx(expected)


def test_the_interval_of_the_first_strong_layer_is_of_layers(tables):
    def first(masses):
        mean = masses.mean(0)
        return int(np.flatnonzero(mean >= mean.max() / 2)[0])

    found = estimated(tables, "half_peak_layer", key_set="sep")
    assert ends(found) == tuple(resampled(first, mass_of(tables, "sep")))
    assert found.number == first(mass_of(tables, "sep"))


def test_a_mass_of_one_layer_is_the_row_of_the_table_of_means(tables):
    """Tables, figures and claims state the same interval."""
    rows = tables["sink_mass"].filter(model="m", key_set="sep")
    table = means.over_documents(rows, ["layer"], ["mass"])
    for layer in range(N_LAYERS):
        found = estimated(tables, "mass", key_set="sep", layers=[layer, layer])
        row = table.filter(layer=layer).row(0, named=True)
        assert (found.number, *ends(found)) == (row["mass"], row["mass_low"], row["mass_high"])


def test_the_interval_of_a_rate_is_over_documents(tables):
    rng = np.random.default_rng(8)
    scored = pl.DataFrame(
        [
            {"model": "m", "document": f"d{i}", "layer": layer, "key_set": "first_token",
             "window": 64, "n_heads": 4, "n_above": int(rng.integers(0, 5))}
            for i in range(6) for layer in range(N_LAYERS) if (i, layer) != (0, 0)
        ]
    )  # fmt: skip
    found = estimated(tables | {"sink_rate_documents": scored}, "sink_rate", window=64)
    counts = scored.group_by("document").agg(pl.col("n_above", "n_heads").sum()).sort("document")
    pairs = counts.select("n_above", "n_heads").to_numpy().astype(float)

    def rate(documents):
        return documents[:, 0].sum() / documents[:, 1].sum()

    assert found.number == pytest.approx(rate(pairs))
    assert ends(found) == pytest.approx(resampled(rate, pairs))
    assert found.n_documents == 6


def counted(rng, n=5):
    """max_attention_documents and the histogram of their sums."""
    names = [("[SEP]", "sep"), (".", "terminator"), ("tide", "word")]
    rows = [
        {"model": "m", "document": f"d{i}", "token": token, "key_class": key_class,
         "count": int(rng.integers(1, 90))}
        for i in range(n) for token, key_class in names if (i, token) != (1, ".")
    ]  # fmt: skip
    documents = pl.DataFrame(rows).cast({"count": pl.UInt64})
    whole = documents.group_by("model", "token", "key_class").agg(pl.col("count").sum())
    return {
        "max_attention_documents": documents,
        "max_attention_tokens": whole,
        "max_attention_tokens_padded": whole,
    }


def test_intervals_of_shares_leads_and_ratios_count_max_keys_of_documents():
    tables = counted(np.random.default_rng(2))
    table = tables["max_attention_documents"]
    wide = table.pivot("token", index="document", values="count").sort("document").fill_null(0)
    values = wide.select("[SEP]", ".", "tide").to_numpy().astype(float)  # [document, token]

    def share(documents):
        return documents[:, 0].sum() / documents.sum()

    def lead(documents):
        totals = documents.sum(0)
        return (totals[0] - max(totals[1:])) / totals.sum()

    def ratio(documents):
        return documents[:, 0].sum() / documents[:, 1].sum()

    for name, statistic, options in (
        ("max_key_share", share, {"tokens": ["[SEP]"]}),
        ("max_key_lead", lead, {"tokens": ["[SEP]"]}),
        ("max_key_ratio", ratio, {"tokens": ["[SEP]"], "of": ["."]}),
    ):
        found = estimated(tables, name, **options)
        assert found.number == pytest.approx(statistic(values))
        assert ends(found) == pytest.approx(resampled(statistic, values))
        assert found.n_documents == 5


def test_padded_counts_have_the_interval_of_their_documents():
    tables = counted(np.random.default_rng(2))
    padded = tables["max_attention_documents"]
    tables |= {"max_attention_documents_padded": padded, "max_attention_documents": padded.clear()}
    table = padded.pivot("token", index="document", values="count").sort("document").fill_null(0)
    values = table.select("[SEP]", ".", "tide").to_numpy().astype(float)
    found = estimated(tables, "max_key_share", tokens=["[SEP]"], counting="padded")
    assert ends(found) == pytest.approx(resampled(lambda x: x[:, 0].sum() / x.sum(), values))


def test_counts_that_are_not_kept_by_document_have_no_interval():
    tables = counted(np.random.default_rng(2))
    found = estimated(tables, "max_key_share", tokens=["[SEP]"], counting="padded")
    assert isinstance(found, float)


@pytest.mark.parametrize("aggregate", ["mean", "median"])
def test_the_interval_of_a_value_resamples_documents_with_all_their_rows(tables, aggregate):
    options = {"table": "sink_mass", "column": "mass", "where": {"key_set": "sep"}}
    found = estimated(tables, "value", layers=[0, 2], aggregate=aggregate, **options)
    values = mass_of(tables, "sep")[:, :3]
    assert ends(found) == pytest.approx(resampled(getattr(np, aggregate), values))
    assert found.number == pytest.approx(getattr(np, aggregate)(values))


def test_the_head_that_rests_least_is_chosen_anew_in_every_resample(tables):
    rng = np.random.default_rng(6)
    heads = pl.DataFrame(
        [
            {"model": "m", "document": f"d{i}", "layer": layer, "head": head,
             "sink_score": rng.random(), "over_half": rng.random()}
            for i in range(4) for layer in range(N_LAYERS) for head in range(2)
        ]
    )  # fmt: skip
    rows = heads.filter(layer=3).sort("document", "head")
    values = rows["sink_score"].to_numpy().reshape(4, 2)
    found = estimated(tables | {"heads": heads}, "induction_rest")
    assert ends(found) == pytest.approx(resampled(lambda x: x.mean(0).min(), values))


def test_a_second_sink_has_the_interval_of_its_documents():
    """Two documents: the interval is from one to the other."""
    tables = llama()(["m"])
    layers = tables["second_sink_layers"].filter(mark="own").select("layer", "first_token")
    documents = pl.concat(
        layers.with_columns(
            model=pl.lit("m"), document=pl.lit(name), is_own=pl.lit(True),
            second_sink=pl.col("first_token") * ratio, next_terminator=pl.lit(0.01),
            cosine=pl.lit(cosine),
        )
        for name, ratio, cosine in (("a", 0.8, 0.95), ("b", 1.0, 0.85))
    )  # fmt: skip
    with_documents = tables | {"second_sink": documents}
    found = estimated(with_documents, "second_sink", column="ratio", layers=[5, 5])
    assert (found.number, *ends(found)) == pytest.approx((0.9, 0.8, 1.0))
    contrast = estimated(with_documents, "second_sink_contrast")
    assert ends(contrast) == pytest.approx((36, 45))
    assert isinstance(
        estimated(with_documents, "second_sink", column="convergence", layers=[5, 5]), float
    )
