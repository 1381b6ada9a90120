"""Run the kernel for GPUs of compute capability 9.0 over layers of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from sinkscope.extract.constants import constant, kept
from sinkscope.extract.kernels.arguments import padded_size
from sinkscope.extract.kernels.buffers import Buffers
from sinkscope.extract.kernels.hopper_packs import HopperConstants
from sinkscope.extract.kernels.inputs import Inputs
from sinkscope.extract.kernels.logits import LOG2E
from sinkscope.extract.masks import Call

SHORTEST = 2048  # tokens; below that, `tiles` is as fast
STAGES = {64: 4, 128: 2}  # heads in flight, by padded head size: the most that fit
MOST_SLOTS = 1 << 31  # of an address table, as a descriptor counts
LARGEST_STEP = 4096  # bytes between slots


@lru_cache(maxsize=8)
def runs_on(device: torch.device) -> bool:
    """Whether this device and this version of Triton support the kernel."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) != (9, 0):
        return False
    try:
        from sinkscope.extract.kernels import hopper  # noqa: F401
    except ImportError:  # an older Triton
        return False
    return True


def takes(calls: Sequence[Call], *, with_norms: bool) -> bool:
    """Whether the kernel can reduce these calls, which differ in their values only."""
    call = calls[0]
    return (
        call.is_causal
        and not with_norms
        and call.mask is None
        and call.key_bias is None
        and call.query.element_size() == 2
        and padded_size(call.query.shape[-1]) in STAGES
        and call.query.shape[2] >= SHORTEST
        and runs_on(call.query.device)
        and all(AddressTable(rows).n < MOST_SLOTS for rows in (queries_of(calls), keys_of(calls)))
    )


def queries_of(calls: Sequence[Call]) -> list[Tensor]:
    return [call.query for call in calls]


def keys_of(calls: Sequence[Call]) -> list[Tensor]:
    return [call.key for call in calls]


class AddressTable:
    """Addresses of rows [batch, head, token, d] of several layers, so that one tensor descriptor
    reaches all of them: every document of every layer begins at base + slot * step bytes, for a
    slot below n. The layer `first`, which has the lowest address, begins at slot 0."""

    def __init__(self, rows: Sequence[Tensor]) -> None:
        self.first = min(rows, key=lambda row: row.data_ptr())
        self.base = self.first.data_ptr()
        self.batch_bytes = self.first.stride(0) * self.first.element_size()
        distances = [row.data_ptr() - self.base for row in rows]
        self.step = math.gcd(LARGEST_STEP, self.batch_bytes, *distances)
        self.n = (max(distances) + self.batch_bytes * self.first.shape[0]) // self.step


def launch_hopper(
    calls: Sequence[Call], query_addresses: Tensor, key_addresses: Tensor, inputs: Inputs,
    buffers: Buffers, rows: range,
) -> None:  # fmt: skip
    """As `launch.launch_tiles`. query_addresses, key_addresses: int64 [layer]."""
    from triton.experimental.gluon import language as gl
    from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

    from sinkscope.extract.kernels import hopper

    call = calls[0]
    batch, n_heads, n_tokens, d = call.query.shape
    d_padded = padded_size(d)
    swizzled = gl.NVMMASharedLayout(128, 16, 4)
    plain = gl.NVMMASharedLayout(0, 32, 2)

    def of_rows(table: AddressTable, block: int) -> TensorDescriptor:
        first = table.first
        strides = [table.step // first.element_size(), *first.stride()[1:]]
        shape, box = [MOST_SLOTS - 1, *first.shape[1:]], [1, 1, block, d_padded]
        return TensorDescriptor(first, shape, strides, box, swizzled)

    def of_numbers(numbers: Tensor) -> TensorDescriptor:
        numbers = numbers.view(-1, inputs.n_padded)
        box = [1, hopper.QUERIES.value]
        return TensorDescriptor(numbers, list(numbers.shape), [inputs.n_padded, 1], box, plain)

    queries, keys = AddressTable(queries_of(calls)), AddressTable(keys_of(calls))
    tiles = hopper_tiles(n_tokens, rows, query_addresses.device)
    n_items = len(tiles) * len(calls) * batch
    processors = torch.cuda.get_device_properties(query_addresses.device).multi_processor_count
    head_means = buffers.head_means(rows)
    constants = HopperConstants(n_heads // call.key.shape[1], d_padded, STAGES[d_padded])
    hopper.hopper_kernel[(min(n_items, processors),)](
        queries=of_rows(queries, hopper.QUERIES.value),
        keys=of_rows(keys, hopper.GROUP_KEYS.value),
        log_sums=of_numbers(buffers.normalizers.log_sums),
        weights=of_numbers(inputs.entropy_weight),
        query_starts=query_addresses, query_base=queries.base, query_step=queries.step,
        query_batch_bytes=queries.batch_bytes,
        key_starts=key_addresses, key_base=keys.base, key_step=keys.step,
        key_batch_bytes=keys.batch_bytes,
        tiles=tiles, n_items=n_items, n_tiles=len(tiles), n_tokens=n_tokens, n_heads=n_heads,
        n_batch=batch, received=buffers.key_sums.received, entropy=buffers.key_sums.entropy,
        means=head_means.means, start=head_means.start, n_rows=head_means.n_rows,
        mean_factor=1 / n_heads, scale=call.scale * LOG2E.value,
        constants=constants, num_warps=4,
    )  # fmt: skip


@kept
def hopper_tiles(n_tokens: int, rows: range, device: torch.device) -> Tensor:
    """int32 [tile, 2] first query and first key of the tiles of the queries in `rows`, in an order
    like that of `tiles.tiles_of`. Tiles whose keys are hidden from every query are left out."""
    from sinkscope.extract.kernels import hopper

    n_queries, n_keys = hopper.QUERIES.value, hopper.GROUP_KEYS.value * hopper.GROUPS.value
    tiles = []
    for top in range(rows.start, rows.stop, 8 * n_queries):
        for key in range(0, n_tokens, n_keys):
            for query in range(top, min(top + 8 * n_queries, rows.stop), n_queries):
                if key <= query + n_queries - 1:
                    tiles.append((query, key))
    return constant(torch.tensor(tiles, dtype=torch.int32), device)
