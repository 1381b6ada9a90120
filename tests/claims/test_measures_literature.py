"""Measures of the claims of the literature, against plain loops over small tables."""

import numpy as np
import polars as pl
import pytest

from claims.case import resampled
from claims.made_literature import (
    activations,
    beginnings,
    depth,
    edits,
    lengths_of_sinks,
    lives,
    long_texts,
    over_half,
    rate,
    roles,
    without_stops,
)
from claims.made_tables import llama
from sinkscope.claims.measure import AbsentError, Estimate, measures

MODEL = "m"


def taken(measure, make, **options):
    tables = make([MODEL]) | {"models": pl.DataFrame({"model": MODEL, "n_layers": 8})}
    found = measures()[measure].compute(tables, MODEL, **options)
    return found.number if isinstance(found, Estimate) else found


@pytest.fixture(scope="module")
def heads():
    """Three documents, four layers, two heads; another model that would be noticed."""
    rng = np.random.default_rng(5)
    values = rng.random((2, 3, 4, 2, 2))  # model, document, layer, head, column
    rows = [
        {"model": (MODEL, "other")[m], "document": f"d{d}", "layer": layer, "head": head,
         "local_5": values[m, d, layer, head, 0], "entropy": values[m, d, layer, head, 1]}
        for m in (0, 1) for d in range(3) for layer in range(4) for head in (0, 1)
    ]  # fmt: skip
    return values[0], {"heads": pl.DataFrame(rows, schema_overrides={"layer": pl.UInt16})}


def test_local_attention_is_the_mean_over_documents_layers_and_heads(heads):
    values, tables = heads
    found = measures()["local"].compute(tables, MODEL, column="local_5", layers=[1, 2])
    assert found.number == pytest.approx(values[:, 1:3, :, 0].mean())
    per_document = values[:, 1:3, :, 0].mean((1, 2))
    assert per_document.min() <= found.low < found.number < found.high <= per_document.max()
    assert found.n_documents == 3
    left = measures()["local_left"].compute(
        tables, MODEL, column="local_5", layers=[2, -1], of_layers=[0, 1]
    )
    assert left.number == pytest.approx(values[:, 2:, :, 0].mean() / values[:, :2, :, 0].mean())


def test_the_broadest_head_is_that_of_the_means_over_documents(heads):
    values, tables = heads
    found = measures()["broadest_head"].compute(tables, MODEL, layers=[0, 0])
    assert found.number == pytest.approx(values[:, 0, :, 1].mean(0).max())


def test_mass_of_texts_without_a_key_set():
    make = without_stops(0.2, 0.4)
    assert taken("mass", make, key_set="bos", without="terminator") == pytest.approx(0.3)
    assert taken("mass", make, key_set="bos") == pytest.approx((0.3 + 0.9) / 2)


def test_sink_rates_of_a_window_and_of_whole_documents():
    assert taken("sink_rate", rate(0.6, 0.3), window=64) == pytest.approx(0.6)
    assert taken("sink_rate", rate(0.6, 0.3), window=None) == pytest.approx(0.3)
    assert taken("sink_rate_left", rate(0.6, 0.3), window=64) == pytest.approx(0.5)
    assert taken("sink_rate_left", rate(0.6, 0.3), window=128) is None  # the document has 200


def test_mass_by_length_compares_the_same_documents_where_the_beginning_is_strongest():
    assert taken("mass_by_length", lengths_of_sinks(0.8, 0.2)) == pytest.approx(0.25)
    with pytest.raises(AbsentError, match="first_token is not a sink of m in short texts"):
        taken("mass_by_length", lengths_of_sinks(0.05, 0.2))


def test_the_naive_factor_is_the_studies_own_arithmetic():
    """(1.88 x 0.8 + 0.2) / (0.8 + 0.2)."""
    factor = taken("naive_factor", llama(ratio=0.88, before=0.8), layers=[5, 5])
    assert factor == pytest.approx((1.88 * 0.8 + 0.2) / (0.8 + 0.2))


