"""The second sink over documents: means, first and last layer, and the naive expectation."""

import itertools

import numpy as np
import polars as pl
import pytest
import torch

from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.experiments.second_sink.convergence import (
    convergence,
    mean_over_pairs,
    pair_intervals,
    pairs,
    summed,
)
from sinkscope.experiments.second_sink.derive import (
    by_layer,
    expected,
    of_first_document,
    profile,
    spans,
)
from sinkscope.experiments.second_sink.measure import States
from sinkscope.intervals import draws

NO_PAIRS = pl.DataFrame(schema={"model": pl.String, "layer": pl.Int64, "document": pl.String,
                                "other": pl.String, "cosine": pl.Float64})  # fmt: skip
CONVERGENCE = {"model": pl.String, "mark": pl.String, "layer": pl.Int64, "n_documents": pl.Int64,
               "cosine": pl.Float64, "unit_distance": pl.Float64}  # fmt: skip


def table(masses, model="m", first=0.5):
    """masses: document to the second sink's mass in every layer."""
    return pl.DataFrame(
        [
            {
                "model": model, "document": name, "mark": mark, "is_own": mark == ".",
                "layer": layer, "first_token": first, "second_sink": mass if mark == "." else 0.01,
                "next_terminator": 0.02, "strongest": 0.05, "cosine": 0.9, "unit_distance": 0.4,
                "cosine_others": 0.1,
            }
            for name, values in masses.items()
            for layer, mass in enumerate(values)
            for mark in (".", ",")
        ],
        schema_overrides={"second_sink": pl.Float64},
    )  # fmt: skip


def layers_of(masses, threshold=0.1, **more):
    none = pl.DataFrame(schema=CONVERGENCE)
    return by_layer(table(masses, **more), none, pair_intervals(NO_PAIRS), threshold)


def test_means_are_over_documents_that_have_later_queries():
    layers = layers_of({"a": [0.2, 0.4], "b": [0.1, float("nan")]})
    texts = layers.filter(pl.col("mark") == OWN).sort("layer")
    assert texts["second_sink"].to_list() == pytest.approx([0.15, 0.4])
    assert texts["n_documents"].to_list() == [2, 1]
    assert texts["ratio"].to_list() == pytest.approx([0.3, 0.8])
    assert texts["is_second_sink"].to_list() == [True, True]
    comma = layers.filter(pl.col("mark") == ",")
    assert not comma["is_second_sink"].any()


def test_intervals_are_over_documents_also_of_the_ratio_of_two_means():
    """Of two documents the interval is from one to the other."""
    layers = layers_of({"a": [0.2, 0.4], "b": [0.1, float("nan")]})
    first, second = layers.filter(pl.col("mark") == OWN).sort("layer").rows(named=True)
    assert [first[f"second_sink_{end}"] for end in ("low", "high")] == pytest.approx([0.1, 0.2])
    assert [first[f"ratio_{end}"] for end in ("low", "high")] == pytest.approx([0.2, 0.4])
    assert [second[f"second_sink_{end}"] for end in ("low", "high")] == [None, None]
    assert [first["next_terminator_n"], first["cosine_n"], second["cosine_n"]] == [2, 2, 2]


def test_the_interval_of_a_mean_over_pairs_resamples_documents():
    """Pairs of a document with itself do not count, also where it was drawn twice."""
    rng = np.random.default_rng(3)
    units = rng.normal(size=(5, 4))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = units @ units.T
    expected = []
    for counts in draws(5).astype(int):
        drawn = np.repeat(np.arange(5), counts)
        values = [cosines[i, j] for i, j in itertools.combinations(drawn, 2) if i != j]
        expected.append(np.mean(values) if values else np.nan)
    np.testing.assert_allclose(mean_over_pairs(cosines), expected, atol=1e-8)
    frame = pairs(
        pl.DataFrame({"model": "m", "layer": 0, "document": list("abcde"), "unit": units.tolist()})
    )
    (row,) = pair_intervals(frame).rows(named=True)
    low, high = np.nanpercentile(expected[1:], [2.5, 97.5])
    assert (row["convergence_low"], row["convergence_high"]) == pytest.approx((low, high))
    assert (row["mark"], row["n_documents"]) == (OWN, 5)
    two = frame.filter(pl.col("document").is_in(["a", "b"]), pl.col("other").is_in(["a", "b"]))
    assert pair_intervals(two).is_empty()


def test_it_is_born_in_the_first_layer_at_the_threshold_and_ends_in_the_last():
    row = spans(layers_of({"a": [0.0, 0.1, 0.4, 0.05, 0.2, 0.0]})).row(0, named=True)
    assert (row["born"], row["ends"], row["n_layers"]) == (1, 4, 3)
    assert (row["layer"], row["mass"], row["ratio"]) == (2, 0.4, 0.8)


