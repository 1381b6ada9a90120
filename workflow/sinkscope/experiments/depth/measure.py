"""Matrix entropy of the residual states of each layer, with and without key 0, and the norm of key
0's state.

Singular values depend on the norm of key 0's state, not on its largest entry, so the norm stands
for the massive activation. With M = norm(x_0)^2 and R the sum of the other squared norms, the
largest p is at least M / (M + R), which bounds the entropy from above (Queipo-de-Llano et al.
2025).
"""

import numpy as np
import polars as pl
import torch

from sinkscope.extract.model import Loaded
from sinkscope.measure.passes import Task, observe, plan_of, readable, shortened


def matrix_entropy(states: np.ndarray) -> float:
    """Entropy in nats of p = s^2 / sum s^2, s: singular values of states [token, d], float64.

    s^2 are the eigenvalues of the smaller of the two Gram matrices: much faster than a singular
    value decomposition, and equally exact: small s^2 lost to rounding add nothing to H. NaN
    without states, if all states are 0, or if a number is not finite.
    """
    gram = states @ states.T if states.shape[0] < states.shape[1] else states.T @ states
    total = np.trace(gram)
    if not np.isfinite(gram).all() or total <= 0:
        return float("nan")
    p = np.linalg.eigvalsh(gram / total)
    p = p[p > 0]  # eigenvalues that are 0 may come out below
    return float(max(0.0, -(p * np.log(p)).sum() / p.sum() + np.log(p.sum())))


def part_of_maximum(nats: float, shape: tuple[int, ...]) -> float:
    """nats over the largest entropy of states of this shape, log min(shape); NaN where that is
    0."""
    most = min(shape)
    return nats / np.log(most) if most > 1 else float("nan")


def of_layer(states: np.ndarray) -> dict[str, float]:
    """Columns of one row of the table. states: [token, d] that enter the layer, float64."""
    others = states[1:]
    squares = (states**2).sum(1)
    first, total = float(squares[0]), float(squares.sum())
    median = float(np.median(np.sqrt(squares[1:]))) if len(others) else 0.0
    nats, nats_no_first = matrix_entropy(states), matrix_entropy(others)
    return {
        "entropy": part_of_maximum(nats, states.shape),
        "entropy_no_first": part_of_maximum(nats_no_first, others.shape),
        "nats": nats,
        "nats_no_first": nats_no_first,
        "norm_ratio": float(np.sqrt(first)) / median if median else float("nan"),
        "square_share": first / total if total else float("nan"),
    }


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    frames = []
    for document, encoded in readable(shortened(loaded, task), task):
        ids = torch.tensor([encoded.ids], device=loaded.device)
        states = observe(loaded, ids, plan_of(ids)).states
        rows = [of_layer(layer[0].cpu().double().numpy()) for layer in states]
        frames.append(
            pl.DataFrame(rows).select(
                pl.lit(document.name).alias("document"),
                pl.int_range(pl.len()).alias("layer"),
                pl.lit(len(encoded.ids)).alias("n_tokens"),
                pl.all(),
            )
        )
    return {"matrix_entropy": pl.concat(frames)} if frames else {}