def test_queries_after_the_second_sink_are_counted():
    found = taken("second_sink_queries", llama(skipped=13), layers=[5, 5])
    assert found == pytest.approx(26 / 39)
    assert taken("local_weight", llama(local=0.12), layers=[5, 5]) == pytest.approx(0.02)


def test_massive_activations_are_located():
    made = activations(layers=(3, 17), dimensions=(4, 9), size=150.0, elsewhere=5)
    assert taken("massive_layer", made, end="first") == 3
    assert taken("massive_layer", made, end="last") == 17
    found = [taken("massive_dimensions", made, which=w) for w in ("n", "first", "last")]
    assert found == [2, 4, 9]
    assert taken("massive_size", made) == 150  # its activations are negative
    assert taken("massive_share", made) == pytest.approx(60 / 75)
    assert taken("massive_share", made, key_classes=["word"]) == 1
    with pytest.raises(AbsentError, match="m has no massive activations"):
        taken("massive_size", activations(size=99.0))


def test_a_dimension_that_is_massive_in_few_documents_does_not_count():
    make = activations(dimensions=(4,))
    tables = make([MODEL])["activations"]
    rare = tables.head(1).with_columns(
        dimension=pl.lit(7, pl.Int64), is_massive=pl.lit(value=True),
        document=pl.Series(["a"]),
    )  # fmt: skip
    more = [tables.with_columns(document=pl.lit(name)) for name in ("b", "c", "d")]
    every = pl.concat([tables, *more, rare])
    found = measures()["massive_dimensions"].compute({"activations": every}, MODEL, which="n")
    assert found == 1


def test_compression_is_where_the_first_token_is_largest():
    make = depth([0.9, 0.2, 0.6], [0.9, 0.8, 0.7], [1, 99, 50], [0.1, 0.6, 0.5])
    assert taken("compression", make) == pytest.approx(0.2 / 0.8)
    assert taken("valley", make) == pytest.approx(0.2 / 0.6)
    assert taken("sinks_where_large", make) == pytest.approx(0.55 / 0.1)
    with pytest.raises(AbsentError, match=r"at most 3\.0 times, below 5"):
        taken("valley", depth([0.9, 0.2, 0.6], [0.9] * 3, [1, 3, 1]))


def test_dormant_heads_and_those_that_are_active_in_some_text():
    make = over_half([0.9, 0.8], [0.9, 0.4], [0.1, 0.9], [0.0, 0.1])
    assert taken("dormant_heads", make) == pytest.approx(2 / 4)
    assert taken("varying_heads", make) == pytest.approx(1 / 2)


def test_dormant_heads_have_the_interval_of_their_documents():
    values = np.array([[0.9, 0.9, 0.1, 0.6], [0.8, 0.4, 0.9, 0.2], [0.7, 0.1, 0.9, 0.4]])
    rows = [
        {"model": MODEL, "document": f"d{d}", "layer": 0, "head": head, "over_half": value}
        for d, of_document in enumerate(values) for head, value in enumerate(of_document)
    ]  # fmt: skip
    tables = {"heads": pl.DataFrame(rows)}

    def dormant(drawn):
        return (drawn.mean(0) > 0.5).mean()

    def varying(drawn):
        of_dormant = drawn[:, drawn.mean(0) > 0.5]
        return (of_dormant.min(0) < 0.5).mean() if of_dormant.size else np.nan

    for name, statistic in (("dormant_heads", dormant), ("varying_heads", varying)):
        found = measures()[name].compute(tables, MODEL)
        assert found.number == pytest.approx(statistic(values))
        assert (found.low, found.high) == pytest.approx(resampled(statistic, values))
        assert found.n_documents == 3


