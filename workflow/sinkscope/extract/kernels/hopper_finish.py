"""What becomes of a tile's head means: largest keys and the map; and small words of Gluon."""

from __future__ import annotations

from triton.experimental import gluon
from triton.experimental.gluon import language as gl

from sinkscope.extract.kernels.tiles import FIXED as STEPS
from sinkscope.extract.kernels.tiles import LAST_KEY as LAST

FIXED, LAST_KEY = gl.constexpr(STEPS.value), gl.constexpr(LAST.value)


@gluon.jit
def uniform(x):
    """x as the first lane of a warp has it. All have the same, which the compiler now knows:
    branches on it part no warp, and what they lead to keeps to the registers that warps share."""
    return gl.inline_asm_elementwise(
        "shfl.sync.idx.b32 $0, $1, 0, 0x1f, 0xffffffff;", "=r,r", [x],
        dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def add_fixed(at, values, inside):
    gl.atomic_add(at, (values * FIXED).to(gl.int64), mask=inside, sem="relaxed")


@gluon.jit
def halves(x):
    """[key, query / 2], twice: the first and the second half of the queries."""
    both = gl.reshape(x, [x.shape[0], 2, x.shape[1] // 2])
    return gl.split(gl.permute(both, [0, 2, 1]))


@gluon.jit
def finish_queries(
    mean, first_query, first_key, BEST, MAP, lb, n_tokens, n_cells,
    EXACT_MAP: gl.constexpr, CELL: gl.constexpr,
):  # fmt: skip
    """Largest keys and the part of the map of a few queries, mean [key, query]."""
    entries: gl.constexpr = mean.type.layout
    n_keys: gl.constexpr = mean.shape[0]
    n_queries: gl.constexpr = mean.shape[1]
    key = first_key + gl.arange(0, n_keys, gl.SliceLayout(1, entries))
    query = first_query + gl.arange(0, n_queries, gl.SliceLayout(0, entries))
    inside = key < n_tokens
    # Each warp, of 16 keys, says its own: none waits for another.
    of_warp = gl.reshape(mean, [n_keys // 16, 16, n_queries])
    value = gl.max(of_warp, 1)
    every_key = gl.expand_dims(key, 1) + gl.zeros([n_keys, n_queries], gl.int32, entries)
    every_key = gl.reshape(every_key, [n_keys // 16, 16, n_queries])
    place = gl.min(gl.where(of_warp == gl.expand_dims(value, 1), every_key, LAST_KEY), 1)
    packed = value.to(gl.int32, bitcast=True).to(gl.int64) << 32
    packed = packed | (LAST_KEY - place).to(gl.int64)
    by_warp: gl.constexpr = packed.type.layout
    seen = gl.expand_dims(first_query + gl.arange(0, n_queries, gl.SliceLayout(0, by_warp)), 0)
    seen = seen + gl.zeros([n_keys // 16, n_queries], gl.int32, by_warp)
    gl.atomic_max(BEST + lb * n_tokens + seen, packed, mask=seen < n_tokens, sem="relaxed")
    if EXACT_MAP:
        at = MAP + (lb * n_tokens + gl.expand_dims(query, 0)) * n_tokens + gl.expand_dims(key, 1)
        gl.store(at, mean, mask=gl.expand_dims(query < n_tokens, 0) & gl.expand_dims(inside, 1))
    else:
        rows_of = MAP + lb * n_cells * n_tokens
        if CELL > 0:
            n_whole: gl.constexpr = n_queries // CELL
            sums = gl.sum(gl.reshape(mean, [n_keys, n_whole, CELL]), 2)
            by_cell: gl.constexpr = sums.type.layout
            cell = first_query // CELL + gl.arange(0, n_whole, gl.SliceLayout(0, by_cell))
            keys = gl.expand_dims(first_key + gl.arange(0, n_keys, gl.SliceLayout(1, by_cell)), 1)
            cell = gl.expand_dims(cell, 0)
            at = rows_of + cell * n_tokens + keys
            gl.store(at, (sums * FIXED).to(gl.int64), mask=(cell < n_cells) & (keys < n_tokens))
        else:
            of_query = ((query + 1) * n_cells - 1) // n_tokens
            last_query = gl.minimum(first_query + n_queries, n_tokens)
            for cell in range(((first_query + 1) * n_cells - 1) // n_tokens,
                              (last_query * n_cells - 1) // n_tokens + 1):  # fmt: skip
                chosen = gl.expand_dims(gl.where(of_query == cell, 1.0, 0.0), 0)
                add_fixed(rows_of + cell * n_tokens + key, gl.sum(mean * chosen, 1), inside)
