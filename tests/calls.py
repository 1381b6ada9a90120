"""Calls of attention made up of random numbers, on a GPU where there is one."""

import dataclasses

import numpy as np
import torch

import compare
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.streaming import Workspace

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HALF = torch.bfloat16 if DEVICE.type == "cuda" else torch.float16


def rows(batch, n_heads, n_tokens, d, dtype, random, size=1.3):
    """Laid out as models do: [batch, token, head, d], seen as [batch, head, token, d]."""
    made = torch.randn(batch, n_tokens, n_heads, d, generator=random) * size
    return made.to(DEVICE, dtype).transpose(1, 2)


def call(n_tokens, d, dtype, n_heads=3, n_kv=None, batch=2, seed=0, **options):
    random = torch.Generator().manual_seed(n_tokens + d + seed)
    n_kv = n_kv or n_heads
    query, key, value = (rows(batch, n, n_tokens, d, dtype, random) for n in (n_heads, n_kv, n_kv))
    options = {"mask": None, "is_causal": True, "scale": d**-0.5} | options
    return Call(query, key, value, **options)


def planted(n_tokens, sinks, dtype=torch.float32, d=16, **options):
    """A call whose queries all look for the same; keys that have it get 0.6 to 0.9 of the
    attention together, the others little. sinks: keys that have it, for each document of the
    batch."""
    made = call(n_tokens, d, dtype, batch=len(sinks), **options)
    for rows in (made.query, made.key):
        rows.mul_(0.3)
        rows[..., 0] = 0.0
    made.query[..., 0] = 4.0
    for document, keys in enumerate(sinks):
        made.key[document, :, keys, 0] = 5.5
    return made


def observed(calls, real, *, fused, **plan_options):
    """What layers of these calls come to: (outputs, statistics, the observation)."""
    plan = compare.plan(real, **plan_options)
    observation = Observation(plan, Workspace(DEVICE), fused=fused)
    with torch.inference_mode():
        outputs = [observation(made) for made in calls]
    return outputs, observation.layers, observation


def assert_same_bytes(one, other):
    for name, values in vars(one).items():
        if values is None:
            continue
        assert torch.equal(values.nan_to_num(-1), getattr(other, name).nan_to_num(-1)), name


def assert_same(calls, real=None, **plan_options):
    """The kernels and the reduction in blocks agree in every statistic and in the output."""
    if real is None:
        batch, _, n_tokens, _ = calls[0].query.shape
        real = torch.ones(batch, n_tokens, dtype=torch.bool)
    expected_outputs, expected, _ = observed(calls, real, fused=False, **plan_options)
    outputs, found, observation = observed(calls, real, fused=True, **plan_options)
    assert observation.paths == {"triton"}
    loose = 1e-5 if calls[0].query.dtype == torch.float32 else 2e-2
    for one, other in zip(outputs, expected_outputs, strict=True):
        seen = real[:, None, :, None].expand_as(one)
        torch.testing.assert_close(one.cpu()[seen], other.cpu()[seen], rtol=loose, atol=loose)
    for one, other in zip(found, expected, strict=True):
        for field in dataclasses.fields(one):
            name = field.name
            if getattr(other, name) is None:
                assert getattr(one, name) is None
                continue
            values, wanted = getattr(one, name).cpu(), getattr(other, name).cpu()
            if name == "max_key":
                assert_best(values, other, real)
                continue
            np.testing.assert_allclose(
                values.double(), wanted.double(), rtol=1e-5, atol=2e-6, err_msg=name
            )


def assert_best(max_key, expected, real):
    """The same keys, or, where two are equal but for rounding, one that is as good."""
    exact = expected.map.shape[-1] == max_key.shape[-1]
    if not exact:
        assert (max_key == expected.max_key.cpu())[real].float().mean() > 0.97
        return
    found = expected.map.cpu().gather(-1, max_key[..., None])[..., 0]
    torch.testing.assert_close(found[real], expected.max_value.cpu()[real], rtol=1e-5, atol=1e-6)
