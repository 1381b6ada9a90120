"""Roles and edits of tiny models of all families, against a float64 reference."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

import tiny
import with_heads
from sinkscope.experiments.head_roles import roles as rule
from sinkscope.experiments.head_roles.constants import KINDS
from sinkscope.experiments.head_roles.derive import edit_costs, roles
from sinkscope.experiments.head_roles.measure import measure
from sinkscope.extract.encode import encode
from sinkscope.extract.model import load_model
from sinkscope.extract.output_head import with_output_head
from sinkscope.extract.output_projection import output_projections
from sinkscope.measure.prediction import masked, seed_of
from tasks import documents, task

TEXTS = ("z the cat sat! it ran away, far away", "one two three? four five six")
SETTINGS = {"experiment_tokens": 24, "sink_queries": 6, "head_edits": list(KINDS)}


@pytest.fixture(autouse=True)
def weak_sinks(monkeypatch):
    """Heads of random models have no sinks: a tenth of the queries that give a tenth are enough."""
    monkeypatch.setattr(rule, "HALF", 0.1)
    monkeypatch.setattr(rule, "MOST", 0.1)


def edited_pass(model, ids, keys=None, kind=None, other=None):
    """Logits, states, and of every layer attention [head, query, key] and value [head, key, d].
    keys: [layer][head] the key that is edited, -1 for none; other: its new value, [layer][head]."""
    layers = []

    def attend(logits, visible, value):
        place, n = len(layers), len(visible)
        output = torch.zeros(logits.shape[:3] + value.shape[-1:], dtype=torch.float64)
        p = logits.masked_fill(~visible, -torch.inf).softmax(-1)
        layers.append((p[0].numpy(), value[0].numpy()))
        for head in range(logits.shape[1]):
            at = -1 if keys is None else keys[place][head]
            for i in range(n):
                keep, sent = visible[i].clone(), value[0, head].clone()
                if at >= 0 and i != at:
                    keep[at] &= kind != "remove"
                    if kind == "zero":
                        sent[at] = 0
                    if kind == "mean":
                        sent[at] = torch.cat([sent[:at], sent[at + 1 :]]).mean(0)
                    if kind == "other":
                        sent[at] = torch.from_numpy(other[place][head])
                row = logits[0, head, i].masked_fill(~keep, -torch.inf).softmax(-1)
                output[0, head, i] = row @ sent
        return output

    return *with_heads.in_float64(model, ids, attend), layers


@pytest.fixture(params=tiny.NAMES)
def case(request, tmp_path):
    """(name, loaded, the float64 model) of one family."""
    loaded = with_heads.load(tmp_path, request.param)
    return request.param, loaded, with_heads.float64(tmp_path / request.param, request.param)


def input_of(name, loaded, document):
    """ids, places and targets of what is predicted."""
    encoded = encode(
        dataclasses.replace(loaded, max_length=24), document.name, document.text, truncate=True
    )
    ids = torch.tensor([encoded.ids])
    if name not in tiny.ENCODERS:
        return ids, list(range(ids.shape[1] - 1)), ids[0, 1:]
    places = masked(encoded.classes, seed_of(0, document.name))
    targets = ids[0, places]
    ids[0, places] = loaded.tokenizer.mask_token_id
    return ids, places, targets


def loss_of(logits, places, targets):
    rows = torch.from_numpy(logits)[places].log_softmax(-1)
    return -rows[torch.arange(len(places)), targets].mean().item()


def test_every_head_and_every_edit(case):
    name, loaded, model = case
    texts = documents(*TEXTS)
    frames = measure(loaded, task("head_roles", *texts, **SETTINGS, edited_documents=1))
    ids, places, targets = input_of(name, loaded, texts[0])
    projections = [one.weight for one in output_projections(loaded, ids[:, :6])]
    logits, states, layers = edited_pass(model, ids)
    table = frames["head_roles_documents"].filter(document="d0").sort("layer", "head")
    other_table = frames["head_roles_documents"].filter(document="d1").sort("layer", "head")
    _, _, other_layers = edited_pass(model, input_of(name, loaded, texts[1])[0])
    shape = (loaded.n_layers, loaded.n_heads)
    keys = table["key"].to_numpy().reshape(shape)
    other_keys = other_table["key"].to_numpy().reshape(shape)
    other = [
        [other_layers[at][1][head, other_keys[at][head]] for head in range(shape[1])]
        for at in range(shape[0])
    ]
    for row in table.iter_rows(named=True):
        p, value = layers[row["layer"]]
        assert_head(row, p[row["head"]], value[row["head"]], projections[row["layer"]])
    edits = frames["head_edits"].filter(edited_key="sink")
    assert set(edits["document"]) == {"d0"}
    has_sink = set(table["role"]) - {"none"}
    assert set(edits["role"]) == has_sink
    assert has_sink
    of_role = table["role"].to_numpy().reshape(shape)
    for row in edits.iter_rows(named=True):
        of_group = np.where(of_role == row["role"], keys, -1)
        assert row["n_heads"] == (of_group >= 0).sum()
        found = edited_pass(model, ids, of_group, row["edit"], other)
        assert row["dense_loss"] == pytest.approx(loss_of(logits, places, targets), rel=2e-5)
        assert row["loss"] == pytest.approx(loss_of(found[0], places, targets), rel=2e-5)
        cosine = (found[1] * states).sum(-1) / (
            np.linalg.norm(found[1], axis=-1) * np.linalg.norm(states, axis=-1)
        )
        assert row["cosine"] == pytest.approx(cosine.mean(), abs=1e-5)


def assert_head(row, p, value, projections):
    """The numbers of one head, from its attention [query, key] and values [key, d]."""
    projection = projections[row["head"]].numpy()
    sent = np.linalg.norm(value @ projection, axis=-1)
    key, n = row["key"], len(p)
    queries = [i for i in range(n) if p[i, key] > 0 and i != key]
    share = np.mean([p[i, key] >= 0.1 for i in queries])
    assert row["share_of_queries"] == pytest.approx(share)
    assert row["value_ratio"] == pytest.approx(
        sent[key] / np.median(np.delete(sent, key)), rel=1e-4
    )
    singular = np.linalg.svd(p @ value @ projection, compute_uv=False)
    assert row["stable_rank"] == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-4)
    for candidate in range(n):  # no other key is the better sink
        others = [i for i in range(n) if p[i, candidate] > 0 and i != candidate]
        if len(others) >= 6:
            assert np.mean([p[i, candidate] >= 0.1 for i in others]) <= share + 1e-9
    counted = [i for i in range(n) if i != key]
    written = (p @ value @ projection)[counted]
    change = (p[:, [key]] * value[key] @ projection)[counted]
    expected = np.linalg.norm(change) / np.linalg.norm(written)
    assert row["sink_zero"] == pytest.approx(expected, rel=1e-4)


def test_random_keys_are_seeded_and_not_the_sink(tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    one, again, other = (
        measure(loaded, task("head_roles", *documents(*TEXTS), **SETTINGS, mask_seed=seed))
        for seed in (0, 0, 1)
    )
    assert all(one[name].equals(again[name]) for name in one)
    heads = [frames["head_roles_documents"] for frames in (one, other)]
    assert heads[0]["sink_zero"].equals(heads[1]["sink_zero"])
    assert not heads[0]["random_zero"].equals(heads[1]["random_zero"])


def test_single_heads_are_edited_alone(tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    job = task("head_roles", *documents(*TEXTS), **SETTINGS, single_heads=2, edited_documents=1)
    frames = measure(loaded, job)
    single = frames["head_edits"].drop_nulls("head")
    assert set(single["n_heads"]) == {1}
    heads = frames["head_roles_documents"].filter(pl.col("role") != "none", document="d0")
    strongest = heads.sort("sink_remove", descending=True).head(2).select("layer", "head").rows()
    assert sorted(single.select("layer", "head").unique().rows()) == sorted(strongest)


def test_one_text_has_no_other(tmp_path):
    frames = measure(
        with_heads.load(tmp_path, "gpt2"), task("head_roles", *documents(TEXTS[0]), **SETTINGS)
    )
    assert set(frames["head_edits"]["edit"]) == {"zero", "mean", "remove"}
    assert frames["head_roles_documents"]["sink_other"].is_nan().all()
    assert roles(frames["head_roles_documents"].with_columns(model=pl.lit("m"))).height == 12


def test_texts_that_are_too_short_give_nothing(tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    assert measure(loaded, task("head_roles", *documents("abc"), **SETTINGS)) == {}


def test_the_role_of_a_head_is_that_of_most_documents_with_a_sink():
    def table(*given):
        rows = [
            {"model": "m", "document": str(i), "layer": 0, "head": 0, "role": role,
             "key_class": "first", "share_of_queries": 1.0, "value_ratio": 0.1, "stable_rank": 2.0,
             **{f"{on}_{kind}": 0.5 for kind in KINDS for on in ("sink", "random")}}
            for i, role in enumerate(given)
        ]  # fmt: skip
        (row,) = roles(pl.DataFrame(rows)).to_dicts()
        return row["role"], row["n_events"], row["n_documents"]

    assert table("no-op", "no-op", "broadcast") == ("no-op", 3, 3)
    assert table("no-op", "broadcast") == ("mixed", 2, 2)
    assert table("no-op", "none", "none") == ("none", 1, 3)
    assert table("no-op", "none") == ("no-op", 1, 2)
    assert table("none", "none") == ("none", 0, 2)


def test_costs_of_edits_over_documents():
    rows = [
        {"model": "m", "document": d, "role": "no-op", "layer": None, "head": None, "edit": "zero",
         "edited_key": "sink", "n_heads": 3, "n_predicted": n, "loss": 2.0 + more,
         "dense_loss": 2.0, "cosine": 0.9}
        for d, n, more in (("one", 10, 0.1), ("two", 30, 0.5))
    ]  # fmt: skip
    (row,) = edit_costs(pl.DataFrame(rows)).to_dicts()
    assert row["loss_change"] == pytest.approx(0.4)
    assert (row["loss_change_low"], row["loss_change_high"]) == pytest.approx((0.1, 0.5))
    assert (row["n_documents"], row["n_heads"]) == (2, 3)


def test_gates_of_heads_are_part_of_what_they_write():
    """The zoo's gated model, whose gates are read here where its layers compute them."""
    loaded = load_model(tiny.row("gated", "zoo:gpt2-gated"), tiny.ROOT)
    texts = documents(*TEXTS)
    frames = measure(loaded, task("head_roles", *texts, **SETTINGS, edited_documents=1))
    model = AutoModelForCausalLM.from_pretrained(
        tiny.ROOT / "zoo/gpt2-gated", dtype=torch.float64
    ).eval()
    opened = []
    for block in model.transformer.h:
        block.attn.gate.register_forward_hook(lambda _, __, out: opened.append(out[0].sigmoid()))
    ids, places, targets = input_of("gated", loaded, texts[0])
    logits, _, layers = edited_pass(model, ids)
    assert len(opened) == loaded.n_layers
    for row in frames["head_roles_documents"].filter(document="d0").iter_rows(named=True):
        layer, head, key = row["layer"], row["head"], row["key"]
        p, value = (arrays[head] for arrays in layers[layer])
        gate = opened[layer][:, [head]].detach().numpy()  # [query, 1]
        weight = model.transformer.h[layer].attn.c_proj.weight.detach().numpy()
        projection = weight.reshape(loaded.n_heads, -1, weight.shape[1])[head]
        written = gate * (p @ value @ projection)
        singular = np.linalg.svd(written, compute_uv=False)
        assert row["stable_rank"] == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-4)
        sent = np.linalg.norm(value @ projection, axis=-1)  # the gate cancels
        ratio = sent[key] / np.median(np.delete(sent, key))
        assert row["value_ratio"] == pytest.approx(ratio, rel=1e-4)
        counted = np.arange(len(p)) != key
        change = (gate * p[:, [key]] * (value[key] @ projection))[counted]
        expected = np.linalg.norm(change) / np.linalg.norm(written[counted])
        assert row["sink_zero"] == pytest.approx(expected, rel=1e-4)
    keys = frames["head_roles_documents"].filter(document="d0").sort("layer", "head")["key"]
    of_layers = keys.to_numpy().reshape(loaded.n_layers, -1)
    of_role = frames["head_roles_documents"].filter(document="d0").sort("layer", "head")["role"]
    of_role = of_role.to_numpy().reshape(of_layers.shape)
    edits = frames["head_edits"].filter(edited_key="sink", edit="zero")
    assert not edits.is_empty()
    for row in edits.iter_rows(named=True):
        of_group = np.where(of_role == row["role"], of_layers, -1)
        found, *_ = edited_pass(model, ids, of_group, "zero")
        assert row["dense_loss"] == pytest.approx(loss_of(logits, places, targets), rel=2e-5)
        assert row["loss"] == pytest.approx(loss_of(found, places, targets), rel=2e-5)


def test_a_model_that_normalises_what_its_heads_write_has_no_rows_and_says_why(capsys, tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    network = with_output_head(loaded).network
    norm = torch.nn.LayerNorm(network.config.n_embd)
    for block in network.transformer.h:
        block.attn.c_proj.register_forward_pre_hook(lambda _, args: (norm(args[0]),), prepend=True)
    loaded = dataclasses.replace(loaded, network=network)
    network.config._name_or_path = network.name_or_path = ""  # so that it is not read again
    assert measure(loaded, task("head_roles", *documents(*TEXTS), **SETTINGS)) == {}
    said = capsys.readouterr().err
    assert "do not enter a linear module unchanged or gated" in said
    assert "has no rows in the tables of head_roles" in said
