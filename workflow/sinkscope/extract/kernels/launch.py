"""Run the statistics kernels over layers of one shape.

Arguments are passed by keyword, and most are packs: names are the contract with a kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.arguments import addresses, constants_of, logits_of, matrix
from sinkscope.extract.kernels.buffers import NEAR_ROWS, Buffers
from sinkscope.extract.kernels.collect import masses_kernel, prepare_kernel, summary_kernel
from sinkscope.extract.kernels.edges import diagonals_kernel, neighbours_kernel, window_kernel
from sinkscope.extract.kernels.hopper_launch import launch_hopper, takes
from sinkscope.extract.kernels.inputs import ROWS, Inputs
from sinkscope.extract.kernels.mean_tiles import SIZE, SPAN
from sinkscope.extract.kernels.means import means_kernel
from sinkscope.extract.kernels.packs import Flags, MeansConstants, Sizes, Summary
from sinkscope.extract.kernels.sinks_launch import find_sinks
from sinkscope.extract.kernels.tiles import FIXED, statistics_kernel, tiles_of, tiling_of
from sinkscope.extract.masks import Call
from sinkscope.extract.plan import LayerStatistics, Plan
from sinkscope.keys import LOCAL_WIDTHS

KEYS = 1024  # keys that the masses kernel reads at a time


def launch(
    calls: Sequence[Call],
    lses: Sequence[Tensor],
    plan: Plan,
    inputs: Inputs,
    norms: Sequence[tuple[Tensor, Tensor]] = (),
    cosines: Sequence[Tensor | None] = (),
    memory_fraction: float = 1.0,
) -> LayerStatistics:
    """All statistics of the calls, as [layer, batch, ...]; the calls differ in their values only.

    lses: per call, float32 [batch, head, token], the log-sum-exp of each row. norms: empty, or per
    call those of the values [batch, kv, token] and their mean under the attention, shaped as lses.
    cosines: empty, or per call float32 [batch, token], of each state to that of key 0, None if the
    states are unknown. memory_fraction: of the memory that head means usually take. Maps of single
    heads stay empty.
    """
    buffers, shared, cosine_addresses = reduce_tiles(
        calls, lses, plan, inputs, norms, cosines, memory_fraction
    )
    # In float64: the sum over heads would leave the range of the integers.
    of_all_heads = buffers.key_sums.received.sum(2, dtype=torch.float64)
    of_sinks: dict[str, Tensor] = {}
    if plan.rule is not None:
        of_sinks = find_sinks(plan.rule, shared, inputs, buffers, of_all_heads, cosine_addresses)
    launch_edges(shared, inputs, buffers, sink_flags(inputs, of_sinks.get("is_sink")))
    statistics = replace(collect(buffers, shared["sizes"], inputs, of_all_heads), **of_sinks)
    if not norms:
        return statistics
    value_norms = torch.stack([one for one, _ in norms])
    return replace(statistics, norm_mass=norm_mass(buffers, inputs, value_norms))


def reduce_tiles(
    calls: Sequence[Call],
    lses: Sequence[Tensor],
    plan: Plan,
    inputs: Inputs,
    norms: Sequence[tuple[Tensor, Tensor]] = (),
    cosines: Sequence[Tensor | None] = (),
    memory_fraction: float = 1.0,
) -> tuple[Buffers, dict[str, Any], Tensor]:
    """Compute every tile of the calls, arguments as of `launch`: the buffers; the arguments that
    all kernels over single heads share; int64 [layer], addresses of the cosines."""
    buffers = Buffers(
        calls, plan, inputs, with_norms=len(norms) > 0, memory_fraction=memory_fraction
    )
    n_layers, batch, n_heads, n_tokens = buffers.shape
    means = [mean for _, mean in norms] or lses
    device = buffers.means.device
    query_addresses, key_addresses, lse_addresses, mean_addresses, cosine_addresses = addresses(
        device, [call.query for call in calls], [call.key for call in calls], lses, means,
        cosines or [None] * n_layers,
    )  # fmt: skip
    sizes = Sizes(n_tokens, n_heads, batch, inputs.n_padded)
    shared = {
        "queries": matrix(calls[0].query, query_addresses),
        "keys": matrix(calls[0].key, key_addresses),
        "logits": logits_of(calls[0]),
        "sizes": sizes,
        "constants": constants_of(calls[0]),
    }
    prepare_kernel[(inputs.n_padded // ROWS, n_heads, n_layers * batch)](
        lses=lse_addresses, norm_means=mean_addresses, real=inputs.real,
        normalizers=buffers.normalizers, broken=buffers.maxima.broken, sizes=sizes,
        has_norms=len(norms) > 0, n_queries=ROWS, num_warps=2,
    )  # fmt: skip
    if device.type == "cuda":  # Triton keeps this function, and all that it refers to
        triton.set_allocator(lambda size, *_: torch.empty(size, dtype=torch.int8, device=device))
    on_hopper = takes(calls, with_norms=len(norms) > 0)
    for queries in buffers.ranges():
        if on_hopper:
            launch_hopper(calls, query_addresses, key_addresses, inputs, buffers, queries)
        else:
            launch_tiles(calls[0], shared, inputs, buffers, queries, has_norms=len(norms) > 0)
        launch_means(calls[0], sizes, inputs, buffers, queries)
    return buffers, shared, cosine_addresses


def norm_mass(buffers: Buffers, inputs: Inputs, norms: Tensor) -> Tensor:
    """[layer, batch, key_set] mass of attention weighted by norms [layer, batch, kv, key]."""
    _, batch, n_heads, n_tokens = buffers.shape
    sets = inputs.key_sets
    weight = norms.repeat_interleave(n_heads // norms.shape[2], 2).double()
    received = buffers.key_sums.norm_received.double() * (weight / (FIXED.value * n_heads))
    bits = torch.arange(32, device=weight.device)[:, None]
    members = (sets.members.view(batch, -1, 1, inputs.n_padded) >> bits & 1).flatten(1, 2)
    members = members[:, : sets.n_sets, :n_tokens].double()
    mass = torch.einsum("lbk,bsk->lbs", received.sum(2), members)
    return (mass / inputs.counts.n_real[:, None]).float()


def launch_tiles(
    call: Call, shared: dict[str, Any], inputs: Inputs, buffers: Buffers, queries: range,
    *, has_norms: bool,
) -> None:  # fmt: skip
    """Write the head means of some queries, and add to the key sums."""
    n_layers, batch, _, n_tokens = buffers.shape
    device = buffers.means.device
    tiling = tiling_of(shared["constants"].d_padded, n_tokens, call.query.dtype, device)
    lists = tiles_of(
        n_tokens, queries, tiling, device,
        is_causal=call.is_causal, all_checked=call.mask is not None,
    )  # fmt: skip
    head_means = buffers.head_means(queries)
    for tiles, checked in zip(lists, (False, True), strict=True):
        if len(tiles) == 0:
            continue
        statistics_kernel[(len(tiles), n_layers * batch)](
            normalizers=buffers.normalizers, entropy_weight=inputs.entropy_weight, tiles=tiles,
            key_sums=buffers.key_sums, head_means=head_means,
            tiling=tiling, has_norms=has_norms, checked=checked,
            num_warps=tiling.warps, maxnreg=tiling.registers, **shared,
        )  # fmt: skip


def launch_means(
    call: Call, sizes: Sizes, inputs: Inputs, buffers: Buffers, queries: range
) -> None:
    """Reduce the head means of some queries."""
    n_layers, batch, _, _ = buffers.shape
    tiles, row_segments = buffers.tiles, buffers.tiles.row_segments(queries)
    at_once = SIZE // (tiles.rows.size * tiles.keys.size)
    n_spans = triton.cdiv(tiles.keys.n, SPAN * at_once)
    constants = MeansConstants(
        is_causal=call.is_causal,
        has_map=not buffers.exact,
        n_queries=tiles.rows.size,
        n_keys=tiles.keys.size,
        at_once=at_once,
        span=SPAN * at_once,
        n_sets=triton.next_power_of_2(max(inputs.key_sets.n_sets, 1)),
    )
    means_kernel[(len(row_segments), n_spans, n_layers * batch)](
        head_means=buffers.head_means(queries), sets=inputs.key_sets, segments=tiles.segments,
        maxima=buffers.maxima, strict=buffers.strict, tile_sums=buffers.tile_sums, sizes=sizes,
        first_segment=row_segments.start, constants=constants, num_warps=1, maxnreg=128,
    )  # fmt: skip


def sink_flags(inputs: Inputs, is_sink: Tensor | None) -> Flags:
    """The keys that the local mass leaves out: the plan's, or is_sink [layer, batch, key]."""
    if inputs.sinks is not None:
        return Flags(inputs.sinks, 0, inputs.n_padded)
    assert is_sink is not None, "a plan has sinks or a rule"
    return Flags(is_sink.view(torch.uint8), *is_sink.stride()[:2])


