"""How logits become rows of attention that need not sum to 1: a head without a relevant key need
not put its attention anywhere. All are differentiable: models are trained with them too.

logits: [batch, head, query, key], very negative where a key is hidden; n_keys: [batch, query],
number of keys that each query sees."""

from __future__ import annotations

import torch
from torch import Tensor


def with_sink(logits: Tensor, sink: Tensor) -> Tensor:
    """exp(l_j) / (exp(s) + sum_k exp(l_k)): softmax with one more key, of logit s and value 0.

    sink: broadcastable to [batch, head, query, 1]. Source: gpt-oss model card (OpenAI, 2025).
    """
    largest = torch.maximum(logits.detach().amax(-1, keepdim=True), sink.detach())
    weight = (logits - largest).exp()
    return weight / (weight.sum(-1, keepdim=True) + (sink - largest).exp())


def capped(logits: Tensor, softcap: float) -> Tensor:
    """c * tanh(l / c), for at most c in absolute value. Source: Gemma 2 (Google, 2024)."""
    return (logits / softcap).tanh() * softcap


def softmax_off_by_one(logits: Tensor, n_keys: Tensor) -> Tensor:
    """exp(l_j) / (1 + sum_k exp(l_k)): softmax with one more key, of logit 0 and value 0.

    Source: E. Miller, "Attention is off by one" (2023).
    """
    return with_sink(logits, logits.new_zeros(1))


def sigmoid(logits: Tensor, n_keys: Tensor) -> Tensor:
    """sigmoid(l_j - log n), n the number of keys that the query sees: later tokens do not change a
    row.

    Source: Ramapuram et al., "Theory, analysis, and best practices for sigmoid self-attention"
    (ICLR 2025), bias -log n, where n is the length of the input."""
    bias = n_keys.clamp(min=1).log()[:, None, :, None]  # [batch, 1, query, 1]
    return (logits - bias).sigmoid()


ALTERNATIVES = {"softmax_off_by_one": softmax_off_by_one, "sigmoid": sigmoid}
