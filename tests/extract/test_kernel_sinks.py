"""The kernels that find sinks, against float64 and against the reduction in blocks.

On a GPU where there is one, else through Triton's interpreter.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

import compare
import reference
from calls import DEVICE, HALF, assert_same, assert_same_bytes, call, observed, planted
from sinkscope.extract.observation import Observation
from sinkscope.extract.states import reduce_state
from sinkscope.extract.streaming import Workspace
from sinkscope.sink_rule import SinkRule

pytest.importorskip("triton")
from interpreted import patched_once
from sinkscope.extract.kernels import states as states_kernel

RULE = SinkRule()
TYPES = pytest.mark.parametrize("dtype", [torch.float32, HALF])
BOTH = pytest.mark.parametrize("is_causal", [True, False])
FLAGS = ("is_sink", "by_attention", "is_head_sink")
MASSES = ("steady", "sink_mass", "strict_sink_mass", "local_no_sinks")


@pytest.fixture(autouse=True)
def quick_interpreter():
    with patched_once():
        yield


def real_of(made):
    return torch.ones(made.query.shape[0], made.query.shape[2], dtype=torch.bool)


def matrices(made, document):
    """(p [1, head, query, key] in float64, visible [query, key]) of a call without a mask."""
    n_tokens = made.query.shape[2]
    key = made.key.double().repeat_interleave(made.query.shape[1] // made.key.shape[1], 1)
    logits = (made.query.double() @ key.transpose(-1, -2) * made.scale).cpu().numpy()
    seen = np.ones((n_tokens, n_tokens), dtype=bool)
    seen = np.tril(seen) if made.is_causal else seen
    return reference.softmax(logits[document][None], seen), seen


def assert_as_defined(layer, made, rule=RULE, cosine=None):
    """Every statistic of sinks of one layer equals that of the definition, in every document."""
    for document in range(made.query.shape[0]):
        p, seen = matrices(made, document)
        of_document = None if cosine is None else cosine[document][None]
        expected = reference.sinks(p, seen, rule, of_document)
        for name in (*FLAGS, "by_state"):
            found = getattr(layer, name)[document].cpu().numpy()
            np.testing.assert_array_equal(found, expected[name][0], err_msg=name)
        for name in MASSES:
            found = getattr(layer, name)[document].cpu().numpy()
            np.testing.assert_allclose(found, expected[name][0], 1e-5, 1e-6, err_msg=name)


def keys_of(flags):
    return flags.nonzero()[:, 0].tolist()


@TYPES
@BOTH
def test_each_layer_and_document_has_the_sinks_planted_in_it(dtype, is_causal):
    """A sink, twins, none; other ones in the other document."""
    options = {"n_heads": 4, "n_kv": 2, "is_causal": is_causal}
    plants = ([[0], [3]], [[0, 19], [7]], [[], [5, 6]])
    calls = [planted(50, one, dtype, seed=i, **options) for i, one in enumerate(plants)]
    _, layers, observation = observed(calls, real_of(calls[0]), fused=True, rule=RULE)
    assert observation.paths == {"triton"}
    for layer, made, expected in zip(layers, calls, plants, strict=True):
        assert [keys_of(flags) for flags in layer.is_sink] == expected
        assert_as_defined(layer, made)
    stacked = observation.stacked
    for name in (*FLAGS, *MASSES, "by_state"):
        assert len(getattr(stacked, name)) == 3
        assert torch.equal(
            getattr(stacked, name)[1].nan_to_num(-1), getattr(layers[1], name).nan_to_num(-1)
        )


@TYPES
def test_random_rows_have_no_sinks(dtype):
    made = planted(60, [[]], dtype)
    layer = observed([made], real_of(made), fused=True, rule=RULE)[1][0]
    assert not layer.is_sink.any()
    assert not layer.is_head_sink.any()
    assert layer.steady.isnan().all()
    assert (layer.sink_mass == 0).all()
    assert (layer.strict_sink_mass == 0).all()
    torch.testing.assert_close(layer.local_no_sinks, layer.local)


def test_a_word_that_few_queries_look_for_is_judged_and_is_no_sink():
    made = planted(70, [[]])
    made.query[..., 0] = -2.0  # the other queries avoid it
    made.query[:, :, 21:33, 0], made.key[:, :, 20, 0] = 12.0, 4.0
    layer = observed([made], real_of(made), fused=True, rule=RULE)[1][0]
    assert layer.steady[0, 20].item() == pytest.approx(12 / 50)
    assert not layer.is_sink.any()
    assert not layer.is_head_sink.any()
    assert_as_defined(layer, made)


def test_a_sink_of_one_head_is_none_of_the_head_mean():
    made = planted(60, [[]], n_heads=4)
    made.key[:, 2, 5, 0] = 4.5
    rule = replace(RULE, times=12.0)
    layer = observed([made], real_of(made), fused=True, rule=rule)[1][0]
    assert layer.is_head_sink.nonzero().tolist() == [[0, 2, 5]]
    assert not layer.is_sink.any()
    assert_as_defined(layer, made, rule)


@BOTH
def test_more_candidates_than_are_read_at_once(is_causal):
    """Nearly every key is judged, and the rule makes sinks of more than a tile of them."""
    rule = SinkRule(times=0.1, floor=0.001, share=0.26, n_queries=2)
    made = call(70, 16, torch.float32, n_heads=2, batch=1, is_causal=is_causal)
    layer = observed([made], real_of(made), fused=True, rule=rule)[1][0]
    assert (~layer.steady.isnan()).sum() > 60
    assert 17 < layer.is_sink.sum() < 66
    assert_as_defined(layer, made, rule)


@pytest.mark.parametrize("kind", ["boolean", "added"])
@pytest.mark.parametrize("side", ["right", "left"])
@BOTH
def test_masks_and_padding(kind, side, is_causal):
    """The planted keys of the shorter document are its own third, and one that is padding."""
    n_tokens, position, lengths = 50, torch.arange(50)[None], torch.tensor([[33], [50]])
    real = position < lengths if side == "right" else position >= n_tokens - lengths
    seen = real[:, None, None, :].expand(2, 1, 50, 50)
    if is_causal:
        seen = seen & torch.ones(50, 50, dtype=torch.bool).tril()
    mask = seen.to(DEVICE)
    if kind == "added":
        least = torch.finfo(torch.float32).min
        mask = torch.zeros(seen.shape, device=DEVICE).masked_fill(~mask, least)
    third, padding = (2, 40) if side == "right" else (19, 4)
    made = planted(n_tokens, [[third, padding], [0]], mask=mask)._replace(is_causal=False)
    assert_same([made], real, rule=RULE)
    layer = observed([made], real, fused=True, rule=RULE)[1][0]
    assert [keys_of(flags) for flags in layer.is_sink] == [[third], [0]]


@TYPES
def test_a_bias_for_each_key(dtype):
    slopes = 2.0 ** -torch.arange(3, 6.0)
    bias = (slopes[None, :, None] * torch.arange(60)).to(DEVICE, dtype)
    made = planted(60, [[0, 9], [0, 9]], dtype, key_bias=bias)
    made.key[:, :, [0, 9], 0] += 2.0
    assert_same([made], rule=RULE)
    layer = observed([made], real_of(made), fused=True, rule=RULE)[1][0]
    assert layer.is_sink[:, 9].all()


def with_states(calls, states, rule, *, fused):
    """Layers and the observation; states: [batch, token, d] before each layer, or None."""
    observation = Observation(
        compare.plan(real_of(calls[0]), rule=rule), Workspace(DEVICE), fused=fused
    )
    with torch.inference_mode():
        for made, state in zip(calls, states, strict=True):
            if state is not None:
                observation.states.enter(0, state.to(DEVICE))
            observation(made)
    return observation.layers


@BOTH
def test_by_state_keys_whose_state_is_that_of_key_0_are_sinks(is_causal):
    """In one layer nearly all keys are; of another the states are not known."""
    rule = replace(RULE, by="state_cosine")
    random = torch.Generator().manual_seed(1)
    few = torch.randn(2, 50, 40, generator=random)
    few[0, 20], few[1, [7, 30]] = 3 * few[0, 0], -0.5 * few[1, :1]
    many = few[:, :1] * torch.rand(2, 50, 1, generator=random)
    many[:, 45:] = few[:, 45:]
    calls = [planted(50, [[3], [0, 9]], seed=i, n_heads=2, is_causal=is_causal) for i in range(3)]
    found, expected = (
        with_states(calls, [few, None, many], rule, fused=fused) for fused in (True, False)
    )
    assert keys_of(found[0].is_sink[1]) == [0, 7, 30]
    assert not found[1].is_sink.any()
    assert keys_of(found[2].is_sink[0]) == list(range(45))
    assert keys_of(found[0].by_attention[1]) == [0, 9]
    for one, other, made in zip(found, expected, calls, strict=True):
        cosine = one.state_cosine.cpu().nan_to_num(0.0).numpy()
        assert_as_defined(one, made, rule, cosine)
        for name in ("state_norm", "state_cosine", "value_norm"):
            torch.testing.assert_close(
                getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-6, equal_nan=True
            )


def test_where_every_query_is_a_sink_there_is_no_strict_mass():
    rule = replace(RULE, by="state_cosine")
    made = planted(40, [[3]], n_heads=2)
    layer = with_states([made], [torch.ones(1, 40, 8)], rule, fused=True)[0]
    torch.testing.assert_close(layer.sink_mass.cpu(), torch.ones(1))
    assert layer.strict_sink_mass.isnan().all()
    assert (layer.local_no_sinks == 0).all()


def test_two_passes_give_the_same_bytes():
    made = planted(130, [[0, 30], [2]], HALF, d=64)
    one, other = (observed([made], real_of(made), fused=True, rule=RULE)[1][0] for _ in range(2))
    assert one.is_sink.any()
    assert_same_bytes(one, other)


@TYPES
@pytest.mark.parametrize(("n_tokens", "d"), [(1, 8), (11, 600), (16, 1024)])
def test_norms_and_cosines_are_those_of_torch(dtype, n_tokens, d):
    """Also of states that are parts of a larger tensor."""
    random = torch.Generator().manual_seed(d)
    wide = torch.randn(2, n_tokens, 2 * d, generator=random).to(DEVICE, dtype)
    first = torch.tensor([0, n_tokens // 2], device=DEVICE)
    for state in (wide[..., d:], wide[..., ::2]):
        for found, expected in zip(
            states_kernel.reduce_state(state, first), reduce_state(state, first), strict=True
        ):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
