"""`sinkscope.kernels.attention_statistics` by both backends, against float64 and closed forms.

The kernels run on a GPU where there is one, else through Triton's interpreter.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import AuxRequest, flex_attention

from calls import DEVICE, HALF
from interpreted import patched_once
from kernels import reference_rows
from sinkscope.errors import SinkscopeError
from sinkscope.kernels import attention_statistics


@pytest.fixture(autouse=True)
def quick_interpreter():
    with patched_once():
        yield


BACKENDS = pytest.mark.parametrize("backend", ["blocks", "triton"])
CAUSAL = np.tril(np.ones((45, 45), dtype=bool))


def rows(n_tokens=45, n_heads=4, n_kv=2, d=16, batch=2, dtype=torch.float32, size=1.3, seed=0):
    """Laid out as models do: [batch, token, head, d], seen as [batch, head, token, d]."""
    random = torch.Generator().manual_seed(seed)
    made = [torch.randn(batch, n_tokens, n, d, generator=random) for n in (n_heads, n_kv)]
    return [(size * one).to(DEVICE, dtype).transpose(1, 2) for one in made]


def assert_statistics(found, expected, atol=3e-6):
    for name, wanted in expected.items():
        values = getattr(found, name)
        if wanted is None:
            assert values is None
        elif name.endswith("key"):
            np.testing.assert_array_equal(values.cpu(), wanted, err_msg=name)
        else:
            np.testing.assert_allclose(values.cpu(), wanted, 2e-6, atol, err_msg=name)


@BACKENDS
@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize(("n_heads", "n_kv"), [(3, 3), (4, 2), (4, 1)])
@pytest.mark.parametrize("is_causal", [True, False])
def test_every_statistic_agrees_with_float64(backend, dtype, n_heads, n_kv, is_causal):
    query, key = rows(n_heads=n_heads, n_kv=n_kv, dtype=dtype)
    found = attention_statistics(query, key, is_causal=is_causal, backend=backend)
    assert found.backend == backend
    expected = reference_rows.statistics(query, key, seen=CAUSAL if is_causal else None)
    assert_statistics(found, expected)


@BACKENDS
@pytest.mark.parametrize("kind", ["bool", "added", "by head"])
def test_masks(backend, kind):
    """Query 3 of document 1 sees no key; by head, it does in all heads but one."""
    query, key = rows()
    random = np.random.default_rng(0)
    seen = CAUSAL & (random.random((2, 4 if kind == "by head" else 1, 45, 45)) < 0.7)
    seen[0] |= np.eye(45, dtype=bool)
    seen[1, :1, 3] = False
    added, mask = None, torch.from_numpy(seen).to(DEVICE)
    if kind == "added":
        added = random.normal(size=seen.shape).astype(np.float32)
        mask = torch.from_numpy(np.where(seen, added, -np.inf)).to(DEVICE)
    found = attention_statistics(query, key, mask=mask, backend=backend)
    expected = reference_rows.statistics(query, key, seen=seen, added=added)
    assert_statistics(found, expected)
    assert found.max_key[1, 0, 3] == -1
    assert found.log_sum_exp[1, 0, 3] == -math.inf
    assert (found.mean_max_key[1, 3] == -1) == (kind != "by head")


@BACKENDS
def test_a_learned_sink_takes_its_part_of_every_row(backend):
    query, key = rows()
    sink = torch.tensor([0.0, 3.0, -2.0, 30.0], device=DEVICE)
    found = attention_statistics(query, key, is_causal=True, sink=sink, backend=backend)
    expected = reference_rows.statistics(query, key, seen=CAUSAL, sink=sink)
    assert_statistics(found, expected, atol=1e-5)
    everything = found.received.sum(-1) + found.sink_attention.sum(-1)
    torch.testing.assert_close(everything, torch.full_like(everything, 45.0))


def test_a_soft_cap_is_reduced_in_blocks():
    query, key = rows()
    found = attention_statistics(query, key, is_causal=True, softcap=2.5)
    assert found.backend == "blocks"
    assert_statistics(found, reference_rows.statistics(query, key, seen=CAUSAL, softcap=2.5))
    assert found.max_logit.max() <= 2.5


@BACKENDS
@pytest.mark.parametrize("map_cells", [1, 7, 45])
def test_maps(backend, map_cells):
    query, key = rows()
    found = attention_statistics(
        query, key, is_causal=True, scale=0.3, map_cells=map_cells, backend=backend
    )
    assert found.mean_map.shape == (2, map_cells, map_cells)
    expected = reference_rows.statistics(query, key, seen=CAUSAL, scale=0.3, map_cells=map_cells)
    assert_statistics(found, expected)


@BACKENDS
def test_uniform_attention_has_the_entropy_log_n(backend):
    query, key = rows()
    query = torch.zeros_like(query)
    n = torch.arange(1.0, 46, device=DEVICE)
    found = attention_statistics(query, key, is_causal=True, backend=backend)
    torch.testing.assert_close(found.entropy, n.log().expand(2, 4, 45), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.log_sum_exp, n.log().expand(2, 4, 45), rtol=1e-6, atol=1e-6)
    harmonic = (1 / n).flip(0).cumsum(0).flip(0)  # key j: 1/(j+1) + ... + 1/45
    torch.testing.assert_close(found.received, harmonic.expand(2, 4, 45), rtol=1e-6, atol=1e-6)
    assert (found.max_key == 0).all()
    assert (found.mean_max_key == 0).all()
    assert (found.max_logit == 0).all()


@BACKENDS
def test_one_key_that_gets_everything(backend):
    query, key = rows(n_kv=4)
    query, key = torch.ones_like(query), torch.zeros_like(key)
    key[:, :, 5] = 40.0
    found = attention_statistics(query, key, backend=backend)
    assert (found.max_key == 5).all()
    assert (found.entropy == 0).all()
    # Logits are 160: of such numbers, and so of their log-sum-exp, float32 keeps five decimals.
    received = torch.full((2, 4), 45.0, device=DEVICE)
    torch.testing.assert_close(found.received[:, :, 5], received, rtol=2e-5, atol=0)
    assert found.received.sum() == found.received[:, :, 5].sum()
    assert (found.max_logit == 40.0 * 16 * 0.25).all()  # d = 16, scale = 1/4


@BACKENDS
def test_packed_documents_are_what_each_is_alone(backend):
    lengths, d = [7, 1, 0, 32], 16
    borders = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32, device=DEVICE)
    query, key = (torch.randn(40, n, d, device=DEVICE) for n in (4, 2))
    found = attention_statistics(
        query, key, is_causal=True, cu_seqlens=borders, sink=torch.zeros(4, device=DEVICE),
        backend=backend,
    )  # fmt: skip
    assert found.received.shape == found.log_sum_exp.shape == (4, 40)
    assert found.mean_max_key.shape == (40,)
    for start, length in zip(borders.tolist(), lengths, strict=False):
        part = slice(start, start + length)
        if length == 0:
            continue
        alone = attention_statistics(
            query[part].transpose(0, 1)[None], key[part].transpose(0, 1)[None],
            is_causal=True, sink=torch.zeros(4, device=DEVICE), backend=backend,
        )  # fmt: skip
        for field in dataclasses.fields(alone):
            one, all_of_them = getattr(alone, field.name), getattr(found, field.name)
            if isinstance(one, torch.Tensor):
                torch.testing.assert_close(all_of_them[..., part], one[0], msg=field.name)


@settings(max_examples=12)
@given(
    n_tokens=st.integers(1, 70), n_kv=st.integers(1, 3), group=st.integers(1, 3),
    d=st.sampled_from([8, 20, 64]), batch=st.integers(1, 2), size=st.sampled_from([0.1, 2.0, 8.0]),
    is_causal=st.booleans(), seed=st.integers(0, 99), backend=st.sampled_from(["blocks", "triton"]),
)  # fmt: skip
def test_what_holds_for_all_attention(
    n_tokens, n_kv, group, d, batch, size, is_causal, seed, backend
):
    query, key = rows(n_tokens, n_kv * group, n_kv, d, batch, size=size, seed=seed)
    found = attention_statistics(query, key, is_causal=is_causal, backend=backend)
    n = torch.full((batch, n_kv * group), float(n_tokens), device=DEVICE)
    torch.testing.assert_close(found.received.sum(-1), n, rtol=1e-5, atol=1e-4)
    n_seen = torch.arange(1.0, n_tokens + 1, device=DEVICE) if is_causal else n[0, 0]
    assert (found.entropy >= 0).all()
    assert (found.entropy <= n_seen.log() + 1e-5).all()
    # A row's largest attention is at least uniform, and at most 1.
    assert (found.max_logit <= found.log_sum_exp + 1e-5).all()
    assert (found.max_logit >= found.log_sum_exp - n_seen.log() - 1e-4).all()
    assert (found.mean_max_value <= 1 + 1e-6).all()
    if is_causal:
        at = torch.arange(n_tokens, device=DEVICE)
        assert (found.max_key <= at).all()
        assert (found.mean_max_key <= at).all()
        # What comes later changes nothing before.
        short = max(1, n_tokens // 2)
        cut = attention_statistics(
            query[:, :, :short], key[:, :, :short], is_causal=True, backend="blocks"
        )
        torch.testing.assert_close(
            cut.log_sum_exp, found.log_sum_exp[..., :short], rtol=1e-5, atol=2e-5
        )


@BACKENDS
def test_keys_in_another_order_receive_the_same(backend):
    query, key = rows()
    order = torch.randperm(45, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    one = attention_statistics(query, key, backend=backend)
    other = attention_statistics(query, key[:, :, order], backend=backend)
    torch.testing.assert_close(other.received, one.received[..., order], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(order[other.max_key], one.max_key)


@BACKENDS
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_that_is_no_number_is_seen_and_spoils_no_other_head(backend, value):
    query, key = rows(n_kv=4)
    query[1, 2, 7] = value
    found = attention_statistics(query, key, is_causal=True, map_cells=5, backend=backend)
    broken = torch.zeros(2, 4, 45, dtype=torch.bool, device=DEVICE)
    broken[1, 2, 7] = True
    for name in ("log_sum_exp", "max_logit", "entropy"):
        assert torch.equal(getattr(found, name).isnan(), broken), name
    assert torch.equal(found.max_key < 0, broken)
    assert torch.equal(found.received.isnan().any(-1), broken.any(-1))
    assert torch.equal(found.mean_max_value.isnan(), broken.any(1))
    assert torch.equal(found.mean_max_key < 0, broken.any(1))
    assert torch.equal(found.mean_map.isnan().all((1, 2)), broken.any((1, 2)))


def test_flex_attention_says_the_same_where_it_says_something():
    query, key = rows(n_kv=4)

    def causal(score, b, h, i, j):
        return torch.where(i >= j, score, -float("inf"))

    wanted = AuxRequest(lse=True, max_scores=query.is_cuda)  # the latter on GPUs only
    _, beside = flex_attention(query, key, key, score_mod=causal, return_aux=wanted)
    found = attention_statistics(query, key, is_causal=True)
    torch.testing.assert_close(found.log_sum_exp, beside.lse, rtol=1e-5, atol=1e-5)
    if query.is_cuda:
        torch.testing.assert_close(found.max_logit, beside.max_scores, rtol=1e-5, atol=1e-5)


def test_gradients_and_compiled_functions_are_left_alone():
    query, key = rows()
    query.requires_grad_()

    def loss(query):
        return query.square().sum() + attention_statistics(query, key).received.sum().item()

    torch.compile(loss, backend="eager")(query).backward()
    torch.testing.assert_close(query.grad, 2 * query.detach())


Q, K = (torch.zeros(1, n, 6, 8) for n in (4, 2))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"query": Q[0]}, "query has 3 axes"),
        ({"key": K.double()}, "key has type float64"),
        ({"key": K.half()}, "differ in type or device"),
        ({"query": Q[:, :3]}, "3 query heads cannot share 2 key heads"),
        ({"query": Q[:, :, -1:]}, "1 and 6 entries along the axis 'token'"),
        ({"query": Q[:, :, :0]}, "is empty"),
        ({"key": K[..., :4]}, "8 and 4 entries along the axis 'd'"),
        ({"mask": torch.ones(6, 6)}, r"mask of shape \[6, 6\]"),
        ({"mask": torch.ones(1, 1, 6, 5)}, r"mask of shape \[1, 1, 6, 5\]"),
        ({"mask": torch.ones(1, 1, 6, 6, dtype=torch.int32)}, "mask has type int32"),
        ({"sink": torch.zeros(2)}, r"one logit per query head \(4\)"),
        ({"map_cells": 7}, "map_cells is 7"),
        ({"map_cells": 0}, "map_cells is 0"),
        ({"backend": "cuda"}, "backend is 'cuda'"),
        ({"backend": "triton", "softcap": 2.0}, "cannot take these arguments"),
        ({"cu_seqlens": torch.tensor([0, 6])}, r"takes \[token, head, d\] with cu_seqlens"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(SinkscopeError, match=sentence) as error:
        attention_statistics(**({"query": Q, "key": K} | arguments))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("borders", [[0, 3], [1, 6], [0, 4, 2, 6], [6], [[0, 6]]])
def test_lengths_that_do_not_fit_are_refused(borders):
    packed = [rows[0].transpose(0, 1) for rows in (Q, K)]
    with pytest.raises(SinkscopeError, match="must rise from 0 to the number of tokens, 6"):
        attention_statistics(*packed, cu_seqlens=torch.tensor(borders))
    with pytest.raises(SinkscopeError, match="once per document"):
        attention_statistics(*packed, cu_seqlens=torch.tensor([0, 6]), map_cells=2)
