"""Models that compute attention in code of their own: the third door.

Their statistics are held against the rows that the library itself returns, in float64.
"""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.overrides import _get_current_function_mode

import compare
import sinkscope
import tiny
from compatibility.configs import tiny_config
from compatibility.decide import built
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.architecture import as_observed, check_observable, detect_family
from sinkscope.extract.door import answered
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.own_code import OwnCode, call_of, is_in_place
from sinkscope.extract.streaming import Workspace
from sinkscope.measure.passes import observe, plan_of

# ALiBi; products of three dimensions; masks of -1e4; attention relative to two projections.
KINDS = ("bloom", "mpt", "gptj", "xglm", "openai-gpt", "deberta", "megatron-bert")
N = 33
IDS = torch.tensor(tiny.token_ids(N))


def made(kind, **changes):
    config = tiny_config(kind)
    for name, value in changes.items():
        setattr(config, name, value)
    check_observable("model 'm'", config)
    as_observed(config)
    network = built(kind, config)
    return tiny.Loaded(tiny.row(kind), network, None, detect_family(kind, config), None, None)


@pytest.fixture(params=KINDS, scope="module")
def loaded(request):
    return made(request.param)


def observed(loaded, ids, mask=None, **options):
    real = torch.ones_like(ids) if mask is None else mask
    observation = Observation(compare.plan(real.bool(), **options), Workspace(ids.device))
    output = run_observed(loaded, observation, ids, mask)
    return compare.of_layers(observation), output.last_hidden_state


@pytest.mark.parametrize("block", [None, 16])
def test_every_statistic_agrees_with_the_rows_of_the_library(loaded, block):
    with torch.inference_mode():
        own = loaded.network(input_ids=IDS, output_attentions=True)
    p = np.stack([rows[0].double().numpy() for rows in own.attentions])
    visible = np.ones((N, N), dtype=bool)
    if loaded.family == "decoder":
        visible = np.tril(visible)
        assert (p[..., ~visible] == 0).all()
    found, output = observed(loaded, IDS, block=block)
    torch.testing.assert_close(output, own.last_hidden_state, rtol=1e-6, atol=1e-6)
    found = compare.of_document(found, 0, 0, N)
    compare.assert_equal(found, compare.expected_of(p, visible), rtol=1e-5, atol=1e-6)
    compare.assert_max_keys(found, p)
    assert np.isnan(found["virtual_sink"]).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(loaded, side):
    if side == "left" and loaded.row.model not in ("bloom", "gptj"):
        pytest.skip("its positions count from the left")
    documents = tiny.token_ids(N, 20)
    ids, real = tiny.padded(documents, side)
    found, _ = observed(loaded, ids, real)
    for i, document in enumerate(documents):
        alone, _ = observed(loaded, torch.tensor([document]))
        start = N - len(document) if side == "left" else 0
        part = compare.of_document(found, i, start, start + len(document))
        for name, values in compare.of_document(alone, 0, 0, len(document)).items():
            if name != "max_key":
                np.testing.assert_allclose(part[name], values, 1e-4, 2e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["bloom", "gptj", "deberta"])
def test_nothing_that_a_training_loop_computes_changes(kind):
    changes = {"attention_dropout": 0.3, "attn_pdrop": 0.3, "attention_probs_dropout_prob": 0.3}
    network = made(kind, **changes).network.train().requires_grad_(True)
    results = []
    for is_observed in (False, True):
        network.zero_grad()
        torch.manual_seed(0)
        if is_observed:
            with sinkscope.observe(network) as seen:
                output = network(input_ids=IDS).last_hidden_state
        else:
            output = network(input_ids=IDS).last_hidden_state
        output.square().sum().backward()
        gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
        results.append([output.detach(), *gradients])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))
    torch.manual_seed(1)
    assert not torch.equal(network(input_ids=IDS).last_hidden_state, results[0][0])  # dropout
    np.testing.assert_allclose(seen.heads()["row_sum"], 1, atol=1e-6)  # of what was not dropped


def test_in_python_and_in_a_job_the_same_is_observed(loaded):
    with sinkscope.observe(loaded.network) as seen:
        loaded.network(input_ids=IDS)
    found, _ = observed(loaded, IDS)
    sums = seen.heads().sort("layer", "head")["entropy"].to_numpy()
    np.testing.assert_allclose(sums, found["entropy"][0].flatten(), rtol=1e-6)
    assert _get_current_function_mode() is None


