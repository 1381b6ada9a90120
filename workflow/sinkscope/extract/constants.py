"""Tensors on their device, such as small ones that the processor computes: addresses, tiles.

A pass that is captured as a CUDA graph must not copy them: a replay would copy from memory that may
have changed. Within `later`, they are only allocated on the device, and filled once the capture is
complete.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, replace
from functools import lru_cache, wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from sinkscope.extract.masks import Visible
from sinkscope.extract.plan import LayerStatistics, Plan

# Copies of so few bytes travel with the command itself. Larger ones from memory that is not pinned
# would wait for all earlier work of the GPU.
FEW_BYTES = 1 << 14
N_BYTES = 1 << 20  # of the constants of a captured pass
ALIGNED = 16  # bytes, which kernels may read at a time

Function = TypeVar("Function", bound=Callable[..., Any])


class Later:
    """The constants of a capture: their memory on the device, and their values. The memory is
    outside the graph's pool, whose parts are reused within the pass: a replay would overwrite the
    constants.
    """

    def __init__(self, device: torch.device) -> None:
        self._free = torch.empty(N_BYTES, dtype=torch.uint8, device=device)
        self._constants: list[tuple[Tensor, Tensor]] = []

    def put(self, values: Tensor) -> Tensor:
        """Raises RuntimeError if there are too many constants."""
        size = -(-values.nbytes // ALIGNED) * ALIGNED
        if size > len(self._free):
            raise RuntimeError("its constants take too many bytes")
        part, self._free = self._free[: values.nbytes], self._free[size:]
        self._constants.append((part.view(values.dtype).view(values.shape), values))
        return self._constants[-1][0]

    def fill(self) -> None:
        for there, values in self._constants:
            there.copy_(values)


class _Thread(threading.local):
    later: Later | None = None


_thread = _Thread()


@contextmanager
def later(device: torch.device) -> Iterator[Later]:
    """Within the block, in this thread, constants get their values by `fill`."""
    _thread.later = Later(device)
    try:
        yield _thread.later
    finally:
        _thread.later = None


def constant(values: Tensor, device: torch.device) -> Tensor:
    """The values of a tensor on the device; those of the processor without waiting for it."""
    if device.type != "cuda" or values.is_cuda:
        return values.to(device)
    if _thread.later is not None:
        return _thread.later.put(values)
    if values.nbytes > FEW_BYTES:
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def kept(function: Function) -> Function:
    """lru_cache for functions that return constants. Those of a capture are its own: others may
    leave the cache, and their memory would be used again while the graph still reads it."""
    cached = lru_cache(maxsize=64)(function)

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        return (cached if _thread.later is None else function)(*args, **options)

    return call  # type: ignore[return-value]


Record = TypeVar("Record", Plan, LayerStatistics, Visible)


def moved(record: Record, device: torch.device) -> Record:
    """The same record with all of its tensors on `device`; tensors already there are shared."""
    if all(
        not isinstance(value, Tensor) or value.device == device
        for value in (getattr(record, field.name) for field in fields(record))
    ):
        return record
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    there: dict[str, Any] = {
        name: constant(value, device) for name, value in values.items() if isinstance(value, Tensor)
    }
    return replace(record, **there)


def on_device(device: torch.device) -> AbstractContextManager[Any]:
    """Makes the device current: Triton launches kernels on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
