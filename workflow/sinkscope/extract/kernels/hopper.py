"""The statistics kernel for GPUs of compute capability 9.0, in Triton's language of warps, Gluon.

It gives what `tiles.statistics_kernel` gives, of causal calls without mask, bias and norms. There,
all warps of a program load, multiply and reduce a head together, and wait for one another at each
step; here, one warp loads and three groups of four multiply and reduce, each its own keys of the
tile, and wait for the loads alone: while one group's product is made, another takes exponents.
Programs stay and take tile after tile, so that loads never pause.
"""

from __future__ import annotations

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from sinkscope.extract.kernels.tiles import FIXED as STEPS

FIXED = gl.constexpr(STEPS.value)

GROUPS_OF_WARPS = gl.constexpr(3)
OWN = gl.constexpr(64)  # keys of a group: what the hardware multiplies at a time
BM = gl.constexpr(128)  # queries of a tile
# Registers of a thread that reduces, and of one that loads: 65,536 for all.
REGISTERS = gl.constexpr(160)
FEW = gl.constexpr(24)


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
def load_tiles(
    queries, keys, sums, weights, q_room, k_room, s_room, w_room, full, empty,
    QS, KS, TILES, q_base, k_base, q_step, k_step, s_qb, s_kb, n_work, n_tiles, n_heads, n_batch,
    GROUP: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Queries, keys and numbers of rows of each head of each tile of this program."""
    n_bytes: gl.constexpr = (
        queries.block_type.nbytes + GROUPS_OF_WARPS * keys.block_type.nbytes
        + sums.block_type.nbytes + weights.block_type.nbytes
    )  # fmt: skip
    n_done = 0
    for work in range(gl.program_id(0), n_work, gl.num_programs(0)):
        lb, tile = work // n_tiles, work % n_tiles
        query, key = gl.load(TILES + 2 * tile), gl.load(TILES + 2 * tile + 1)
        layer, b = lb // n_batch, lb % n_batch
        q_at = gl.load(QS + layer) - q_base + b.to(gl.int64) * s_qb
        k_at = gl.load(KS + layer) - k_base + b.to(gl.int64) * s_kb
        q_at, k_at = (q_at // q_step).to(gl.int32), (k_at // k_step).to(gl.int32)
        for h in range(n_heads):
            stage = n_done % STAGES
            mbarrier.wait(empty.index(stage), ((n_done // STAGES) & 1) ^ 1)
            bar = full.index(stage)
            mbarrier.expect(bar, n_bytes)
            for part in gl.static_range(GROUPS_OF_WARPS):
                tma.async_copy_global_to_shared(
                    keys, [k_at, h // GROUP, key + part * OWN, 0], bar,
                    k_room.index(GROUPS_OF_WARPS * stage + part),
                )  # fmt: skip
            tma.async_copy_global_to_shared(queries, [q_at, h, query, 0], bar, q_room.index(stage))
            tma.async_copy_global_to_shared(
                sums, [lb * n_heads + h, query], bar, s_room.index(stage)
            )
            tma.async_copy_global_to_shared(weights, [b, query], bar, w_room.index(stage))
            n_done += 1


@gluon.jit
def of_thread(x):
    """[key, 4] sums over the queries that one thread holds, of x [key, query]."""
    four = gl.reshape(x, [x.shape[0], x.shape[1] // 8, 4, 2])
    return gl.sum(gl.sum(four, 3), 1)


@gluon.jit
def reduce_heads(
    mean, q_room, k_room, s_room, w_room, full, empty, RECEIVED, ENTROPY, row, first_query,
    first_key, n_done, n_tokens, n_heads, scale, PART: gl.constexpr, DP: gl.constexpr,
    STAGES: gl.constexpr, CHECKED: gl.constexpr,
):  # fmt: skip
    """The attention of all heads added to mean [key, query]; sums over queries are sent off."""
    entries: gl.constexpr = mean.type.layout
    of_queries: gl.constexpr = gl.SliceLayout(0, entries)
    for _head in range(n_heads):
        stage = n_done % STAGES
        mbarrier.wait(full.index(stage), (n_done // STAGES) & 1)
        k = k_room.index(GROUPS_OF_WARPS * stage + PART).reshape([OWN, DP])
        q = q_room.index(stage).reshape([BM, DP]).permute([1, 0])
        nothing = gl.zeros([OWN, BM], gl.float32, entries)
        product = warpgroup_mma(k, q, nothing, use_acc=False, is_async=True)
        x = warpgroup_mma_wait(0, deps=[product]) * scale
        x -= gl.expand_dims(s_room.index(stage).reshape([BM]).load(of_queries), 0)
        if CHECKED:
            key = gl.expand_dims(first_key + gl.arange(0, OWN, gl.SliceLayout(1, entries)), 1)
            query = gl.expand_dims(first_query + gl.arange(0, BM, of_queries), 0)
            x = gl.where((key <= query) & (key < n_tokens), x, -1.0e30)
        p = gl.exp2(x)
        mean += p
        received = gl.sum(of_thread(p), 1)
        # Two keys of a thread share the weights of queries: they are added up before.
        pairs = gl.sum(gl.reshape(p * x, [OWN // 16, 2, 8, BM]), 1)
        of_pairs: gl.constexpr = gl.SliceLayout(0, gl.SliceLayout(1, pairs.type.layout))
        weight = w_room.index(stage).reshape([BM]).load(of_queries)
        mbarrier.arrive(empty.index(stage), count=1)
        n_done += 1
        weight = gl.expand_dims(gl.expand_dims(gl.convert_layout(weight, of_pairs), 0), 1)
        entropy = gl.sum(of_thread(gl.reshape(pairs * weight, [OWN // 2, BM])), 1)
        at = row + first_key
        key = gl.arange(0, OWN, received.type.layout)
        add_fixed(RECEIVED + at + key, received, first_key + key < n_tokens)
        pair = gl.arange(0, OWN // 2, entropy.type.layout)  # kept where keys have their place
        add_fixed(ENTROPY + at + pair, entropy, first_key + pair < n_tokens)
        row += n_tokens
    return mean


@gluon.jit
def reduce_tiles(
    q_room, k_room, s_room, w_room, full, empty, TILES, RECEIVED, ENTROPY, MEANS,
    n_work, n_tiles, n_tokens, n_heads, start, n_rows, scale, share,
    PART: gl.constexpr, DP: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """The part of a group of warps in all tiles of this program."""
    entries: gl.constexpr = gl.NVMMADistributedLayout(
        version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, BM, 16]
    )
    n_done = 0
    next_tile = gl.program_id(0) % n_tiles
    next_query, next_key = gl.load(TILES + 2 * next_tile), gl.load(TILES + 2 * next_tile + 1)
    for work in range(gl.program_id(0), n_work, gl.num_programs(0)):
        lb = (work // n_tiles).to(gl.int64)
        first_query, first_key = uniform(next_query), uniform(next_key) + PART * OWN
        next_tile = (work + gl.num_programs(0)) % n_tiles  # asked for long before it is needed
        next_query, next_key = gl.load(TILES + 2 * next_tile), gl.load(TILES + 2 * next_tile + 1)
        mean = gl.zeros([OWN, BM], gl.float32, entries)
        row = lb * n_heads * n_tokens
        if first_key + OWN > n_tokens or first_key + OWN - 1 > first_query:
            mean = reduce_heads(
                mean, q_room, k_room, s_room, w_room, full, empty, RECEIVED, ENTROPY, row,
                first_query, first_key, n_done, n_tokens, n_heads, scale,
                PART, DP, STAGES, True,
            )  # fmt: skip
        else:
            mean = reduce_heads(
                mean, q_room, k_room, s_room, w_room, full, empty, RECEIVED, ENTROPY, row,
                first_query, first_key, n_done, n_tokens, n_heads, scale,
                PART, DP, STAGES, False,
            )  # fmt: skip
        n_done += n_heads
        key = gl.expand_dims(first_key + gl.arange(0, OWN, gl.SliceLayout(1, entries)), 1)
        query = gl.expand_dims(first_query + gl.arange(0, BM, gl.SliceLayout(0, entries)), 0)
        at = MEANS + (lb * n_rows + query - start) * n_tokens + key
        gl.store(at, mean * share, mask=(key < n_tokens) & (query < n_tokens))


# Else documents of every other length would have the kernel compiled anew.
@gluon.jit(
    do_not_specialize=[
        "q_base", "k_base", "q_step", "k_step", "s_qb", "s_kb", "n_work", "n_tiles", "n_tokens",
        "n_heads", "n_batch", "start", "n_rows",
    ]
)  # fmt: skip
def hopper_kernel(
    queries, keys, sums, weights, QS, KS, TILES, RECEIVED, ENTROPY, MEANS, q_base, k_base,
    q_step, k_step, s_qb, s_kb, n_work, n_tiles, n_tokens, n_heads, n_batch, start, n_rows,
    scale, share, GROUP: gl.constexpr, DP: gl.constexpr, STAGES: gl.constexpr,
):  # fmt: skip
    """Tiles of BM queries x the keys of three groups, one after the other.

    queries, keys: descriptors of [place, head, token, d], where places lie a step of bytes apart
    and the first at a base, so that one descriptor serves all layers; QS, KS [layer]: where each
    begins; s_qb, s_kb: bytes from document to document.
    sums: [layer * batch * head, n_padded], what every row's logits are lowered by, in units of
    log 2; weights: [batch, n_padded], of each row's entropy. scale: in units of log 2; share: one
    over the number of heads. ENTROPY: two keys share the place of one. MEANS [.., n_rows, key]:
    of the queries from `start` on.
    """
    q_room = gl.allocate_shared_memory(queries.dtype, [STAGES, 1, 1, BM, DP], queries.layout)
    k_room = gl.allocate_shared_memory(
        queries.dtype, [GROUPS_OF_WARPS * STAGES, 1, 1, OWN, DP], keys.layout
    )
    s_room = gl.allocate_shared_memory(gl.float32, [STAGES, 1, BM], sums.layout)
    w_room = gl.allocate_shared_memory(gl.float32, [STAGES, 1, BM], weights.layout)
    full = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    empty = gl.allocate_shared_memory(gl.int64, [STAGES, 1], mbarrier.MBarrierLayout())
    for stage in gl.static_range(STAGES):
        mbarrier.init(full.index(stage), count=1)
        mbarrier.init(empty.index(stage), count=GROUPS_OF_WARPS)
    gl.warp_specialize(
        [
            (
                reduce_tiles,
                (
                    q_room, k_room, s_room, w_room, full, empty, TILES, RECEIVED, ENTROPY, MEANS,
                    n_work, n_tiles, n_tokens, n_heads, start, n_rows, scale, share,
                    0, DP, STAGES,
                ),
            ),
            (
                reduce_tiles,
                (
                    q_room, k_room, s_room, w_room, full, empty, TILES, RECEIVED, ENTROPY, MEANS,
                    n_work, n_tiles, n_tokens, n_heads, start, n_rows, scale, share,
                    1, DP, STAGES,
                ),
            ),
            (
                reduce_tiles,
                (
                    q_room, k_room, s_room, w_room, full, empty, TILES, RECEIVED, ENTROPY, MEANS,
                    n_work, n_tiles, n_tokens, n_heads, start, n_rows, scale, share,
                    2, DP, STAGES,
                ),
            ),
            (
                load_tiles,
                (
                    queries, keys, sums, weights, q_room, k_room, s_room, w_room, full, empty,
                    QS, KS, TILES, q_base, k_base, q_step, k_step, s_qb, s_kb,
                    n_work, n_tiles, n_heads, n_batch, GROUP, STAGES,
                ),
            ),
        ],
        [4, 4, 1],
        [REGISTERS, REGISTERS, FEW],
    )  # fmt: skip
