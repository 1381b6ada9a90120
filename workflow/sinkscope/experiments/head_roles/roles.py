"""The role of a head's sink: no-op, broadcast or mixed. Pure functions.

Source: Fesser et al. 2026, arXiv 2606.08105, for vision transformers.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sinkscope.experiments.head_roles.constants import BROADCAST, MIXED, NO_OP, NONE

# A head has a sink event if at least MOST of the queries give one key at least HALF.
HALF, MOST = 0.5, 0.9
# The norm of what that key sends, over the median of the others.
NOTHING, SOMETHING = 0.2, 0.5
ONE_DIRECTION = 1.5  # stable rank of outputs that point in hardly more than one direction

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Heads:
    """One layer in one text; arrays [head]. key: the key to which most queries give at least HALF.
    share: the fraction that does, of the queries other than itself that see it. value_ratio: norm
    of W_O v of that key over the median of the others. stable_rank: of the head's outputs."""

    key: np.ndarray
    share: np.ndarray
    value_ratio: np.ndarray
    stable_rank: np.ndarray

    @property
    def roles(self) -> list[str]:
        numbers = zip(self.share, self.value_ratio, self.stable_rank, strict=True)
        return [role_of(*of_head) for of_head in numbers]


def role_of(share: float, value_ratio: float, stable_rank: float) -> str:
    """One of ROLES."""
    if not share >= MOST:
        return NONE
    if value_ratio <= NOTHING:
        return NO_OP
    return BROADCAST if value_ratio >= SOMETHING and stable_rank <= ONE_DIRECTION else MIXED


@dataclass(frozen=True)
class Writing:
    """The map from a layer's head outputs to their contribution to the residual state. triangles:
    [head, d, d] of triangle_of. gate: [head, query, d], the factor on the outputs of each query;
    None without."""

    triangles: Tensor
    gate: Tensor | None = None

    def written(self, outputs: Tensor) -> Tensor:
        """[head, query, d], each as long as W_O (g o). outputs: [head, query, d], or one for all
        queries."""
        gated = outputs if self.gate is None else self.gate * outputs
        return gated @ self.triangles.mT

    def squares(self, outputs: Tensor) -> Tensor:
        """[head, query] of the norms of these."""
        return self.written(outputs).square().sum(-1)

    def sent(self, values: Tensor) -> Tensor:
        """[head, key] norm of W_O v, where gates differ between queries the root of its mean square
        over them. values: [head, key, d]."""
        if self.gate is None:
            return self.written(values).norm(dim=-1)
        # |R (g v)|^2 = v (R^T R * g g^T) v, with the mean of g g^T over the queries.
        gates = self.gate.mT @ self.gate / self.gate.shape[1]
        squares = (values @ (self.triangles.mT @ self.triangles * gates) * values).sum(-1)
        return squares.clamp(min=0).sqrt()


def heads_of(
    rows: Tensor, values: Tensor, writing: Writing, visible: np.ndarray, n_queries: int
) -> Heads:
    """rows: [head, query, key], the attention. values: [head, key, d]. Both float64, on the CPU.
    visible: [query, key] bool. n_queries: least number of other queries that see a sink."""
    key, share = strongest(rows.numpy(), visible, n_queries)
    norms = writing.sent(values).numpy()
    rest = [np.median(np.delete(of_head, at)) for of_head, at in zip(norms, key, strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = norms[np.arange(len(key)), key] / np.array(rest)
    return Heads(key, share, ratio, stable_ranks(writing.written(rows @ values)))


def strongest(rows: Array, visible: np.ndarray, n_queries: int) -> tuple[np.ndarray, np.ndarray]:
    """[head] the key with the largest fraction of queries that give it at least HALF, and that
    fraction; of equal ones the key with the most attention. A query's attention to itself does not
    count. The fraction is NaN if no key is seen by n_queries queries."""
    others = visible & ~np.eye(len(visible), dtype=bool)
    n_seeing = others.sum(0)  # [key]
    share = ((rows >= HALF) & others).sum(1) / np.maximum(n_seeing, 1)  # [head, key]
    received = (rows * others).sum(1) / np.maximum(n_seeing, 1)
    share = np.where(n_seeing >= n_queries, share, -1.0)
    best = share.max(1)
    key = np.where(share == best[:, None], received, -1.0).argmax(1)
    return key, np.where(best < 0, np.nan, best)


def triangle_of(projection: Tensor) -> Tensor:
    """[head, d, d] R with |R v| = |W_O v| for every v, and the same for sums of such. projection:
    [head, d, d_model], W_O as it multiplies rows."""
    return torch.linalg.qr(projection.mT, mode="r").R


def stable_ranks(outputs: Tensor) -> Array:
    """[head] sum of the squared singular values over the largest of them; 1: all outputs point in
    one direction. outputs: [head, query, d] float64; NaN if all are 0."""
    # Their squares are the eigenvalues of a matrix that does not grow with the text.
    squares = torch.linalg.eigvalsh(outputs.mT @ outputs)
    result: Array = (outputs.square().sum((1, 2)) / squares[:, -1]).numpy()
    return result
