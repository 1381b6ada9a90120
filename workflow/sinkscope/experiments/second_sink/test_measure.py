"""The second sink: the mass and state of a planted one are measured, and tiny models agree with
full matrices."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

import reference
import tiny
from planted import pass_of, two_sinks
from sinkscope.experiments.second_sink import EXPERIMENT
from sinkscope.experiments.second_sink import measure as second_sink
from sinkscope.experiments.second_sink.constants import OWN, SUMS
from sinkscope.experiments.second_sink.measure import by_layer, local, strongest_other, to_first
from sinkscope.extract.encode import encode
from sinkscope.measure.marks import Marked, marked
from sinkscope.measure.passes import observe, plan_of
from tasks import documents, task

TEXT = "Z the cat, it sat. Did it? Yes."


def text_of(n_tokens, key, following=None, marks=(".", ",")):
    ids = torch.zeros(len(marks), n_tokens, dtype=torch.long)
    return Marked(ids, tuple(marks), 0, key, following)


def planted(layers, text, **more):
    plan = plan_of(text.ids, text.sets, sinks=[0], by_query=True)
    return pass_of(layers, plan, **more)


def of(forward, text):
    tokens = [[f"{mark}{i}" for i in range(text.ids.shape[1])] for mark in text.marks]
    return by_layer(forward, text, tokens)


def test_a_planted_second_sink_has_its_masses_and_the_comma_none():
    text = text_of(20, 6)
    sink = two_sinks(20, 6, 0.5, 0.4)
    comma = two_sinks(20, 6, 0.5, 0.0)
    rows = of(planted([torch.cat([sink, comma])], text), text)
    text_rows, comma_rows = rows.filter("is_own"), rows.filter(pl.col("mark") == ",")
    assert text_rows["n_queries"].to_list() == [13]  # 7 to 19
    np.testing.assert_allclose(text_rows["first_token"], 0.5, rtol=1e-5)
    np.testing.assert_allclose(text_rows["second_sink"], 0.4, rtol=1e-5)
    np.testing.assert_allclose(text_rows["ratio"], 0.8, rtol=1e-5)
    np.testing.assert_allclose(text_rows["first_token_before"], 0.5, rtol=1e-5)
    np.testing.assert_allclose(comma_rows["second_sink"], 0.0, atol=1e-6)
    # The planted key is the strongest but key 0 (of itself it gets 0.5 more).
    assert text_rows["strongest_key"].to_list() == [6]
    assert text_rows["strongest_token"].to_list() == [".6"]
    np.testing.assert_allclose(text_rows["strongest"], (13 * 0.4 + 0.5) / 14, rtol=1e-5)


def test_the_next_terminator_counts_queries_after_it_alone():
    text = text_of(20, 6, following=10)
    p = two_sinks(20, 6, 0.5, 0.2)
    p[:, :, 15:, 10] += 0.3  # half of the 9 queries after it, and a bit
    for i in range(15, 20):
        p[:, :, i, i] -= 0.3
    rows = of(planted([p.repeat(2, 1, 1, 1)], text), text)
    np.testing.assert_allclose(rows["next_terminator"], 0.3 * 5 / 9, rtol=1e-4)
    without = of(planted([p.repeat(2, 1, 1, 1)], text_of(20, 6)), text_of(20, 6))
    assert without["next_terminator"].is_nan().all()


def test_a_terminator_that_ends_the_text_has_no_later_queries():
    text = text_of(8, 7)
    rows = of(planted([two_sinks(8, 7, 0.5, 0.4, batch=2)], text), text)
    assert rows["n_queries"].to_list() == [0, 0]
    assert rows["second_sink"].is_nan().all()
    assert rows["cosine"].is_not_nan().all()


def test_states_that_are_scaled_copies_of_key_0_are_at_distance_0():
    text = text_of(6, 3)
    states = torch.zeros(2, 6, 4)
    states[:, :, 0] = torch.tensor([1.0, 0, 0, 5, 0, 0])  # key 0 and, scaled, key 3
    states[:, [1, 2, 4, 5], 1] = 2.0  # the others at right angles
    states[1, 3] = torch.tensor([-3.0, 0, 0, 0])  # of the second input: opposite
    rows = of(planted([two_sinks(6, 3, 0.5, 0.4, batch=2)], text, states=[states]), text)
    np.testing.assert_allclose(rows["cosine"], [1, -1], atol=1e-12)
    np.testing.assert_allclose(rows["unit_distance"], [0, 2], atol=1e-12)
    np.testing.assert_allclose(rows["cosine_others"], [0, 0], atol=1e-12)


@pytest.mark.parametrize(("n_others", "expected"), [(3, 0.8), (4, 0.7), (0, np.nan)])
def test_the_median_of_others_is_the_mean_of_two_middle_values(n_others, expected):
    """The study's numbers are medians; torch.median takes the lower of two."""
    cosines = torch.tensor([1.0, 0.9, 0.8, 0.6, 0.0])
    states = torch.stack([cosines, (1 - cosines**2).sqrt()], 1)[None]  # [1, token, 2]
    key_state = torch.tensor([[[0.3, 0.4]]])
    states = torch.cat([states[:, :1], key_state, states[:, 1 : 1 + n_others]], 1)
    if n_others == 3:
        states[0, -1] = torch.tensor([0.0, 2.0])
    assert float(to_first(states, 1)[2]) == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_an_exchanged_mark_that_is_the_strongest_key_is_named_as_itself():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    encoded = encode(loaded, "d", "Z sat. Then it ran on", truncate=True)
    text = marked(loaded.tokenizer, encoded)
    tokens = text.tokens(loaded.tokenizer, encoded)
    assert [row[text.key] for row in tokens] == [".", "!", "?", ","]
    rest = [[*row[: text.key], *row[text.key + 1 :]] for row in tokens]
    assert rest == [rest[0]] * 4
    n_tokens = len(encoded.ids)
    sink = two_sinks(n_tokens, text.key, 0.3, 0.5, batch=4)
    table = by_layer(planted([sink], text), text, tokens)
    assert table["strongest_key"].to_list() == [text.key] * 4
    assert table["strongest_token"].to_list() == [".", "!", "?", ","]


