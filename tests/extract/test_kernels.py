"""The kernels: on a GPU where there is one, else through Triton's interpreter.

What they reduce is held against float64 and against the reduction in blocks, which has tests of
its own. The interpreter knows no bfloat16.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import compare
import reference
from calls import DEVICE, HALF, assert_same, assert_same_bytes, call, observed, rows
from sinkscope.extract.masks import Call

pytest.importorskip("triton")
from interpreted import patched_once
from sinkscope.extract.kernels import buffers
from sinkscope.extract.kernels.hopper_launch import AddressTable
from sinkscope.extract.kernels.mean_tiles import Axis


@pytest.fixture(autouse=True)
def quick_interpreter():
    with patched_once():
        yield


TYPES = pytest.mark.parametrize("dtype", [torch.float32, HALF])


@TYPES
@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize(("n_heads", "n_kv"), [(3, 3), (4, 2), (4, 1)])
def test_every_statistic_agrees_with_float64(dtype, is_causal, n_heads, n_kv):
    made = call(45, 16, dtype, n_heads, n_kv, batch=1, is_causal=is_causal)
    key = made.key.double().repeat_interleave(n_heads // n_kv, 1)
    logits = (made.query.double() @ key.transpose(-1, -2) * made.scale).cpu().numpy()
    seen = np.ones((45, 45), dtype=bool)
    seen = np.tril(seen) if is_causal else seen
    p = reference.softmax(logits, np.broadcast_to(seen, logits.shape))
    _, layers, _ = observed([made], torch.ones(1, 45, dtype=torch.bool), fused=True)
    found = {
        name: values[0].cpu().numpy()
        for name, values in vars(layers[0]).items()
        if name not in ("head_maps", "diagonals") and values is not None
    }
    compare.assert_equal(
        found, {k: v[0] for k, v in compare.expected_of(p, seen).items()}, atol=2e-7
    )
    np.testing.assert_array_equal(found["max_key"], reference.max_key(p)[0])


@TYPES
@pytest.mark.parametrize("d", [32, 64, 80, 96, 128, 256])
def test_head_sizes(dtype, d):
    assert_same([call(37, d, dtype, n_heads=2)])


@TYPES
@pytest.mark.parametrize("n_tokens", [1, 5, 64, 129])
def test_lengths_that_fill_no_block_and_those_that_do(dtype, n_tokens):
    sets = [[0]]
    real = torch.ones(2, n_tokens, dtype=torch.bool)
    made = [call(n_tokens, 16, dtype)]
    expected = observed(made, real, fused=False, sets=sets, sinks=[0])[1][0]
    found = observed(made, real, fused=True, sets=sets, sinks=[0])[1][0]
    for name in ("max_value", "sink_score", "mass", "map", "row_sum", "local"):
        np.testing.assert_allclose(
            getattr(found, name).cpu(), getattr(expected, name).cpu(), 1e-5, 2e-6, err_msg=name
        )


def padding(side, n_tokens, lengths):
    position = torch.arange(n_tokens)[None]
    length = torch.tensor(lengths)[:, None]
    return position < length if side == "right" else position >= n_tokens - length


@TYPES
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("kind", ["boolean", "added"])
def test_masks_and_padding(dtype, side, is_causal, kind):
    real = padding(side, 50, [33, 50])
    seen = real[:, None, None, :].expand(2, 1, 50, 50)
    if is_causal:
        seen = seen & torch.ones(50, 50, dtype=torch.bool).tril()
    mask = seen.to(DEVICE)
    if kind == "added":
        least = torch.finfo(dtype).min
        mask = torch.zeros(seen.shape, dtype=dtype, device=DEVICE).masked_fill(~mask, least)
    assert_same([call(50, 16, dtype, mask=mask, is_causal=False)], real)


@TYPES
def test_a_bias_for_each_key_is_the_same_as_a_matrix_of_it(dtype):
    slopes = 2.0 ** -torch.arange(1, 4.0)
    bias = (slopes[None, :, None] * torch.arange(60)).to(DEVICE, dtype)
    by_key = call(60, 16, dtype, key_bias=bias)
    assert_same([by_key])
    hidden = torch.ones(60, 60, dtype=torch.bool, device=DEVICE).triu(1)
    least = torch.finfo(torch.float32).min
    matrix = bias.float()[:, :, None].expand(2, 3, 60, 60).masked_fill(hidden, least)
    full = by_key._replace(key_bias=None, mask=matrix, is_causal=False)
    real = torch.ones(2, 60, dtype=torch.bool)
    one, other = (observed([made], real, fused=True)[1][0] for made in (by_key, full))
    torch.testing.assert_close(one.sink_score, other.sink_score, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one.max_key, other.max_key)


@TYPES
@pytest.mark.parametrize("n_tokens", [96, 70])
def test_pooled_maps_maps_of_heads_and_diagonals(dtype, n_tokens):
    assert_same(
        [call(n_tokens, 16, dtype) for _ in range(2)],
        map_exact=0, map_cells=12, heads=((0, 2), (1, 0), (1, 1)), coarse=True,
        offsets=(-7, -8),
    )  # fmt: skip


@TYPES
@pytest.mark.parametrize("is_causal", [True, False])
def test_attention_weighted_by_the_norms_of_the_values(dtype, is_causal):
    assert_same([call(45, 16, dtype, n_heads=4, n_kv=2, is_causal=is_causal)], weighted=True)


def test_layers_of_two_kinds_keep_their_order():
    kinds = [call(40, 16, HALF), call(40, 32, HALF), call(40, 16, HALF), call(40, 32, HALF)]
    assert_same(kinds)


@TYPES
def test_two_passes_give_the_same_bytes(dtype):
    real = torch.ones(2, 130, dtype=torch.bool)
    one, other = (observed([call(130, 64, dtype)], real, fused=True)[1][0] for _ in range(2))
    assert_same_bytes(one, other)


def test_logits_that_are_no_numbers_are_seen():
    made = call(30, 16, torch.float32)
    made.query[1, 2, 7] = float("nan")
    real = torch.ones(2, 30, dtype=torch.bool)
    layer = observed([made], real, fused=True)[1][0]
    bad = layer.max_value.isnan().cpu()
    assert bad[1, 7]
    assert bad.sum() == 1


def test_calls_that_the_kernels_do_not_support_are_reduced_in_blocks():
    random = torch.Generator().manual_seed(0)
    odd = rows(1, 3, 20, 7, HALF, random)  # rows of 14 bytes
    real = torch.ones(1, 20, dtype=torch.bool)
    made = Call(odd, odd, odd, None, True, 0.3)
    assert observed([made], real, fused=True)[2].paths == {"torch"}
    assert observed([made, call(20, 16, HALF, batch=1)], real, fused=True)[2].paths == {
        "torch", "triton",
    }  # fmt: skip


@pytest.mark.parametrize("map_cells", [7, 20])
def test_head_means_that_do_not_fit_at_once_are_reduced_part_by_part(monkeypatch, map_cells):
    """Of 300 queries 256 fit, and a cell of the map lies across the border."""
    monkeypatch.setattr(buffers, "MEANS_BYTES", 0)
    assert_same([call(300, 16, HALF, n_heads=2, batch=1)], map_exact=0, map_cells=map_cells)


def test_more_sets_of_keys_than_a_word_has_bits():
    sets = [[position, (7 * position) % 60] for position in range(40)]
    assert_same([call(60, 16, HALF, n_heads=2)], sets=sets, sinks=[0])


@given(st.integers(1, 3000), st.integers(1, 40), st.sampled_from([1, 4, 8, 128]))
def test_segments_hold_every_token_once_and_none_crosses_a_cell(n_tokens, n_cells, largest):
    n_cells = min(n_cells, n_tokens)
    axis = Axis(n_tokens, n_cells, largest)
    tokens = [range(*borders) for borders in zip(axis.begin, axis.end, strict=True)]
    assert [token for segment in tokens for token in segment] == list(range(n_tokens))
    assert max(map(len, tokens)) <= axis.size <= largest
    for number, segment in enumerate(tokens):
        cell = number // axis.per_cell
        assert all(cell * n_tokens // n_cells <= token for token in segment)
        assert all(token < (cell + 1) * n_tokens // n_cells for token in segment)


@pytest.mark.parametrize("batch", [1, 3])
def test_one_descriptor_reaches_every_document_of_every_layer(batch):
    """Queries of some layers, apart in one storage as those of a joint projection are."""
    storage = torch.zeros(4, batch, 7, 3, 4, 16, dtype=torch.float16)
    layers = [storage[i, :, :, 1].transpose(1, 2) for i in (2, 0, 3)]
    table = AddressTable(layers)
    assert table.step % 16 == 0
    for layer in layers:
        for document in layer:
            slot, rest = divmod(document.data_ptr() - table.base, table.step)
            assert rest == 0
            assert 0 <= slot < table.n


@pytest.mark.parametrize(
    "changes",
    [
        {"sink": torch.tensor([0.5, 2.0, -1.0]).view(1, 3, 1, 1)},
        {"softcap": 1.5},
        {"n_extra": 7},
    ],
    ids=["learned sink", "soft cap", "keys of no token"],
)
def test_what_the_kernels_do_not_know_goes_by_blocks_beside_them(changes):
    """Layer 1 of 3 of a pass; the cell's `path` says triton and torch."""
    plain = call(32, 16, torch.float32, batch=1)
    other = plain._replace(**{k: v.to(DEVICE) if k == "sink" else v for k, v in changes.items()})
    if other.n_extra:  # a mask hides from each query what comes later, and none of the extra keys
        key, value = (torch.cat([t, t[:, :, :7]], 2) for t in (other.key, other.value))
        mask = torch.ones(32, 39, device=DEVICE).tril().bool()
        mask[:, 32:] = True
        other = other._replace(key=key, value=value, mask=mask[None, None], is_causal=False)
    real = torch.ones(1, 32, dtype=torch.bool)
    layers = [plain, other, plain]
    outputs, with_kernels, observation = observed(layers, real, fused=True)
    expected, by_blocks, _ = observed(layers, real, fused=False)
    assert observation.paths == {"triton", "torch"}
    assert with_kernels[0].virtual_sink.isnan().all()
    for made, own in zip(outputs, expected, strict=True):
        torch.testing.assert_close(made, own, rtol=1e-4, atol=1e-5)
    for name in ("mass", "row_sum", "entropy", "sink_score", "virtual_sink", "max_value"):
        for one, two in zip(with_kernels, by_blocks, strict=True):
            torch.testing.assert_close(
                getattr(one, name), getattr(two, name), rtol=1e-4, atol=1e-5, equal_nan=True
            )
    if other.sink is not None or other.n_extra:
        assert (with_kernels[1].row_sum < 0.95).any()
