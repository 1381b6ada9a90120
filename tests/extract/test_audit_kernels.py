"""Audits of what the kernels reduce: on a GPU where there is one, else through Triton's
interpreter."""

import pytest
import torch
import torch.nn.functional as F

import compare
from calls import DEVICE, HALF, call
from sinkscope.errors import SinkscopeError
from sinkscope.extract.audit import Audit
from sinkscope.extract.masks import heads_of
from sinkscope.extract.observation import Observation
from sinkscope.extract.streaming import Workspace

pytest.importorskip("triton")
from interpreted import patched_once


@pytest.fixture(autouse=True)
def quick_interpreter():
    with patched_once():
        yield


def audited(dtype, **read_wrongly):
    """The audit of two layers with grouped heads, the second document padded behind."""
    real = torch.ones(2, 45, dtype=torch.bool)
    real[1, 40:] = False
    plan = compare.plan(real, map_exact=64)
    audit = Audit(plan, [3])
    observation = Observation(plan, Workspace(DEVICE), fused=True, audit=audit)
    for seed in range(2):
        made = call(45, 16, dtype, 4, 2, seed=seed)

        def own(key_head=None, made=made):
            heads, of_key = heads_of(key_head, made.query, made.key), slice(key_head, key_head + 1)
            key, value = (rows[:, of_key] for rows in (made.key, made.value))
            return F.scaled_dot_product_attention(
                made.query[:, heads], key, value, is_causal=True, scale=made.scale, enable_gqa=True
            )

        with torch.inference_mode():
            observation(made._replace(own=own, **read_wrongly))
    assert observation.paths == {"triton"}
    return observation.audited


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_what_kernels_reduce_passes_its_audit(dtype):
    results = audited(dtype)
    assert len(results) == 2
    for result in results:
        result.check("m", "d")
        assert 0 < result.row_error < result.row_bound / 10


@pytest.mark.parametrize("dtype", [torch.float32, HALF])
def test_a_call_that_is_read_wrongly_is_caught_beside_the_kernels(dtype):
    with pytest.raises(SinkscopeError, match="was observed incorrectly"):
        audited(dtype, scale=0.5)[0].check("m", "d")