def launch_edges(shared: dict[str, Any], inputs: Inputs, buffers: Buffers, sinks: Flags) -> None:
    """Write the statistics of single heads that need few scores."""
    n_layers, batch, n_heads, n_tokens = buffers.shape
    constants, edges, log_sums = shared["constants"], buffers.edges, buffers.normalizers.log_sums
    neighbours_kernel[(edges.near.shape[3], n_heads, n_layers * batch)](
        log_sums=log_sums, counted=inputs.counted, sinks=sinks, first=inputs.first,
        edges=edges, n_queries=NEAR_ROWS, num_warps=1, **shared,
    )  # fmt: skip
    if inputs.offsets is not None:
        diagonals_kernel[(triton.cdiv(n_tokens, 32), n_heads, n_layers * batch)](
            log_sums=log_sums, offsets=inputs.offsets, n_offsets=len(inputs.offsets),
            edges=edges, n_queries=32, num_warps=4, **shared,
        )  # fmt: skip
    is_wide = constants.precision == "ieee" or constants.d_padded > 128
    block = 32 if is_wide else 64
    window_kernel[(triton.cdiv(n_tokens, block), n_heads, n_layers * batch)](
        log_sums=log_sums, first=inputs.first, window=inputs.window, edges=edges,
        n_queries=block, n_keys=block, num_warps=4, **shared,
    )  # fmt: skip


