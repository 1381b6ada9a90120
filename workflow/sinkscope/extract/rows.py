"""Two alternatives to softmax: how logits become rows of attention that need not sum to 1.

A softmax row sums to 1, so a head without a relevant key must put its attention somewhere.
logits: [batch, head, query, key], very negative where a key is hidden; n_keys: [batch, query],
number of keys that each query sees. Both are differentiable: models are trained with them too.
"""

from __future__ import annotations

from torch import Tensor


def softmax_off_by_one(logits: Tensor, n_keys: Tensor) -> Tensor:
    """exp(l_j) / (1 + sum_k exp(l_k)): softmax with one more key, of logit 0 and value 0.

    Source: E. Miller, "Attention is off by one" (2023).
    """
    largest = logits.detach().amax(-1, keepdim=True).clamp(min=0.0)
    weight = (logits - largest).exp()
    return weight / (weight.sum(-1, keepdim=True) + (-largest).exp())


def sigmoid(logits: Tensor, n_keys: Tensor) -> Tensor:
    """sigmoid(l_j - log n), n the number of keys that the query sees.

    Source: Ramapuram et al., "Theory, analysis, and best practices for sigmoid self-attention"
    (ICLR 2025), bias -log n. There n is the length of the input; in a causal model that would
    let later tokens change a row, so n counts what the row itself sees.
    """
    bias = n_keys.clamp(min=1).log()[:, None, :, None]  # [batch, 1, query, 1]
    return (logits - bias).sigmoid()


ALTERNATIVES = {"softmax_off_by_one": softmax_off_by_one, "sigmoid": sigmoid}