def test_fractions_of_sinks_have_the_interval_of_their_documents():
    """Per document: sinks beside key 0, those close to it, those that begin in the middle, and the
    peak mass of each."""
    documents = [(3, 1, 1, 0.2), (1, 1, 0, 0.4), (2, 2, 1, 0.3)]
    rows = []
    for d, (n, n_close, n_middle, mass) in enumerate(documents):
        first = {"key": 0, "first_layer": 0, "first_close_layer": None, "peak_mass": 0.5 + d / 10}
        others = [
            {"key": i + 1, "first_layer": 3 if i < n_middle else 7,
             "first_close_layer": 4 if i < n_close else None, "peak_mass": mass}
            for i in range(n)
        ]  # fmt: skip
        rows += [{"model": MODEL, "document": f"d{d}", **one} for one in (first, *others)]
    tables = {
        "sink_lives": pl.DataFrame(rows, schema_overrides={"first_close_layer": pl.Int64}),
        "models": pl.DataFrame({"model": MODEL, "n_layers": 8}),
    }
    table = np.array(documents, dtype=float)

    def close(drawn):
        return drawn[:, 1].sum() / drawn[:, 0].sum()

    def middle(drawn):
        return drawn[:, 2].sum() / drawn[:, 1].sum()

    for name, statistic in (("close_share", close), ("secondary_in_middle", middle)):
        found = measures()[name].compute(tables, MODEL)
        assert found.number == pytest.approx(statistic(table))
        assert (found.low, found.high) == pytest.approx(resampled(statistic, table))
        assert found.n_documents == 3
    firsts = np.array([0.5, 0.6, 0.7])

    def mass(drawn):
        counts, own = drawn[:, 1], drawn[:, 3]
        return (counts * own).sum() / counts.sum() / drawn[:, 4].mean()

    with_first = np.column_stack([table, firsts])
    found = measures()["secondary_mass"].compute(tables, MODEL)
    assert found.number == pytest.approx(mass(with_first))
    assert (found.low, found.high) == pytest.approx(resampled(mass, with_first))


def test_secondary_sinks_are_those_close_to_the_first_token():
    made = lives((0, 2, 3, 9, 0.1), (1, 7, 7, 7, 0.3), (1, 4, None, None, 0.9), first_mass=0.5)
    assert taken("documents_with_other_sinks", made) == pytest.approx(2 / 4)
    assert taken("close_share", made) == pytest.approx(2 / 3)
    assert taken("secondary_in_middle", made) == pytest.approx(1 / 2)  # of 8 layers: 2 to 5
    assert taken("secondary_mass", made) == pytest.approx(0.2 / 0.5)
    assert taken("sink_levels", made) == 2
    with pytest.raises(AbsentError, match="has no secondary sink"):
        taken("secondary_mass", lives((1, 4, None, None, 0.9)))


def test_other_beginnings_are_compared_in_the_strongest_layer():
    assert taken("first_without_special", beginnings(special=0.4)) == pytest.approx(0.4)
    found = taken("first_of_text", beginnings(other=0.2), input="other_first_word")
    assert found == pytest.approx(0.4)
    assert taken("first_of_text", beginnings(), input="filler") is None


def test_roles_of_sinks_are_counted_without_heads_that_have_none():
    made = roles(no_op=1, mixed=2, broadcast=1, none=9)
    assert taken("sink_roles", made) == 2
    assert taken("noop_share", made) == pytest.approx(1 / 4)


def test_a_window_is_compared_with_one_of_as_many_keys_of_long_enough_texts():
    assert taken("window_cost", long_texts(8, 5.0, 3.5), window=8) == pytest.approx(1.5)
    assert taken("window_cost", long_texts(8, 5.0, 3.5), window=8, column="loss") == pytest.approx(
        0.75
    )
    assert taken("window_cost", long_texts(8, 5.0, 3.5, n_tokens=15), window=8) is None
    assert taken("window_cost", long_texts(8, 5.0, 3.5), window=4) is None


def test_the_cost_of_an_edit_is_of_all_heads_of_the_role():
    assert taken("edit_cost", edits("no-op", 0.2), role="no-op") == pytest.approx(0.2)
    assert taken("edit_cost", edits("no-op", 0.2), role="no-op", edit="mean") is None
    with pytest.raises(AbsentError, match="has no head whose sink is a broadcast"):
        taken("edit_cost", edits("no-op", 0.2), role="broadcast")