def collect(
    buffers: Buffers, sizes: Sizes, inputs: Inputs, of_all_heads: Tensor
) -> LayerStatistics:
    """The statistics, in new tensors. of_all_heads: float64 [layer, batch, key], over heads."""
    n_layers, batch, n_heads, n_tokens = buffers.shape
    key_sums, n_sets = buffers.key_sums, inputs.key_sets.n_sets

    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty((n_layers, batch, *shape), dtype=dtype, device=buffers.means.device)

    summary = Summary(
        sink_score=empty(n_heads, n_tokens),
        window_score=empty(n_heads, n_tokens),
        row_sum=empty(n_heads),
        entropy=empty(n_heads),
        over_half=empty(n_heads),
        local=empty(n_heads, len(LOCAL_WIDTHS)),
        local_no_sinks=empty(n_heads, len(LOCAL_WIDTHS)),
        max_key=empty(n_tokens, dtype=torch.int64),
        max_value=empty(n_tokens),
        second_value=empty(n_tokens),
    )
    summary_kernel[(n_heads, n_layers * batch)](
        key_sums=key_sums, maxima=buffers.maxima, edges=buffers.edges, counts=inputs.counts,
        summary=summary, sizes=sizes, n_blocks=buffers.edges.near.shape[3],
        n_keys=min(max(triton.next_power_of_2(n_tokens), 512), 4096), blocks_at_once=256,
        num_warps=8,
    )  # fmt: skip
    mass, strict_mass = empty(n_sets), empty(n_sets)
    if n_sets:
        masses_kernel[(n_sets, n_layers * batch)](
            received=of_all_heads, strict=buffers.strict, sets=inputs.key_sets,
            n_real=inputs.counts.n_real, n_strict=inputs.n_strict,
            mass=mass, strict_mass=strict_mass, sizes=sizes, n_keys=KEYS, num_warps=4,
        )  # fmt: skip
    head_mean_map = buffers.map()
    return LayerStatistics(
        **summary._asdict(),
        mass=mass,
        strict_mass=strict_mass,
        diagonals=buffers.edges.diagonals,
        map=head_mean_map,
        head_maps=empty(0, *head_mean_map.shape[2:]),
    )