def test_without_one_the_strongest_layer_is_still_given():
    row = spans(layers_of({"a": [0.01, 0.03]})).row(0, named=True)
    assert (row["n_layers"], row["born"], row["ends"]) == (0, None, None)
    assert (row["layer"], row["mass"]) == (1, 0.03)


def local(before, after, first=(0.8, 0.4), second=0.352, key=20, n=60, layers=(0,)):
    return pl.DataFrame(
        [
            {
                "model": "m", "document": "a", "layer": layer, "query": query, "key": key,
                "first_token": first[query > key], "second_sink": second if query > key else 0.0,
                "local": after if query > key else before,
                "local_no_first": after if query > key else before,
            }
            for layer in layers
            for query in range(n)
        ]
    )  # fmt: skip


def test_the_factor_of_the_study_comes_out_of_its_masses():
    """BOS with 0.8 of the first sentence, later a second sink at 0.88 of it: 1 + 0.88 * 0.8."""
    layers = layers_of({"a": [0.352]})
    [row] = expected(profile(local(0.15, 0.14), layers)).iter_rows(named=True)
    assert row["factor"] == pytest.approx(1 + 0.88 * 0.8)
    assert row["local_before"] == pytest.approx(0.15)
    assert row["local_after"] == pytest.approx(0.14)


def test_a_second_sink_in_proportion_divides_by_exactly_that_factor():
    """Logits of all other keys stay; one key joins with a weight of r times that of key 0."""
    m0, r = 0.7, 0.5
    rest, factor = 1 - m0, 1 + r * m0
    data = local(rest, rest / factor, (m0, m0 / factor), r * m0 / factor)
    [row] = expected(profile(data, layers_of({"a": [0.2]}))).iter_rows(named=True)
    assert row["local_before"] / row["local_after"] == pytest.approx(row["factor"])


def test_the_profile_is_over_the_layers_that_hold_it_or_over_all():
    data = pl.concat([local(0.1, 0.1), local(0.5, 0.5, layers=(1,))])
    held = profile(data, layers_of({"a": [0.0, 0.4]}))
    assert held["local"].unique().to_list() == [0.5]
    none = profile(data, layers_of({"a": [0.0, 0.0]}))
    assert none["local"].unique().to_list() == pytest.approx([0.3])


def test_a_first_sentence_that_is_too_short_has_no_expectation():
    layers = layers_of({"a": [0.3]})
    assert expected(profile(local(0.2, 0.1, key=6), layers)).is_empty()
    assert expected(profile(local(0.2, 0.1, key=56), layers)).is_empty()
    assert expected(profile(local(0.2, 0.1, key=7), layers)).height == 1


@pytest.mark.parametrize("n_documents", [2, 5])
def test_convergence_is_the_mean_cosine_over_all_pairs_however_they_are_shared_out(n_documents):
    random = torch.Generator().manual_seed(3)
    vectors = torch.randn(n_documents, 2, 7, generator=random).double()
    names = {"d0", "d1", "d2"}

    def shards(*parts):
        """What each of these groups of documents leaves, in their order."""
        shard_states = []
        for part in parts:
            states = States(names)
            for i in part:
                states.add(".", vectors[i], f"d{i}")
            shard_states.append(states)
        model = pl.lit("m").alias("model")
        sums = [states.sums().with_columns(model) for states in shard_states]
        units = [states.units(".") for states in shard_states]
        units = pl.concat(frame for frame in units if not frame.is_empty()).with_columns(model)
        return convergence(summed(sums)), pairs(units)

    unit = vectors / vectors.norm(dim=-1, keepdim=True)
    cosine = np.array([(unit[:, layer] @ unit[:, layer].T).numpy() for layer in range(2)])
    above = np.triu_indices(n_documents, 1)
    table, cosines = shards(range(n_documents))
    np.testing.assert_allclose(table["cosine"], [c[above].mean() for c in cosine], atol=1e-11)
    distance = [np.sqrt((2 - 2 * c[above]).mean()) for c in cosine]
    np.testing.assert_allclose(table["unit_distance"], distance, atol=1e-9)
    n_names = min(n_documents, 3)
    assert cosines.height == 2 * n_names**2
    np.testing.assert_allclose(cosines["cosine"], cosine[:, :n_names, :n_names].ravel(), atol=1e-12)
    again, others = shards(*([i] for i in reversed(range(n_documents))))
    assert again.equals(table)
    assert others.equals(cosines)


def test_one_document_converges_with_none():
    states = States({"d"})
    states.add(".", torch.ones(2, 4), "d")
    sums = summed([states.sums().with_columns(model=pl.lit("m"))])
    assert convergence(sums)["cosine"].to_list() == [None, None]


def test_of_the_maps_that_shards_left_those_of_the_first_document_are_shown():
    maps = pl.DataFrame({"model": ["a", "a", "b"], "document": ["y", "x", "z"]})
    assert of_first_document(maps).rows() == [("a", "x"), ("b", "z")]
