"""Output buffers of the kernels for layers of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.inputs import ROWS, Inputs
from sinkscope.extract.kernels.mean_tiles import mean_tiles
from sinkscope.extract.kernels.packs import Edges, HeadMeans, KeySums, Normalizers, QueryMaxima
from sinkscope.extract.masks import Call
from sinkscope.extract.plan import Plan
from sinkscope.keys import LOCAL_WIDTHS

NEAR_ROWS = 16  # queries per program of the neighbours kernel: one warp, which waits for no other
MEANS_BYTES = 384 << 20  # of head means that are kept at a time


class Buffers:
    """shape: (layer, batch, head, token). Buffers come in packs: normalizers, key_sums, maxima,
    edges. strict: int64 [layer, batch, key_set]. means: float32 [layer, batch, query, key], head
    means of as many queries as MEANS_BYTES allows. tile_sums: float32 [layer, batch, row segment,
    key segment], empty where the map is exact. memory_fraction: of MEANS_BYTES."""

    def __init__(
        self,
        calls: Sequence[Call],
        plan: Plan,
        inputs: Inputs,
        *,
        with_norms: bool,
        memory_fraction: float = 1.0,
    ) -> None:
        device = calls[0].query.device
        batch, n_heads, n_tokens, _ = calls[0].query.shape
        self.shape = per_key = (len(calls), batch, n_heads, n_tokens)
        self.exact, self.n_cells = plan.exact(n_tokens), plan.n_cells(n_tokens)
        self.tiles = mean_tiles(
            n_tokens, self.n_cells, device, exact=self.exact, is_causal=calls[0].is_causal
        )
        layers, per_query = (len(calls), batch), (len(calls), batch, n_tokens)
        shapes = [*[per_key] * 2, *[per_query] * 3, (*layers, inputs.key_sets.n_sets)]
        shapes += [per_key] * with_norms
        received, entropy, largest, second, broken, self.strict, *norms = zeros(shapes, device)
        self.key_sums = KeySums(received, entropy, norms[0] if norms else received)
        self.maxima = QueryMaxima(largest, second, broken)

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.empty(shape, dtype=dtype, device=device)

        log_sums = empty(*per_key[:3], inputs.n_padded)
        self.normalizers = Normalizers(
            log_sums, empty(*per_key[:3], inputs.n_padded) if with_norms else log_sums
        )
        # A causal map is written below its diagonal only.
        if self.exact:
            self.means = torch.zeros(*layers, n_tokens, n_tokens, device=device)
        else:
            n_bytes = int(memory_fraction * MEANS_BYTES)
            n_rows = n_bytes // (4 * len(calls) * batch * n_tokens) // ROWS * ROWS
            self.means = empty(*layers, min(max(n_rows, ROWS), n_tokens), n_tokens)
        segments = self.tiles.segments
        self.tile_sums = torch.zeros(
            *layers, segments.n_rows, 0 if self.exact else segments.n_keys, device=device
        )
        blocks = (*per_key[:3], triton.cdiv(n_tokens, NEAR_ROWS))
        self.edges = Edges(
            near=empty(*blocks, 2, LOCAL_WIDTHS[-1] + 1),
            over_half=empty(*blocks, dtype=torch.int32),
            diagonals=empty(*per_key, len(plan.offsets)),
            window_received=empty(*per_key),
        )

    def map(self) -> Tensor:
        """[layer, batch, cell, cell] means over blocks of queries and keys."""
        if self.exact:
            return self.means
        tiles = self.tiles
        sizes = (self.n_cells, tiles.rows.per_cell, self.n_cells, tiles.keys.per_cell)
        sums = self.tile_sums.view(*self.shape[:2], *sizes).sum((3, 5))
        return sums.mul_(tiles.cell_weights[:, None]).mul_(tiles.cell_weights)

    def ranges(self) -> list[range]:
        """Ranges of queries whose head means fit the buffer together."""
        n_tokens, at_once = self.shape[3], self.means.shape[2]
        return [
            range(start, min(start + at_once, n_tokens)) for start in range(0, n_tokens, at_once)
        ]

    def head_means(self, queries: range) -> HeadMeans:
        """The buffer of head means, holding those of one of the ranges."""
        return HeadMeans(self.means, queries.start, self.means.shape[2])


def zeros(shapes: Sequence[tuple[int, ...]], device: torch.device) -> list[Tensor]:
    """int64 tensors of these shapes, filled by one command."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = torch.zeros(sum(sizes), dtype=torch.int64, device=device).split(sizes)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
