"""Where the kernels write."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.inputs import ROWS, Inputs
from sinkscope.extract.kernels.pieces import pieces
from sinkscope.extract.masks import Call
from sinkscope.extract.plan import Plan
from sinkscope.keys import LOCAL_WIDTHS

NEAR_ROWS = 16  # queries of a program of the kernel for neighbours: one warp waits for no other
MEANS_BYTES = 384 << 20  # of head means that are there at a time


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
        self.exact, self.n_cells = plan.exact(n_tokens), plan.n_cells(n_tokens)
        self.pieces = pieces(
            n_tokens, self.n_cells, device, exact=self.exact, is_causal=calls[0].is_causal
        )
        shapes = {
            "received": rows,
            "entropy": rows,
            "best": (len(calls), batch, n_tokens),
            "second": (len(calls), batch, n_tokens),
            "strict": (len(calls), batch, inputs.n_sets),
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
        both = (len(calls), batch)
        # A causal map is written below its diagonal only.
        if self.exact:
            self.means = torch.zeros(*both, n_tokens, n_tokens, device=device)
        else:
            room = int(share * MEANS_BYTES) // (4 * len(calls) * batch * n_tokens) // ROWS * ROWS
            self.means = empty(*both, min(max(room, ROWS), n_tokens), n_tokens)
        n_row_pieces, n_key_pieces = self.pieces.rows.n, self.pieces.keys.n
        self.map_sums = torch.zeros(
            *both, n_row_pieces, 0 if self.exact else n_key_pieces, device=device
        )
        blocks = (*rows[:3], triton.cdiv(n_tokens, NEAR_ROWS))
        self.near = empty(*blocks, 2, LOCAL_WIDTHS[-1] + 1)
        self.over_half = empty(*blocks, dtype=torch.int32)
        self.diagonals = empty(*rows, len(plan.offsets))
        self.window_received = empty(*rows)

    def map(self) -> Tensor:
        """[layer, batch, cell, cell] means over blocks of queries and keys."""
        if self.exact:
            return self.means
        sizes = (self.n_cells, self.pieces.rows.per_cell, self.n_cells, self.pieces.keys.per_cell)
        sums, share = self.map_sums.view(*self.shape[:2], *sizes).sum((3, 5)), self.pieces.share
        return sums.mul_(share[:, None]).mul_(share)

    def bands(self) -> list[range]:
        """Queries whose head means there is room for, one range after the other."""
        n_tokens, at_once = self.shape[3], self.means.shape[2]
        return [
            range(start, min(start + at_once, n_tokens)) for start in range(0, n_tokens, at_once)
        ]
