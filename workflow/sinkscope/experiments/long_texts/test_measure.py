"""Windows over texts, against a cache that is rolled token by token in float64."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

import tiny
import with_heads
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.experiments.long_texts import long_documents
from sinkscope.experiments.long_texts import window as module
from sinkscope.experiments.long_texts.measure import losses, measure, rows_of, windows_of
from sinkscope.experiments.long_texts.window import Window, turn_of
from sinkscope.extract.edit import restricted
from sinkscope.extract.observe import run_observed
from sinkscope.extract.output_head import with_output_head
from tasks import documents, task

N, SIZE, SINKS = 40, 12, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", params=["llama", "falcon-alibi", "falcon-rotary", "gpt2", "opt"])
def loaded(request, folder):
    return with_output_head(with_heads.load(folder, request.param))


@pytest.fixture(scope="module")
def ids():
    return torch.tensor(tiny.token_ids(N))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """So that a text is several blocks, the last one shorter."""
    monkeypatch.setattr(module, "BLOCK", 7)


def dense_losses(loaded, ids):
    with torch.inference_mode():
        logits = loaded.network(ids).logits[0, :-1]
    return F.cross_entropy(logits, ids[0, 1:], reduction="none").numpy()


def test_dense_attention_is_that_of_the_model(loaded, ids):
    found = losses(loaded, ids, Window(), None)
    np.testing.assert_allclose(found, dense_losses(loaded, ids), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_sinks", [0, SINKS])
def test_a_window_is_what_a_mask_of_these_keys_gives(loaded, ids, n_sinks):
    place = torch.arange(N)
    distance = place[:, None] - place
    allowed = (distance >= 0) & ((distance < SIZE - n_sinks) | (place < n_sinks))
    assert (allowed.sum(1) == (place + 1).clamp(max=SIZE)).all()

    def masked(call):
        call = restricted(call, allowed[None, None])
        mask = torch.where(call.mask, 0.0, -torch.inf)
        if call.key_bias is not None:
            mask = mask + call.key_bias[:, :, None, :]
        key, value = (x.repeat_interleave(call.query.shape[1] // x.shape[1], 1)
                      for x in (call.key, call.value))  # fmt: skip
        return F.scaled_dot_product_attention(call.query, key, value, mask, scale=call.scale)

    logits = run_observed(loaded, masked, ids).logits[0, :-1]
    expected = F.cross_entropy(logits, ids[0, 1:], reduction="none").numpy()
    found = losses(loaded, ids, Window(SIZE, n_sinks), None)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert abs(found - dense_losses(loaded, ids)).max() > 0.01
    share = Window(SIZE, n_sinks).share_of_pairs(N)
    assert share == pytest.approx(allowed.sum().item() / (N * (N + 1) / 2))


def turned(vectors, angle):
    """[..., d] float64 turned by [d / 2] angles, as in Llama."""
    cos, sin = (torch.cat([f(angle), f(angle)], -1) for f in (torch.cos, torch.sin))
    half = vectors.shape[-1] // 2
    return vectors * cos + torch.cat([-vectors[..., half:], vectors[..., :half]], -1) * sin


def rolled(folder, name, ids, size, n_sinks):
    """Losses of a model that reads token by token, in float64. The cache holds each key as it was
    before any position entered it; a full one forgets the oldest key after the sinks. At every
    token the keys get the positions of their places in the cache."""
    network = AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float64).eval()
    config = network.config
    n_heads, d = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    theta = 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    slopes = 2.0 ** (-8 / n_heads * torch.arange(1, n_heads + 1, dtype=torch.float64))
    caches, calls = [[] for _ in range(config.num_hidden_layers)], []

    def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                  enable_gqa=False):  # fmt: skip
        cache = caches[len(calls)]
        calls.append(len(cache))
        if name != "falcon-alibi":  # the library has turned both by the position 0: not at all
            assert position == 0
        cache.append((key[0, :, 0], value[0, :, 0]))
        if len(cache) > size:
            del cache[n_sinks]
        groups = n_heads // key.shape[1]
        keys, values = (torch.stack(one, 1).repeat_interleave(groups, 0)
                        for one in zip(*cache, strict=True))  # fmt: skip
        last = len(cache) - 1
        place = torch.arange(len(cache), dtype=torch.float64)
        q = query[0, :, 0]
        if name == "falcon-alibi":
            logits = torch.einsum("hd,hkd->hk", q, keys) / d**0.5
            logits = logits + slopes[:, None] * place / d**0.5
        else:
            keys = turned(keys, place[:, None] * theta)
            logits = torch.einsum("hd,hkd->hk", turned(q, last * theta), keys) / d**0.5
        return torch.einsum("hk,hkd->hd", logits.softmax(-1), values)[None, :, None]

    before, F.scaled_dot_product_attention = F.scaled_dot_product_attention, attention
    position, result = 0, []
    try:
        with torch.inference_mode():
            for at in range(N - 1):
                calls.clear()
                where = {} if name == "falcon-alibi" else {"position_ids": torch.tensor([[0]])}
                logits = network(ids[:, at : at + 1], use_cache=False, **where).logits[0, 0]
                result.append(-logits.log_softmax(-1)[ids[0, at + 1]].item())
    finally:
        F.scaled_dot_product_attention = before
    return np.array(result)


@pytest.mark.parametrize("name", ["llama", "falcon-alibi", "falcon-rotary"])
def test_a_rolling_window_is_a_cache_that_is_rolled_token_by_token(name, folder, ids):
    loaded = with_output_head(with_heads.load(folder, name))
    turn = turn_of(loaded.network)
    assert (turn is None) == (name == "falcon-alibi")
    for n_sinks in (SINKS, 1):
        found = losses(loaded, ids, Window(SIZE, n_sinks, is_rolling=True), turn)
        expected = rolled(folder, name, ids, SIZE, n_sinks)
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
        in_text = losses(loaded, ids, Window(SIZE, n_sinks), None)
        np.testing.assert_allclose(found[: SIZE - 1], in_text[: SIZE - 1], atol=1e-4)
        assert abs(found - in_text).max() > 1e-3


def test_models_with_learned_positions_have_no_rolling_window(loaded):
    windows, _ = windows_of(loaded, task("long_texts", long_windows=[12]), N)
    has_rolling = any(window.is_rolling for window in windows)
    assert has_rolling == (loaded.row.model not in ("gpt2", "opt"))


def test_windows_as_long_as_the_text_are_left_out(loaded):
    windows, _ = windows_of(loaded, task("long_texts", long_windows=[40, 12, 4]), N)
    assert {window.size for window in windows} == {None, 12}


def test_rows_of_the_tables():
    loss = np.arange(1.0, 300)  # of 300 tokens; the token at position p has loss p
    whole, positions = rows_of(loss, Window(16, 4))
    row = whole.to_dicts()[0]
    assert (row["attention"], row["window"], row["n_sinks"], row["n_tokens"]) == (
        "sinks+window", 16, 4, 300,
    )  # fmt: skip
    assert row["loss"] == pytest.approx(150)
    assert row["loss_late"] == pytest.approx(np.arange(150, 300).mean())
    assert row["perplexity_late"] == pytest.approx(math.exp(np.arange(150, 300).mean()))
    assert positions.select("position", "loss").rows() == [
        (0, np.arange(1, 128).mean()), (128, np.arange(128, 256).mean()),
        (256, np.arange(256, 300).mean()),
    ]  # fmt: skip
    assert rows_of(loss, Window())[0]["window"].to_list() == [None]


def test_documents_that_are_long_enough_are_read(folder):
    loaded = with_heads.load(folder, "llama")
    job = task("long_texts", *documents("short", "ab cd. " * 9, "ef gh. " * 9), long_tokens=50,
               long_windows=[10])  # fmt: skip
    assert [one.name for one in long_documents(job.documents, job.settings)] == ["d1", "d2"]
    frames = measure(loaded, job)
    table = frames["long_texts"]
    assert set(table["document"]) == {"d1", "d2"}
    assert set(table["n_tokens"]) == {50}
    assert table.filter(document="d1")["attention"].to_list() == [
        "dense", "window", "sinks+window", "rolling",
    ]  # fmt: skip
    assert frames["long_text_positions"].height == 8
    with pytest.raises(SinkscopeError, match=r"model 'llama': .* at least 90 tokens.* lower long_"):
        measure(loaded, dataclasses.replace(job, settings=job.settings | {"long_tokens": 90}))


def test_a_model_without_a_head_has_no_rows(folder):
    tiny.save(folder / "headless", "bert")
    loaded = with_heads.load_model(tiny.row("bert", f"path:{folder / 'headless'}"), folder)
    assert measure(loaded, task("long_texts", *documents("a b"))) == {}


def test_attention_that_is_not_plain_is_an_error(folder, ids):
    loaded = with_output_head(with_heads.load(folder, "bert"))
    with pytest.raises(ModelError, match=r"model 'bert': long_texts needs causal softmax"):
        losses(loaded, ids % 40, Window(SIZE), None)