class Changed(torch.nn.Module):
    """Stands between softmax and product."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, rows):
        return self.change(rows)


CHANGES = {
    "scaled": lambda rows: rows * 0.5,
    "scaled in place": lambda rows: rows.mul_(0.5),
    "scaled in place by an operator": lambda rows: rows.__imul__(0.5),
    "a part set to 0": lambda rows: rows.__setitem__((..., 0), 0.0) or rows,
    "mixed over heads": lambda rows: rows.roll(1, 1),
    "transposed": lambda rows: rows.transpose(-1, -2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_change_after_the_softmax_are_refused(change):
    loaded = made("gptj")
    loaded.network.h[1].attn.attn_dropout = Changed(CHANGES[change])
    sentence = "layer 1 does not call the attention, but has a GPTJAttention.*choose a"
    with pytest.raises(ModelError, match=sentence):
        run_observed(loaded, lambda call: call.own(), IDS)
    with pytest.raises(ModelError, match=sentence), sinkscope.observe(loaded.network):
        loaded.network(input_ids=IDS)
    assert _get_current_function_mode() is None


def test_a_softmax_over_other_things_than_tokens_is_no_attention():
    config = tiny_config("nystromformer")
    config.num_landmarks, config.segment_means_seq_len = 8, 32
    as_observed(config)
    network = built("nystromformer", config)
    loaded = replace(made("bloom"), network=network, family="encoder")
    ids = IDS[:, :32]
    with pytest.raises(ModelError, match="cannot be observed"):
        run_observed(loaded, lambda call: call.own(), ids)
    with (
        pytest.raises(SinkscopeError, match="cannot be observed"),
        sinkscope.observe(network),
    ):
        network(input_ids=ids)


def test_other_threads_are_left_alone():
    loaded, calls = made("bloom"), []

    def attend(call):
        if not calls:
            calls.append(call)
            thread = threading.Thread(target=lambda: loaded.network(input_ids=IDS))
            thread.start()
            thread.join()
            assert len(calls) == 1
        calls.append(call)
        return call.own()

    run_observed(loaded, attend, IDS)
    assert len(calls) == 1 + loaded.n_layers


def test_norms_of_keys_are_not_known():
    """The products are in the logits already; a norm of 0 would be wrong."""
    loaded = made("bloom")
    forward = observe(loaded, IDS, plan_of(IDS, [[0]]))
    assert torch.stack(forward.key_norms).isnan().all()
    assert (torch.stack(forward.value_norms) > 0).all()


def test_keys_far_below_in_every_head_are_hidden():
    logits = torch.zeros(1, 2, 3, 3)
    logits[..., 0, 1] = -1e4
    logits[:, 0, 2, 0] = -6e3  # ALiBi of a head with a large slope
    logits[..., 1, :] = -torch.inf  # a row of padding
    mask = call_of(logits, torch.ones(1, 2, 3, 4)).mask
    hidden = mask == torch.finfo(torch.float32).min
    expected = torch.zeros_like(hidden)
    expected[..., 0, 1] = True
    assert torch.equal(hidden, expected)
    assert torch.equal(mask[~hidden], logits[~hidden])


def test_a_softmax_over_anything_else_is_left_alone():
    """Such as a mixture of experts, [batch, token, expert], times what they return."""

    def attend(call):
        raise AssertionError

    rows, values = torch.randn(1, 33, 5), torch.randn(1, 5, 8)
    with answered(attend), OwnCode(4):
        mixed = rows.softmax(-1) @ values
        over_queries = rows[None].expand(1, 4, -1, -1).softmax(2) @ values[None]
        named = torch.softmax(input=rows, dim=-1) @ values
    assert torch.equal(mixed, named)
    torch.testing.assert_close(mixed, rows.softmax(-1) @ values)
    assert over_queries.shape == (1, 4, 33, 8)


def test_functions_that_change_their_input_are_known_by_name():
    for name in ("mul_", "masked_fill_", "__imul__", "__setitem__"):
        assert is_in_place(name)
    for name in ("mul", "__mul__", "__getitem__", "__get__", "size"):
        assert not is_in_place(name)
