"""The statistics kernel for GPUs of compute capability 9.0, in Gluon, Triton's language of warps.

It computes what `tiles.statistics_kernel` computes, for causal calls without mask, bias and norms.
One warp loads, without pause; three groups of four warps multiply and reduce, each its own keys of
the tile, and wait for loads only, not for one another."""

from __future__ import annotations

from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)

from sinkscope.extract.kernels.hopper_packs import Outputs, Sources, Stages, Table, Work
from sinkscope.extract.kernels.tiles import FIXED as STEPS

FIXED = gl.constexpr(STEPS.value)

GROUPS = gl.constexpr(3)  # of four warps that reduce
GROUP_KEYS = gl.constexpr(64)  # keys of a group: what the hardware multiplies at a time
QUERIES = gl.constexpr(128)  # queries of a tile
# Registers per thread that reduces, and per thread that loads: 65,536 for all.
REGISTERS = gl.constexpr(160)
LOADER_REGISTERS = gl.constexpr(24)


@gluon.jit
def uniform(x):
    """The value of x in the first lane of a warp. All lanes hold the same value, and this tells the
    compiler: branches on x are not divergent, and results stay in uniform registers."""
    return gl.inline_asm_elementwise(
        "shfl.sync.idx.b32 $0, $1, 0, 0x1f, 0xffffffff;", "=r,r", [x],
        dtype=gl.int32, is_pure=False, pack=1,
    )  # fmt: skip


@gluon.jit
def add_fixed(at, values, inside):
    """Add float values to int64 sums in steps of 1 / FIXED."""
    gl.atomic_add(at, (values * FIXED).to(gl.int64), mask=inside, sem="relaxed")


