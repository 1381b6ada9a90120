"""Induction heads: planted ones are found, off-by-one and duplicate-token heads are not taken
for them, and random models have none."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoTokenizer

import reference
import tiny
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.experiments.induction import measure as induction
from sinkscope.experiments.induction.measure import Repeated, offsets, repeated, scores
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.pieces import ordinary_ids
from sinkscope.extract.plan import Plan
from sinkscope.extract.streaming import Workspace
from sinkscope.measure.job import run
from sinkscope.measure.passes import statistics_of
from tasks import task

N = 9


def attending(targets, n_tokens):
    """A causal call whose heads each attend to one key per query: targets(i) of the head, else key
    0."""
    key = torch.eye(n_tokens)[None, None].expand(1, len(targets), -1, -1)
    query = torch.zeros(1, len(targets), n_tokens, n_tokens)
    for head, target in enumerate(targets):
        for i in range(n_tokens):
            j = target(i)
            query[0, head, i, j if 0 <= j <= i else 0] = 60.0
    return Call(query, key, key, None, True, 1.0)


def observed(call, tokens):
    everything = torch.ones_like(tokens.ids, dtype=torch.bool)
    plan = Plan(everything, everything[..., None][..., :0], ~everything, offsets=offsets(N))
    observation = Observation(plan, Workspace(tokens.ids.device))
    observation(call)
    return observation.layers


@pytest.mark.parametrize("start", [0, 1])
def test_a_planted_induction_head_scores_1_and_its_neighbours_0(start):
    n_tokens = start + 2 * N
    tokens = Repeated(torch.zeros(1, n_tokens, dtype=torch.long), start, N)
    targets = [
        lambda i: i - N + 1,  # what followed the same token
        lambda i: i - N,  # the same token
        lambda i: i - N + 2,
        lambda i: i - 1,
        lambda i: 0,
    ]
    induction_scores, same = scores(observed(attending(targets, n_tokens), tokens), tokens)
    np.testing.assert_allclose(induction_scores[0], [1, 0, 0, 0, 0], atol=1e-6)
    # Without a BOS, key 0 is the first token: the one query that repeats it is a match by chance.
    chance = 0 if start else 1 / N
    np.testing.assert_allclose(same[0], [0, 1, 0, 0, chance], atol=1e-6)


def test_the_last_query_whose_key_is_in_the_second_repeat_does_not_count():
    """A head that is right but there still scores 1; one that is right only there scores 0."""
    tokens = Repeated(torch.zeros(1, 2 * N, dtype=torch.long), 0, N)
    last = 2 * N - 1
    targets = [
        lambda i: 0 if i == last else i - N + 1,
        lambda i: i - N + 1 if i == last else 0,
    ]
    induction_scores, _ = scores(observed(attending(targets, 2 * N), tokens), tokens)
    np.testing.assert_allclose(induction_scores[0], [1, 0], atol=1e-6)


def word_model(name, bos="<|endoftext|>"):
    tokenizer = tiny.letters_and_words(bos)
    loaded = tiny.loaded(name, tokenizer)
    network = tiny.network(name, vocab_size=len(tokenizer))
    return dataclasses.replace(loaded, network=network, max_length=None)


@pytest.mark.parametrize("name", tiny.DECODERS)
def test_scores_agree_with_attention_matrices_and_random_models_have_no_induction_head(name):
    loaded = word_model(name)
    tokens = repeated(loaded.tokenizer, name, N, 6)
    layers = statistics_of(loaded, tokens.ids, offsets=offsets(N))
    induction_scores, same = scores(layers, tokens)
    with reference.capture() as captured, torch.inference_mode():
        loaded.network(tokens.ids)
    first = tokens.start + N
    expected = np.zeros((2, *induction_scores.shape))
    for seed in range(6):
        p, _ = captured.document(seed)
        expected[0] += np.mean([p[:, :, i, i - N + 1] for i in range(first, first + N - 1)], 0)
        expected[1] += np.mean([p[:, :, i, i - N] for i in range(first, first + N)], 0)
    np.testing.assert_allclose(induction_scores, expected[0] / 6, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(same, expected[1] / 6, rtol=1e-4, atol=1e-6)
    calm = tiny.network(name, vocab_size=len(loaded.tokenizer), **CALM[name])
    layers = statistics_of(dataclasses.replace(loaded, network=calm), tokens.ids,
                               offsets=offsets(N))  # fmt: skip
    uniform = np.mean([1 / (i + 1) for i in range(first, first + N - 1)])
    assert float(scores(layers, tokens)[0].max()) < max(0.1, 1.5 * uniform)


@pytest.mark.parametrize("name", tiny.DECODERS)
def test_random_models_score_below_a_tenth_on_25_tokens(name):
    loaded = word_model(name)
    calm = tiny.network(name, vocab_size=len(loaded.tokenizer), **CALM[name])
    tokens = repeated(loaded.tokenizer, name, 25, 10)
    loaded = dataclasses.replace(loaded, network=calm)
    induction_scores, same = scores(statistics_of(loaded, tokens.ids, offsets=offsets(25)), tokens)
    assert float(induction_scores.max()) < 0.1
    assert float(same.max()) < 0.1


# Weights as the library draws them, instead of large ones.
CALM = {name: {"init_std": 0.02} if name == "opt" else {"initializer_range": 0.02}
        for name in tiny.DECODERS}  # fmt: skip


def test_sequences_are_ordinary_tokens_twice_behind_the_bos_and_always_the_same():
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    tokens = repeated(tokenizer, "m", 5, 3)
    assert tokens.ids.shape == (3, 11)
    assert tokens.start == 1
    assert (tokens.ids[:, 0] == tokenizer.bos_token_id).all()
    torch.testing.assert_close(tokens.ids[:, 1:6], tokens.ids[:, 6:])
    for row in tokens.ids:
        words = tokenizer.convert_ids_to_tokens(row[1:6])
        assert len(set(words)) == 5
        assert all(word.strip("Ġ▁").isalpha() for word in words)
    assert not torch.equal(tokens.ids[0], tokens.ids[1])
    torch.testing.assert_close(repeated(tokenizer, "m", 5, 3).ids, tokens.ids)
    assert repeated(tiny.letters_and_words(None), "m", 5, 3).start == 0


def test_only_ids_with_a_piece_are_drawn():
    tokenizer = tiny.with_unused_ids()
    assert None in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    assert ordinary_ids(tokenizer) == tuple(range(5, 80, 2))
    tokens = repeated(tokenizer, "m", 30, 3)
    assert None not in tokenizer.convert_ids_to_tokens(tokens.ids.flatten().tolist())


@pytest.mark.parametrize(
    ("kind", "words"), [("herbert", ["the</w>", "cat</w>"]), ("phobert", ["the", "cat"])]
)
def test_words_are_drawn_whatever_the_tokenizer_puts_around_them(kind, words, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(tiny.save_tokenizer(kind, tmp_path))
    drawn = ordinary_ids(tokenizer)
    assert tokenizer.convert_ids_to_tokens(list(drawn)) == words


def test_too_small_a_vocabulary_is_one_sentence():
    with pytest.raises(SinkscopeError, match=r"model 'm': its vocabulary has \d+ ordinary words"):
        repeated(tiny.letters_and_words(None), "m", 500, 1)


def test_the_strongest_heads_patterns_are_causal_rows_of_attention():
    loaded = word_model("gpt2")
    small = {"induction_tokens": N, "induction_seeds": 2, "induction_text_tokens": 3 * N}
    unreadable = Document("a", "a.txt", None, "河水 " * N)
    with pytest.raises(SinkscopeError, match="model 'gpt2': it can read none of the documents"):
        induction.measure(loaded, task("induction", unreadable, **small))
    words = Document("b", "b.txt", None, " abc dab" * 2 * N)
    frames = induction.measure(loaded, task("induction", unreadable, words, **small))
    score_frame, pattern_frame = frames["scores"], frames["patterns"]
    assert score_frame.height == 3 * 4
    best = score_frame.sort("induction_score", descending=True)
    best = best.filter((pl.col("induction_score") >= 0.1) | (pl.int_range(pl.len()) < 4))
    assert set(pattern_frame.select("layer", "head").rows()) == set(
        best.select("layer", "head").rows()
    )
    sums = pattern_frame.group_by("layer", "head", "input", "query").agg(pl.col("attention").sum())
    np.testing.assert_allclose(sums["attention"], 1, rtol=2e-3)
    assert (pattern_frame["key"] <= pattern_frame["query"]).all()
    n_queries = pattern_frame.group_by("input").agg(pl.col("query").n_unique())
    assert dict(n_queries.rows()) == {"repeated": 1 + 2 * N, "ordinary": 3 * N}


def test_patterns_are_stored_of_all_heads_that_may_be_induction_heads():
    """And of the strongest four, also where none may be; of very many, the strongest."""
    scores_of = torch.full((30, 4), 0.05)
    scores_of[7, 2], scores_of[3, 1], scores_of[29, 0] = 0.09, 0.08, 0.07
    assert induction.strongest(scores_of) == [(7, 2), (3, 1), (29, 0), (0, 0)]
    scores_of[10:12] = 0.3
    scores_of[1, 1] = 0.1
    assert induction.strongest(scores_of) == [
        *((layer, head) for layer in (10, 11) for head in range(4)), (1, 1),
    ]  # fmt: skip
    scores_of[:, :2] = 0.5
    assert set(induction.strongest(scores_of)) == {(i, j) for i in range(24) for j in range(2)}


def not_loaded():
    pytest.fail("a model without such heads was loaded")


def test_an_encoder_has_no_induction_heads_to_look_for(tmp_path):
    tiny.save(tmp_path / "model")
    settings = task("induction").settings
    row = tiny.row(source=f"path:{tmp_path / 'model'}")
    run("induction", row, not_loaded, [], settings, tmp_path / "model", tmp_path / "out")
    for name in ("scores", "patterns"):
        frame = pl.read_parquet(tmp_path / "out" / f"{name}.parquet")
        assert frame.is_empty()
        assert frame.columns == ["model"]


def test_patterns_are_those_of_their_heads():
    """Two heads of one layer too, in whatever order they are asked for."""
    loaded = word_model("llama")
    ids = torch.arange(20) % 50
    heads = [(2, 4), (0, 1), (2, 1)]
    frame = induction.patterns(loaded, heads, {"repeated": ids})
    with reference.capture() as captured, torch.inference_mode():
        loaded.network(ids[None])
    p, _ = captured.document(0)
    for layer, head in heads:
        attention = frame.filter(layer=layer, head=head).sort("query", "key")["attention"]
        np.testing.assert_allclose(
            attention, p[layer, head][np.tril_indices(20)], rtol=1e-3, atol=6e-5
        )