def test_the_strongest_key_is_one_that_more_than_half_of_the_queries_see():
    score = np.array([[[0.9, 0.1, 0.2, 0.8]]])
    assert strongest_other(score, np.array([[[4, 3, 3, 2]]]))[0].item() == 2
    assert strongest_other(score, np.array([[[4, 4, 4, 4]]]))[0].item() == 3
    assert np.isnan(strongest_other(score, np.array([[[4, 2, 2, 2]]]))[1].item())


def test_local_attention_is_that_of_the_text_itself():
    text = text_of(20, 6)
    layers = [torch.cat([two_sinks(20, 6, 0.5, 0.4), two_sinks(20, 6, 0.9, 0.0)])]
    rows = local(planted(layers, text), text)
    last = rows.row(-1, named=True)
    assert (last["layer"], last["query"], last["key"]) == (0, 19, 6)
    for name, value in {"first_token": 0.5, "second_sink": 0.4, "local": 0.1}.items():
        assert last[name] == pytest.approx(value, abs=1e-5)
    near = rows.row(3, named=True)  # key 0 is within 5 tokens of query 3
    assert near["local"] == pytest.approx(1, abs=1e-5)
    assert near["local_no_first"] == pytest.approx(0.5, abs=1e-5)


def test_documents_of_other_scripts_have_rows_of_their_own_text():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    loaded = dataclasses.replace(loaded, network=tiny.network("gpt2", vocab_size=258))
    job = task("second_sink", *documents("Z 河水。老人。"))
    frames = second_sink.measure(loaded, job)
    assert frames["second_sink"]["mark"].unique().to_list() == ["。"]
    assert frames["second_sink"]["is_own"].all()
    assert set(frames[SUMS]["mark"]) == {"。", OWN}


@pytest.mark.parametrize("name", tiny.NAMES)
def test_tiny_models_agree_with_full_matrices(name):
    encoder = name in tiny.ENCODERS
    tokenizer = tiny.letter_tokenizer() if encoder else tiny.byte_tokenizer()
    network = tiny.network(name, vocab_size=len(tokenizer))
    loaded = dataclasses.replace(tiny.loaded(name, tokenizer), network=network)
    text = marked(tokenizer, encode(loaded, "d", TEXT, truncate=True))
    table = of(observe(loaded, text.ids, plan_of(text.ids, text.sets, by_query=True)), text)
    for row, mark in enumerate(text.marks):
        with torch.inference_mode(), reference.capture() as captured:
            output = network(text.ids[row : row + 1], output_hidden_states=True)
        p, _ = captured.document(0)
        queries = [i for i in range(p.shape[2]) if (i not in (0, text.key) if encoder
                                                    else i > text.key)]  # fmt: skip
        mass = p.mean(1)[:, queries].mean(1)
        rows = table.filter(pl.col("mark") == mark).sort("layer")
        np.testing.assert_allclose(rows["first_token"], mass[:, 0], 1e-4, 1e-6)
        np.testing.assert_allclose(rows["second_sink"], mass[:, text.key], 1e-4, 1e-6)
        for layer in range(len(p)):
            state = output.hidden_states[layer][0].double().numpy()
            one, two = state[0] / np.linalg.norm(state[0]), state[text.key]
            cosine = one @ two / np.linalg.norm(two)
            assert rows["cosine"][layer] == pytest.approx(cosine, abs=1e-6)


def test_documents_without_a_sentence_are_left_out_and_none_gives_empty_frames():
    loaded = tiny.loaded("gpt2", tiny.byte_tokenizer())
    loaded = dataclasses.replace(loaded, network=tiny.network("gpt2", vocab_size=258))
    long = "Z it ran. " + "And so on " * 8
    job = task("second_sink", *documents("no end", TEXT, long))
    frames = second_sink.measure(loaded, job)
    assert frames.keys() == set(EXPERIMENT.frames)
    assert frames["second_sink"]["document"].unique().sort().to_list() == ["d1", "d2"]
    assert frames["second_sink_maps"]["document"].unique().to_list() == ["d2"]
    assert frames["second_sink_maps"].height == 2 * 48**2
    assert frames["second_sink_heads"].height in (48**2, 2 * 48**2)  # one head may be both
    empty_job = task("second_sink", *documents("no end", ""))
    assert all(frame.is_empty() for frame in second_sink.measure(loaded, empty_job).values())
