"""Masked passes of tiny models of all families, against a float64 reference."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import reference
import tiny
import with_heads
from sinkscope.experiments.masks.allowed import Text, allowed
from sinkscope.experiments.masks.derive import costs
from sinkscope.experiments.masks.measure import measure, rule_of
from sinkscope.experiments.masks.vocabulary import parse
from sinkscope.extract.encode import encode
from sinkscope.extract.model import load_model
from sinkscope.keys import key_sets
from sinkscope.measure.prediction import masked, seed_of
from tasks import documents, task

TEXTS = ("z the cat sat! it ran away, far away. then it came", "one two three? four five six seven")
MASKS = ["sinks", "sinks+window(4)+random(3)", "dense-sinks", "window(4)@1"]
# Random models have weak sinks, and these texts are short.
RULE = {"sink_queries": 5, "sink_floor": 0.01, "sink_times": 1.1, "sink_share": 0.3}


def settings(**changes):
    return {"masks": MASKS, "experiment_tokens": 32} | RULE | changes


def masked_pass(model, ids, keys=None):
    """Attention [layer, head, query, key], visible [layer, query, key], logits, states in float64;
    with `keys` [layer, query, key] bool only these may be attended to."""
    rows, seen = [], []

    def attend(logits, visible, value):
        if keys is not None:
            visible = visible & torch.from_numpy(keys[len(rows)])
        p = logits.masked_fill(~visible, -math.inf).softmax(-1)
        rows.append(p[0].numpy())
        seen.append(visible.numpy())
        return p @ value

    logits, states = with_heads.in_float64(model, ids, attend)
    return np.stack(rows), np.stack(seen), logits, states


def log_softmax(logits):
    largest = logits.max(-1, keepdims=True)
    return logits - largest - np.log(np.exp(logits - largest).sum(-1, keepdims=True))


@pytest.fixture(params=tiny.NAMES, scope="module")
def measured(request, tmp_path_factory):
    """(name, loaded, frames, the reference) of one family."""
    folder = tmp_path_factory.mktemp(request.param)
    loaded = with_heads.load(folder, request.param)
    frames = measure(loaded, task("masks", *documents(TEXTS[0]), **settings()))
    return request.param, loaded, frames, with_heads.float64(folder / request.param, request.param)


def test_every_mask_is_what_a_float64_model_gives_with_these_keys(measured):
    name, loaded, frames, model = measured
    table = frames["masks"]
    assert set(table["mask"]) == {"dense", *MASKS}
    assert table.height == 5 + 3
    rule = rule_of(task("masks", **settings()).settings)
    shorter = dataclasses.replace(loaded, max_length=32)
    n_sinks = 0
    for document in documents(TEXTS[0]):
        encoded = encode(shorter, document.name, document.text, truncate=True)
        n, seeds = len(encoded.ids), seed_of(0, document.name)
        ids = torch.tensor([encoded.ids])
        places, targets = list(range(n - 1)), ids[0, 1:]
        if name in tiny.ENCODERS:
            places = masked(encoded.classes, seeds)
            targets = ids[0, places]
            ids = ids.clone()
            ids[0, places] = loaded.tokenizer.mask_token_id
        p, visible, dense_logits, dense_states = masked_pass(model, ids)
        of_sinks = reference.sinks(p, visible[0], rule)
        is_sink = of_sinks["is_sink"]
        n_sinks += is_sink.sum()
        sets = {"sinks": is_sink}
        text = Text(visible, sets, seeds)
        for mask in table["mask"].unique():
            for control in (False, True):
                row = table.filter(document=document.name, mask=mask, is_control=control)
                if control and not parse(mask).has_control:
                    assert row.is_empty()
                    continue
                keys = allowed(parse(mask), text, control=control)
                p, seen, logits, states = masked_pass(model, ids, keys)
                loss = -log_softmax(logits[places])[np.arange(len(places)), targets.numpy()]
                best, dense_best = (x[places].argmax(-1) for x in (logits, dense_logits))
                cosine = (states * dense_states).sum(-1) / (
                    np.linalg.norm(states, axis=-1) * np.linalg.norm(dense_states, axis=-1)
                )
                (found,) = row.to_dicts()
                assert found["share_of_pairs"] == pytest.approx(seen.sum() / visible.sum())
                assert found["n_sinks"] == pytest.approx(is_sink.sum() / len(is_sink))
                assert (found["n_tokens"], found["n_predicted"]) == (n, len(places))
                assert found["loss"] == pytest.approx(loss.mean(), rel=2e-5)
                assert found["agreement"] == pytest.approx((best == dense_best).mean(), abs=0.05)
                assert found["cosine"] == pytest.approx(cosine.mean(), abs=2e-5)
                assert_layers(frames, row, p, seen, is_sink, rule, encoded)
    assert n_sinks > 3  # else masks with sinks would say nothing


def assert_layers(frames, row, p, seen, is_sink, rule, encoded):
    """Rows of mask_layers and mask_sinks of the same pass."""
    same = {name: row[name][0] for name in ("document", "mask", "is_control")}
    layers = frames["mask_layers"].filter(**same).sort("layer")
    per_key = p.mean((1, 2))  # [layer, key]
    expected = [reference.sinks(p[[i]], seen[i], rule)["is_sink"][0] for i in range(len(p))]
    expected = np.stack(expected)
    np.testing.assert_allclose(layers["dense_sinks"], (per_key * is_sink).sum(1), atol=2e-6)
    np.testing.assert_allclose(layers["found_sinks"], (per_key * expected).sum(1), atol=2e-6)
    np.testing.assert_allclose(layers["first_token"], per_key[:, 0], atol=2e-6)
    np.testing.assert_allclose(
        layers["own"], np.einsum("lhii->l", p) / p[0, :, :, 0].size, rtol=1e-5
    )
    np.testing.assert_allclose(layers["local"], reference.local(p)[..., -1].mean(1), rtol=1e-5)
    assert layers["n_new"].to_list() == (expected & ~is_sink).sum(1).tolist()
    sinks = frames["mask_sinks"].filter(**same)
    places = [tuple(place) for place in np.argwhere(expected)]
    assert sinks.sort("layer", "key").select("layer", "key").rows() == places
    for one in sinks.iter_rows(named=True):
        layer, key = one["layer"], one["key"]
        assert one["token"] == encoded.tokens[key]
        assert one["is_dense_sink"] == is_sink[layer, key]
        assert one["n_queries"] == seen[layer][:, key].sum()
        assert one["mass"] == pytest.approx(per_key[layer, key], abs=2e-6)
        assert one["received"] * one["n_queries"] == pytest.approx(one["mass"] * len(per_key[0]))


def test_dense_attention_is_the_measure_of_all_masks(measured):
    dense = measured[2]["masks"].filter(mask="dense")
    assert dense["share_of_pairs"].to_list() == [1]
    assert dense["agreement"].to_list() == [1]
    assert dense["cosine"].to_list() == pytest.approx([1])


def test_the_same_settings_give_the_same_numbers_and_another_seed_does_not(tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    one, again, other = (
        measure(loaded, task("masks", *documents(*TEXTS), **settings(mask_seed=seed)))
        for seed in (0, 0, 1)
    )
    assert all(one[name].equals(again[name]) for name in one)
    random = (pl.col("mask") == MASKS[1]) | pl.col("is_control")
    same = one["masks"]["loss"] == other["masks"]["loss"]
    assert same.filter(one["masks"].select(~random).to_series()).all()
    assert not same.filter(one["masks"].select(random).to_series()).all()


def test_a_model_without_a_head_has_cosines_and_no_likelihood(tmp_path):
    tiny.save(tmp_path / "bert", "bert")
    loaded = load_model(tiny.row("bert", f"path:{tmp_path / 'bert'}"), Path("/"))
    frames = measure(loaded, task("masks", *documents(*TEXTS), **settings()))
    table = frames["masks"]
    assert table["loss"].null_count() == table["agreement"].null_count() == table.height
    assert set(table["n_predicted"]) == {0}
    assert table.filter(mask="window(4)@1")["cosine"].max() < 0.9999
    over = costs(table.with_columns(model=pl.lit("bert")))
    assert over["loss"].null_count() == over["perplexity"].null_count() == over.height
    assert over["cosine"].null_count() == 0


def test_documents_in_which_no_key_can_be_judged_are_left_out(tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    job = task("masks", *documents("short", TEXTS[0]), **settings(sink_queries=10))
    assert measure(loaded, job)["masks"]["document"].unique().to_list() == ["d1"]
    assert measure(loaded, task("masks", *documents("short"), **settings(sink_queries=10))) == {}


def test_an_encoder_predicts_a_seeded_part_of_its_ordinary_tokens():
    classes = ["cls", *["word"] * 40, "mask", "sep"]
    places = masked(classes, (0, 1))
    assert len(places) == 6
    assert all(classes[place] == "word" for place in places)
    assert places == masked(classes, (0, 1)) != masked(classes, (1, 1))
    assert len(masked(["cls", "word", "sep"], (0, 1))) == 1


def test_costs_over_documents():
    """Two documents of 10 and 30 predicted tokens: totals over tokens, differences over the same
    tokens."""
    rows = [
        {"model": "m", "document": d, "mask": mask, "is_control": control, "share_of_pairs": 0.5,
         "n_sinks": 1.0, "n_tokens": n + 1, "n_predicted": n, "loss": base + more,
         "agreement": 0.5, "cosine": 1.0 - more / 10}
        for d, n, base in (("one", 10, 2.0), ("two", 30, 4.0))
        for mask, control, more in (("dense", False, 0.0), ("sinks", False, 1.0),
                                    ("sinks", True, 3.0))
    ]  # fmt: skip
    table = costs(pl.DataFrame(rows))
    dense, mask, control = table.sort("mask", "is_control").to_dicts()
    assert dense["loss"] == pytest.approx(3.5)
    assert dense["perplexity"] == pytest.approx(math.exp(3.5))
    assert (dense["loss_low"], dense["loss_high"]) == pytest.approx((2.0, 4.0))
    assert dense["perplexity_high"] == pytest.approx(math.exp(4.0))
    assert (mask["loss_change"], mask["control_loss"]) == pytest.approx((1.0, 2.0))
    assert (mask["loss_change_low"], mask["loss_change_high"]) == pytest.approx((1.0, 1.0))
    assert mask["control_cosine"] == pytest.approx(0.2)
    assert (control["control_loss"], control["control_cosine"]) == (None, None)
    assert control["loss_change"] == pytest.approx(3.0)
    assert {row["n_documents"] for row in (dense, mask, control)} == {2}


def test_key_sets_of_the_text_are_allowed_by_name(tmp_path):
    """first_terminator in place of sinks: its row allows that key alone beside the query."""
    loaded = with_heads.load(tmp_path, "gpt2")
    job = task("masks", *documents(TEXTS[0]), **settings(masks=["first_terminator"]))
    (share,) = measure(loaded, job)["masks"].filter(mask="first_terminator", is_control=False)[
        "share_of_pairs"
    ]
    encoded = encode(dataclasses.replace(loaded, max_length=32), "d0", TEXTS[0], truncate=True)
    (key,) = key_sets(encoded.classes)["first_terminator"]
    assert share == pytest.approx((32 + 31 - key) / (32 * 33 / 2))
