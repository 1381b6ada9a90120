"""Masses of long texts: all queries against full matrices, samples against all queries."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

import reference
import tiny
from sinkscope.errors import SinkscopeError
from sinkscope.experiments.long_masses import EXPERIMENT
from sinkscope.experiments.long_masses.measure import measure
from sinkscope.extract.encode import encode
from sinkscope.keys import key_sets
from sinkscope.tables.contract import conform
from tasks import documents, task

N = 620
TEXT = "z the cat sat! it ran away. did he see it? yes, and then he sat down. " * 9
LONGEST = {"gpt2": "n_positions"}


def loaded_of(name):
    """A tiny model of more positions, with a tokenizer that suits it."""
    encoder = name in tiny.ENCODERS
    tokenizer = tiny.letter_tokenizer() if encoder else tiny.byte_tokenizer()
    positions = {LONGEST.get(name, "max_position_embeddings"): N + 2}
    network = tiny.network(name, vocab_size=len(tokenizer), **positions)
    return dataclasses.replace(tiny.loaded(name, tokenizer), network=network, max_length=N)


@pytest.fixture(scope="module", params=["llama", "gpt2", "falcon-alibi", "bert"])
def loaded(request):
    return loaded_of(request.param)


def tables(loaded, *texts, **settings):
    frames = measure(loaded, task("long_masses", *documents(*(texts or (TEXT,))), **settings))
    model = pl.lit("m").alias("model")
    return {
        name: conform(frame.lazy().with_columns(model), EXPERIMENT.tables[name]).collect()
        for name, frame in frames.items()
    }


def test_all_queries_give_what_full_matrices_give(loaded):
    found = tables(loaded)
    encoded = encode(loaded, "d", TEXT, truncate=True)
    with reference.capture() as captured, torch.inference_mode():
        loaded.network(torch.tensor([encoded.ids]))
    p, visible = captured.document(0)
    masses = found["long_masses"]
    assert masses["n_queries"].unique().to_list() == [len(encoded.ids)]
    assert masses["mass_error"].null_count() == masses.height
    for name, keys in key_sets(encoded.classes).items():
        rows = masses.filter(key_set=name)
        assert rows.height == (len(p) if keys else 0)
        if keys:
            np.testing.assert_allclose(rows["mass"], reference.mass(p, keys), 1e-4, 1e-6)
            strict = reference.strict_mass(p, keys)
            np.testing.assert_allclose(rows["strict_mass"].fill_null(np.nan), strict, 1e-4, 1e-6)
    keys = found["long_mass_keys"]
    received = reference.sink_score(p, visible).mean(1)
    received[:, 2 * visible.sum(0) < len(encoded.ids)] = -1
    for layer, rows in keys.group_by("layer"):
        best = np.sort(received[layer[0]])[::-1][:16]
        np.testing.assert_allclose(rows["received"].sort(descending=True), best, 1e-4, 1e-6)
        counts = np.bincount(reference.max_key(p)[layer[0]], minlength=len(encoded.ids))
        assert abs(rows["n_max"].sum() - counts[rows["key"].to_numpy()].sum()) <= 2  # ties
    assert keys["token"].to_list() == [encoded.tokens[key] for key in keys["key"]]


def test_a_sample_agrees_with_all_queries_within_its_errors(loaded):
    if loaded.family == "encoder":
        found = tables(loaded, queries="sampled", queries_part=3)
        assert found["long_masses"].equals(tables(loaded)["long_masses"])
        return
    everything = tables(loaded)["long_masses"]
    by = ["layer", "key_set"]
    off, held = [], []
    for seed in range(6):
        found = tables(loaded, queries="sampled", queries_part=3, queries_seed=seed)["long_masses"]
        assert found["n_queries"].max() < 0.6 * N
        both = found.join(everything, on=by, suffix="_exact", nulls_equal=True)
        assert both.height == everything.height
        for name in ("mass", "strict_mass"):
            rows = both.drop_nulls(name)
            difference = (rows[name] - rows[f"{name}_exact"]).to_numpy()
            off.append(np.abs(difference) / np.maximum(rows[f"{name}_error"].to_numpy(), 1e-7))
        exact = pl.col("mass_exact")
        held.append(
            both.select((exact > pl.col("mass_low") - 1e-6) & (exact < pl.col("mass_high") + 1e-6))
        )
    assert pl.concat(held).to_series().mean() > 0.85
    off = np.concatenate(off)
    assert np.median(off) < 1.0
    assert (off < 4).mean() > 0.99


def test_the_same_seed_draws_the_same_and_another_another():
    loaded = loaded_of("llama")
    one, same, other = (
        tables(loaded, queries="sampled", queries_part=3, queries_seed=seed) for seed in (1, 1, 2)
    )
    for name in one:
        assert one[name].equals(same[name])
        assert not one[name].equals(other[name])


def test_a_short_text_is_read_with_all_queries():
    found = tables(loaded_of("llama"), TEXT[:100], TEXT, queries="sampled", queries_part=3)
    is_short = pl.col("document") == "d0"
    short, long = (found["long_masses"].filter(which) for which in (is_short, ~is_short))
    assert short["n_queries"].equals(short["n_tokens"])
    assert short["mass_error"].null_count() == short.height
    assert (long["n_queries"] < long["n_tokens"]).all()
    assert long["mass_error"].null_count() == 0


@pytest.mark.parametrize("queries", ["all", "sampled"])
def test_attention_that_is_no_number_is_refused(queries):
    loaded = loaded_of("llama")
    with torch.no_grad():
        loaded.network.layers[1].self_attn.q_proj.weight[:] = float("inf")
    with pytest.raises(SinkscopeError, match=r"'d0'.*NaN or infinite attention logits in layer 1"):
        tables(loaded, queries=queries, queries_part=3)


def test_unknown_queries_are_refused_by_the_configuration():
    [setting] = [one for one in EXPERIMENT.settings if one.key == "queries"]
    assert setting.default == "all"
    assert setting.schema["enum"] == ["all", "sampled"]
