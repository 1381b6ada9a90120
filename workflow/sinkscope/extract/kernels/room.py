"""Where the kernels write."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.inputs import ROWS, Inputs
from sinkscope.extract.masks import Call
from sinkscope.extract.sums import Plan
from sinkscope.keys import LOCAL_WIDTHS

NEAR_ROWS = 16  # queries of a program of the kernel for neighbours: one warp waits for no other
MEANS = (8, 512)  # queries and keys of which head means are reduced at a time
MEANS_BYTES = 256 << 20  # of head means that are there at a time


class Room:
    """fixed: sums in steps of 1 / FIXED, which begin at 0, by name. means:
    head means, [layer, batch, query, key] of as many queries as there is room for."""

    def __init__(
        self,
        calls: Sequence[Call],
        plan: Plan,
        inputs: Inputs,
        *,
        with_norms: bool,
        share: float = 1.0,
    ) -> None:
        device = calls[0].query.device
        batch, n_heads, n_tokens, _ = calls[0].query.shape
        self.shape = rows = (len(calls), batch, n_heads, n_tokens)
        self.exact = n_tokens <= max(plan.map_exact, plan.map_cells)
        self.n_cells = n_tokens if self.exact else plan.map_cells
        # Blocks of queries whose means are reduced together: cells, where there are some.
        self.n_blocks = triton.cdiv(n_tokens, MEANS[0]) if self.exact else self.n_cells
        shapes = {
            "received": rows,
            "entropy": rows,
            "best": (len(calls), batch, n_tokens),
            "broken": (len(calls), batch, n_tokens),
        }
        if with_norms:
            shapes["norm_received"] = rows
        sizes = [math.prod(shape) for shape in shapes.values()]
        flat = torch.zeros(sum(sizes), dtype=torch.int64, device=device).split(sizes)
        self.fixed = {
            name: part.view(shapes[name]) for name, part in zip(shapes, flat, strict=True)
        }

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        self.sums = empty(*rows[:3], inputs.n_padded)
        self.shares = empty(*rows[:3], inputs.n_padded) if with_norms else self.sums
        # A causal map is written below its diagonal only.
        cells = (len(calls), batch, self.n_cells, self.n_cells)
        self.map = torch.zeros(cells, device=device) if self.exact else empty(*cells)
        self.means = self.map
        if not self.exact:
            room = int(share * MEANS_BYTES) // (4 * len(calls) * batch * n_tokens) // ROWS * ROWS
            self.means = empty(len(calls), batch, min(max(room, ROWS), n_tokens), n_tokens)
        self.rows = empty(len(calls), batch, 0 if self.exact else self.n_cells, n_tokens)
        parts = (self.n_blocks, triton.cdiv(n_tokens, MEANS[1]))
        self.strict = empty(len(calls), batch, *parts, inputs.n_sets, dtype=torch.float64)
        blocks = (*rows[:3], triton.cdiv(n_tokens, NEAR_ROWS))
        self.near = empty(*blocks, 2, LOCAL_WIDTHS[-1] + 1)
        self.over_half = empty(*blocks, dtype=torch.int32)
        self.diagonals = empty(*rows, len(plan.offsets))
        self.window_received = empty(*rows)

    def bands(self) -> list[range]:
        """Queries whose head means there is room for, one range after the other."""
        n_tokens, at_once = self.shape[3], self.means.shape[2]
        return [
            range(start, min(start + at_once, n_tokens)) for start in range(0, n_tokens, at_once)
        ]
