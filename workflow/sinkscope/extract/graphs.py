"""Passes as CUDA graphs: a GPU replays launches without the processor.

After AFTER passes of one shape, one is captured, and the others are replayed if the graph gives the
same bytes as the launched pass: results do not depend on which passes are replayed."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor
from transformers import masking_utils

from sinkscope.errors import SinkscopeError
from sinkscope.extract.constants import Later, later, on_device

AFTER = 2  # passes of a shape; capturing one takes as long as a few replays save

# What the library asks whether a pass is captured, and whether rows hold several texts: no and no.
READERS = ("is_tracing", "find_packed_sequence_indices")

Shape = tuple[int, ...]


class Graph(NamedTuple):
    """given, constants: inputs of a replay. results: its outputs, on the device."""

    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    constants: Later
    results: Any


class Graphs:
    """The captured passes of one model, by shape."""

    def __init__(self) -> None:
        self._graphs: dict[Shape, Graph] = {}
        self._n_launched: Counter[Shape] = Counter()
        # All graphs share memory, since they run one after the other, and the stream of their
        # captures, since cuBLAS keeps a buffer for each.
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None
        self._is_off = False

    @property
    def shapes(self) -> set[Shape]:
        """Shapes whose passes are replayed."""
        return set(self._graphs)

    def replayed(self, shape: Shape, given: tuple[Tensor, ...]) -> Any | None:
        """The results over `given`, which a later replay overwrites; None without a graph."""
        one = self._graphs.get(shape)
        if one is None:
            self._n_launched[shape] += 1
            return None
        with torch.inference_mode():
            for there, values in zip(one.given, given, strict=True):
                there.copy_(values.pin_memory(), non_blocking=True)
        one.graph.replay()
        return one.results

    def wants(self, shape: Shape) -> bool:
        """Whether a pass of this shape should be captured now."""
        return not self._is_off and self._n_launched[shape] == AFTER

    def captured(
        self,
        shape: Shape,
        given: tuple[Tensor, ...],
        launch: Callable[[Any], Any],
        device: torch.device,
        *,
        with_mask: bool,
    ) -> Any | None:
        """Capture launch(given) on the model's device. with_mask: whether the model gets a mask.
        Returns where replays write the results; None if the model cannot be captured; the log
        states why."""
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        self._stream = self._stream or torch.cuda.Stream(device)
        there = type(given)(*(one.to(device) for one in given))
        graph = torch.cuda.CUDAGraph()
        try:
            with (
                on_device(device),  # on another one, nothing would be captured
                later(device) as constants,
                nullcontext() if with_mask else masks_left_out(),
                capturing(graph, self._pool, self._stream),
            ):
                results = launch(there)
            with torch.inference_mode():
                constants.fill()
        except (RuntimeError, SinkscopeError) as error:
            self._turn_off(str(error))
            return None
        self._graphs[shape] = Graph(graph, there, constants, results)
        return results

    def judge(self, shape: Shape, *, is_right: bool) -> None:
        """is_right: whether the graph of this shape gave the same results as the launched pass."""
        if not is_right:
            del self._graphs[shape]
            self._turn_off("a captured pass gave other results than the launched one")

    def _turn_off(self, reason: str) -> None:
        self._is_off = True
        reason = " ".join(reason.split())[:200]
        print(f"passes are launched one by one, not replayed: {reason}", file=sys.stderr)


@contextmanager
def capturing(graph: torch.cuda.CUDAGraph, pool: Any, stream: torch.cuda.Stream) -> Iterator[None]:
    """Capture launches of this thread within the block. Unlike torch.cuda.graph, it neither
    collects garbage nor frees memory first, which would take longer than the capture."""
    before = torch.cuda.current_stream()
    stream.wait_stream(before)
    is_enabled = gc.isenabled()
    gc.disable()  # garbage could hold tensors or graphs, which must not be freed now
    try:
        with torch.cuda.stream(stream):
            # Another thread finishes the passes before, and may use the GPU as it likes.
            graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                yield
            finally:
                graph.capture_end()
    finally:
        if is_enabled:
            gc.enable()
    before.wait_stream(stream)


def masks_left_out() -> AbstractContextManager[Any]:
    """For a decoder's pass without a mask: while it is captured, the library would build the masks
    that it leaves out of a launched pass, since it cannot read whether they hide anything."""
    names = [name for name in READERS if hasattr(masking_utils, name)]
    replaced: dict[str, Any] = dict.fromkeys(names, lambda *_: None)
    return mock.patch.multiple(masking_utils, **replaced)
