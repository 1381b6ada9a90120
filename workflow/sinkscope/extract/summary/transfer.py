"""One asynchronous copy of many small arrays from a device."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


class Joined:
    """Tensors of one device, joined to one of bytes."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        # The largest types first, so that every array is aligned.
        self._names = sorted(tensors, key=lambda name: -tensors[name].element_size())
        self._kinds = {name: (one.dtype, one.shape) for name, one in tensors.items()}
        parts = [tensors[name].contiguous().view(-1).view(torch.uint8) for name in self._names]
        self.bytes = torch.cat(parts)

    def split(self, of_all: Tensor) -> dict[str, np.ndarray]:
        """The arrays, by name. of_all: the bytes, on the processor."""
        arrays, start = {}, 0
        for name in self._names:
            dtype, shape = self._kinds[name]
            stop = start + math.prod(shape) * dtype.itemsize
            arrays[name] = of_all[start:stop].view(dtype).view(shape).numpy()
            start = stop
        return arrays


class Transfer:
    """Begins the copy of joined tensors. `arrays` waits for it, not for work that was launched
    later; the tensors may be written again after what was launched before."""

    def __init__(self, joined: Joined) -> None:
        self._joined, self._bytes = joined, joined.bytes
        self._event: torch.cuda.Event | None = None
        if self._bytes.is_cuda:
            on_device, self._event = self._bytes, torch.cuda.Event()
            self._bytes = torch.empty(on_device.shape, dtype=torch.uint8, pin_memory=True)
            self._bytes.copy_(on_device, non_blocking=True)
            self._event.record(torch.cuda.current_stream(on_device.device))

    def arrays(self) -> dict[str, np.ndarray]:
        """Raises RuntimeError if the device has failed."""
        if self._event is not None:
            self._event.synchronize()
            self._bytes = self._bytes.clone()  # pinned memory is for the next passes
        return self._joined.split(self._bytes)
