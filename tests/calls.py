"""Calls of attention made up of random numbers, on a GPU where there is one."""

import torch

import compare
from sinkscope.extract.masks import Call
from sinkscope.extract.streaming import Observation, Workspace

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
HALF = torch.bfloat16 if DEVICE.type == "cuda" else torch.float16


def rows(batch, n_heads, n_tokens, d, dtype, random, size=1.3):
    """Laid out as models do: [batch, token, head, d], seen as [batch, head, token, d]."""
    made = torch.randn(batch, n_tokens, n_heads, d, generator=random) * size
    return made.to(DEVICE, dtype).transpose(1, 2)


def call(n_tokens, d, dtype, n_heads=3, n_kv=None, batch=2, **options):
    random = torch.Generator().manual_seed(n_tokens + d)
    n_kv = n_kv or n_heads
    query, key, value = (rows(batch, n, n_tokens, d, dtype, random) for n in (n_heads, n_kv, n_kv))
    options = {"mask": None, "is_causal": True, "scale": d**-0.5} | options
    return Call(query, key, value, **options)


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