@gluon.jit
def slot_of(table, layer, document):
    """int32 slot of the address table at which a document of a layer begins."""
    distance = gl.load(table.starts + layer) - table.base
    distance += document.to(gl.int64) * table.batch_bytes
    return (distance // table.step).to(gl.int32)


@gluon.jit
def load_tiles(sources, stages, queries, keys, work, constants: gl.constexpr):
    """Load queries, keys and numbers of rows, for each head of each tile of this program."""
    n_bytes: gl.constexpr = (
        sources.queries.block_type.nbytes + GROUPS * sources.keys.block_type.nbytes
        + sources.log_sums.block_type.nbytes + sources.weights.block_type.nbytes
    )  # fmt: skip
    n_done = 0
    for item in range(gl.program_id(0), work.n_items, gl.num_programs(0)):
        lb, tile = item // work.n_tiles, item % work.n_tiles
        query, key = gl.load(work.tiles + 2 * tile), gl.load(work.tiles + 2 * tile + 1)
        layer, b = lb // work.n_batch, lb % work.n_batch
        q_slot, k_slot = slot_of(queries, layer, b), slot_of(keys, layer, b)
        for h in range(work.n_heads):
            stage = n_done % constants.stages
            mbarrier.wait(stages.empty.index(stage), ((n_done // constants.stages) & 1) ^ 1)
            full = stages.full.index(stage)
            mbarrier.expect(full, n_bytes)
            for part in gl.static_range(GROUPS):
                tma.async_copy_global_to_shared(
                    sources.keys, [k_slot, h // constants.group, key + part * GROUP_KEYS, 0], full,
                    stages.keys.index(GROUPS * stage + part),
                )  # fmt: skip
            tma.async_copy_global_to_shared(
                sources.queries, [q_slot, h, query, 0], full, stages.queries.index(stage)
            )
            tma.async_copy_global_to_shared(
                sources.log_sums, [lb * work.n_heads + h, query], full, stages.log_sums.index(stage)
            )
            tma.async_copy_global_to_shared(
                sources.weights, [b, query], full, stages.weights.index(stage)
            )
            n_done += 1


@gluon.jit
def sum_thread(x):
    """[key, 4] sums over the queries that one thread holds, of x [key, query]."""
    four = gl.reshape(x, [x.shape[0], x.shape[1] // 8, 4, 2])
    return gl.sum(gl.sum(four, 3), 1)


@gluon.jit
def reduce_heads(
    mean, stages, work, outputs, row, first_query, first_key, n_done, scale,
    part: gl.constexpr, constants: gl.constexpr, checked: gl.constexpr,
):  # fmt: skip
    """mean [key, query] plus the attention of all heads; adds sums over queries to the outputs."""
    entries: gl.constexpr = mean.type.layout
    of_queries: gl.constexpr = gl.SliceLayout(0, entries)
    n_tokens = work.n_tokens
    for _head in range(work.n_heads):
        stage = n_done % constants.stages
        mbarrier.wait(stages.full.index(stage), (n_done // constants.stages) & 1)
        k = stages.keys.index(GROUPS * stage + part).reshape([GROUP_KEYS, constants.d_padded])
        q = stages.queries.index(stage).reshape([QUERIES, constants.d_padded]).permute([1, 0])
        nothing = gl.zeros([GROUP_KEYS, QUERIES], gl.float32, entries)
        product = warpgroup_mma(k, q, nothing, use_acc=False, is_async=True)
        x = warpgroup_mma_wait(0, deps=[product]) * scale
        log_sum = stages.log_sums.index(stage).reshape([QUERIES]).load(of_queries)
        x -= gl.expand_dims(log_sum, 0)
        if checked:
            of_keys: gl.constexpr = gl.SliceLayout(1, entries)
            key = gl.expand_dims(first_key + gl.arange(0, GROUP_KEYS, of_keys), 1)
            query = gl.expand_dims(first_query + gl.arange(0, QUERIES, of_queries), 0)
            x = gl.where((key <= query) & (key < n_tokens), x, -1.0e30)
        p = gl.exp2(x)
        mean += p
        received = gl.sum(sum_thread(p), 1)
        # Two keys of a thread share the weights of queries: they are added up first.
        pairs = gl.sum(gl.reshape(p * x, [GROUP_KEYS // 16, 2, 8, QUERIES]), 1)
        of_pairs: gl.constexpr = gl.SliceLayout(0, gl.SliceLayout(1, pairs.type.layout))
        weight = stages.weights.index(stage).reshape([QUERIES]).load(of_queries)
        mbarrier.arrive(stages.empty.index(stage), count=1)
        n_done += 1
        weight = gl.expand_dims(gl.expand_dims(gl.convert_layout(weight, of_pairs), 0), 1)
        entropy = gl.sum(sum_thread(gl.reshape(pairs * weight, [GROUP_KEYS // 2, QUERIES])), 1)
        at = row + first_key
        key = gl.arange(0, GROUP_KEYS, received.type.layout)
        add_fixed(outputs.received + at + key, received, first_key + key < n_tokens)
        # The sum of two keys is kept at the index of one: only the sum over keys is read.
        pair = gl.arange(0, GROUP_KEYS // 2, entropy.type.layout)
        add_fixed(outputs.entropy + at + pair, entropy, first_key + pair < n_tokens)
        row += n_tokens
    return mean


@gluon.jit
def reduce_tiles(stages, work, outputs, scale, part: gl.constexpr, constants: gl.constexpr):
    """The work of group `part` of the warps: its keys of all tiles of this program."""
    entries: gl.constexpr = gl.NVMMADistributedLayout(
        version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, QUERIES, 16]
    )
    n_tiles, n_tokens = work.n_tiles, work.n_tokens
    n_done = 0
    tile = gl.program_id(0) % n_tiles
    next_query, next_key = gl.load(work.tiles + 2 * tile), gl.load(work.tiles + 2 * tile + 1)
    for item in range(gl.program_id(0), work.n_items, gl.num_programs(0)):
        lb = (item // n_tiles).to(gl.int64)
        first_query, first_key = uniform(next_query), uniform(next_key) + part * GROUP_KEYS
        tile = (item + gl.num_programs(0)) % n_tiles  # loaded long before it is needed
        next_query, next_key = gl.load(work.tiles + 2 * tile), gl.load(work.tiles + 2 * tile + 1)
        mean = gl.zeros([GROUP_KEYS, QUERIES], gl.float32, entries)
        row = lb * work.n_heads * n_tokens
        if first_key + GROUP_KEYS > n_tokens or first_key + GROUP_KEYS - 1 > first_query:
            mean = reduce_heads(
                mean, stages, work, outputs, row, first_query, first_key, n_done, scale,
                part, constants, True,
            )  # fmt: skip
        else:
            mean = reduce_heads(
                mean, stages, work, outputs, row, first_query, first_key, n_done, scale,
                part, constants, False,
            )  # fmt: skip
        n_done += work.n_heads
        key = gl.expand_dims(first_key + gl.arange(0, GROUP_KEYS, gl.SliceLayout(1, entries)), 1)
        query = gl.expand_dims(first_query + gl.arange(0, QUERIES, gl.SliceLayout(0, entries)), 0)
        at = outputs.means + (lb * outputs.n_rows + query - outputs.start) * n_tokens + key
        gl.store(at, mean * outputs.mean_factor, mask=(key < n_tokens) & (query < n_tokens))


# Not packs: Triton recognizes tensor descriptors, and leaves integers unspecialized, only as
# arguments of their own. Specialized, documents of every other length would need a compilation.
@gluon.jit(
    do_not_specialize=[
        "query_base", "query_step", "query_batch_bytes", "key_base", "key_step", "key_batch_bytes",
        "n_items", "n_tiles", "n_tokens", "n_heads", "n_batch", "start", "n_rows",
    ]
)  # fmt: skip
def hopper_kernel(
    queries, keys, log_sums, weights,
    query_starts, query_base, query_step, query_batch_bytes,
    key_starts, key_base, key_step, key_batch_bytes,
    tiles, n_items, n_tiles, n_tokens, n_heads, n_batch,
    received, entropy, means, start, n_rows, mean_factor, scale,
    constants: gl.constexpr,
):  # fmt: skip
    """Tiles of QUERIES queries x GROUPS * GROUP_KEYS keys, one after the other.

    queries, keys: descriptors of [slot, head, token, d], where slots are those of an address table,
    so that one descriptor serves all layers. log_sums: descriptor of [layer * batch * head,
    n_padded]. weights: descriptor of [batch, n_padded], one over the log of the number of keys that
    a query sees. The other arguments: as in Table, Work and Outputs. scale: in units of log 2.
    """
    sources = Sources(queries, keys, log_sums, weights)
    dtype: gl.constexpr = queries.dtype
    n_stages: gl.constexpr = constants.stages
    d_padded: gl.constexpr = constants.d_padded
    stages = Stages(
        gl.allocate_shared_memory(dtype, [n_stages, 1, 1, QUERIES, d_padded], queries.layout),
        gl.allocate_shared_memory(
            dtype, [GROUPS * n_stages, 1, 1, GROUP_KEYS, d_padded], keys.layout
        ),
        gl.allocate_shared_memory(gl.float32, [n_stages, 1, QUERIES], log_sums.layout),
        gl.allocate_shared_memory(gl.float32, [n_stages, 1, QUERIES], weights.layout),
        gl.allocate_shared_memory(gl.int64, [n_stages, 1], mbarrier.MBarrierLayout()),
        gl.allocate_shared_memory(gl.int64, [n_stages, 1], mbarrier.MBarrierLayout()),
    )
    for stage in gl.static_range(n_stages):
        mbarrier.init(stages.full.index(stage), count=1)
        mbarrier.init(stages.empty.index(stage), count=GROUPS)
    query_table = Table(query_starts, query_base, query_step, query_batch_bytes)
    key_table = Table(key_starts, key_base, key_step, key_batch_bytes)
    work = Work(tiles, n_items, n_tiles, n_tokens, n_heads, n_batch)
    outputs = Outputs(received, entropy, means, start, n_rows, mean_factor)
    gl.warp_specialize(
        [
            (reduce_tiles, (stages, work, outputs, scale, 0, constants)),
            (reduce_tiles, (stages, work, outputs, scale, 1, constants)),
            (reduce_tiles, (stages, work, outputs, scale, 2, constants)),
            (load_tiles, (sources, stages, query_table, key_table, work, constants)),
        ],
        [4, 4, 1],
        [REGISTERS, REGISTERS, LOADER_REGISTERS],
    )
