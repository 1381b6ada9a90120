"""Attention and states that are known, as a pass of the experiments."""

import torch

from sinkscope.extract.masks import Call
from sinkscope.extract.streaming import Workspace
from sinkscope.measure.passes import Watching


def call_of(p, value=None, causal=True):
    """The call whose attention is p [batch, head, query, key]. value: [batch, head, key, d]."""
    n_tokens = p.shape[-1]
    key = torch.eye(n_tokens).expand(*p.shape[:2], -1, -1)
    value = torch.ones(*p.shape[:3], 2) if value is None else value
    return Call(p.clamp(min=1e-12).log().float(), key, value, None, causal, 1.0)


def pass_of(layers, plan, states=None, values=None, causal=True):
    """layers: attention [batch, head, query, key] of every layer. states: [batch, token, d] of
    every layer; of equal entries, if none are given."""
    watching = Watching(plan, Workspace(torch.device("cpu")))
    for i, p in enumerate(layers):
        watching(call_of(p, values[i] if values else None, causal))
    if states is None:
        states = [torch.ones(p.shape[0], p.shape[-1], 3) for p in layers]
    return watching.shown(states)


def two_sinks(n_tokens, key, first, second, batch=1, n_heads=2):
    """Causal rows that give key 0 `first`, from `key` on also that key `second`, and the rest to
    themselves."""
    p = torch.zeros(batch, n_heads, n_tokens, n_tokens)
    for i in range(n_tokens):
        p[:, :, i, 0] = first
        if i > key:
            p[:, :, i, key] = second
        p[:, :, i, i] += 1 - p[:, :, i].sum(-1)
    return p
