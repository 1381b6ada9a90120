"""Run the kernel for GPUs of compute capability 9.0 over layers of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from sinkscope.extract.kernels.arguments import padded_size
from sinkscope.extract.kernels.inputs import Inputs, pinned
from sinkscope.extract.kernels.logits import LOG2E
from sinkscope.extract.masks import Call

SHORTEST = 2048  # tokens; below, `tiles` is as fast
STAGES = {64: 4, 128: 2}  # heads in flight, by padded head size: as many as fit
FARTHEST = 1 << 31  # places of a descriptor
LARGEST_STEP = 4096  # bytes between places


@lru_cache(maxsize=8)
def runs_on(device: torch.device) -> bool:
    """Whether the device has the instructions, and Triton the words, that the kernel needs."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) != (9, 0):
        return False
    try:
        from sinkscope.extract.kernels import hopper  # noqa: F401
    except ImportError:  # an older Triton
        return False
    return True


def takes(calls: Sequence[Call], *, with_norms: bool) -> bool:
    """Whether the kernel can reduce these calls, which are alike."""
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
        and all(Places(rows).n < FARTHEST for rows in (queries_of(calls), keys_of(calls)))
    )


def queries_of(calls: Sequence[Call]) -> list[Tensor]:
    return [call.query for call in calls]


def keys_of(calls: Sequence[Call]) -> list[Tensor]:
    return [call.key for call in calls]


class Places:
    """Where rows [batch, head, token, d] of several layers lie: all documents begin at one of n
    places, `step` bytes apart, of which the first is where the layer of the lowest address begins.
    """

    def __init__(self, rows: Sequence[Tensor]) -> None:
        self.first = min(rows, key=lambda row: row.data_ptr())
        self.base = self.first.data_ptr()
        self.batch_bytes = self.first.stride(0) * self.first.element_size()
        apart = [row.data_ptr() - self.base for row in rows]
        self.step = math.gcd(LARGEST_STEP, self.batch_bytes, *apart)
        self.n = (max(apart) + self.batch_bytes * self.first.shape[0]) // self.step


def launch_hopper(
    calls: Sequence[Call], pointers: tuple[Tensor, ...], inputs: Inputs, fixed: dict[str, Tensor],
    means: Tensor, rows: range,
) -> None:  # fmt: skip
    """As launch_tiles; means: [layer, batch, query, key]."""
    from triton.experimental.gluon import language as gl
    from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

    from sinkscope.extract.kernels import hopper

    call = calls[0]
    batch, n_heads, n_tokens, d = call.query.shape
    padded = padded_size(d)
    of_rows = gl.NVMMASharedLayout(128, 16, 4)
    of_numbers = gl.NVMMASharedLayout(0, 32, 2)

    def descriptor(places: Places, block: int) -> TensorDescriptor:
        first = places.first
        strides = [places.step // first.element_size(), *first.stride()[1:]]
        shape, box = [FARTHEST - 1, *first.shape[1:]], [1, 1, block, padded]
        return TensorDescriptor(first, shape, strides, box, of_rows)

    def numbers(rows: Tensor) -> TensorDescriptor:
        rows = rows.view(-1, inputs.n_padded)
        return TensorDescriptor(
            rows, list(rows.shape), [inputs.n_padded, 1], [1, hopper.BM.value], of_numbers
        )

    queries, keys = Places(queries_of(calls)), Places(keys_of(calls))
    starts, key_starts, sums = pointers
    tiles = hopper_tiles(n_tokens, rows, sums.device)
    n_work = len(tiles) * len(calls) * batch
    n_programs = torch.cuda.get_device_properties(sums.device).multi_processor_count
    hopper.hopper_kernel[(min(n_work, n_programs),)](
        descriptor(queries, hopper.BM.value), descriptor(keys, hopper.OWN.value),
        numbers(sums), numbers(inputs.entropy_weight), starts, key_starts, tiles,
        fixed["received"], fixed["entropy"], means,
        queries.base, keys.base, queries.step, keys.step, queries.batch_bytes, keys.batch_bytes,
        n_work, len(tiles), n_tokens, n_heads, batch, rows.start, means.shape[2],
        call.scale * LOG2E.value, 1 / n_heads, GROUP=n_heads // call.key.shape[1], DP=padded,
        STAGES=STAGES[padded], num_warps=4,
    )  # fmt: skip


@lru_cache(maxsize=64)
def hopper_tiles(n_tokens: int, rows: range, device: torch.device) -> Tensor:
    """int32 [tile, 2] first query and key of all tiles of the queries in `rows` of which some query
    sees a key, in an order as that of `tiles.tiles`."""
    from sinkscope.extract.kernels import hopper

    n_queries, n_keys = hopper.BM.value, hopper.OWN.value * hopper.GROUPS_OF_WARPS.value
    found = []
    for top in range(rows.start, rows.stop, 8 * n_queries):
        for key in range(0, n_tokens, n_keys):
            for query in range(top, min(top + 8 * n_queries, rows.stop), n_queries):
                if key <= query + n_queries - 1:
                    found.append((query, key))
    return pinned(torch.tensor(found, dtype=torch.int32), device)
