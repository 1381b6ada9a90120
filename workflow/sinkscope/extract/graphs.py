"""Passes as CUDA graphs: a GPU repeats what was launched once, without the processor's part.

With short texts, launching a pass takes the processor longer than the GPU needs for it. All padded
passes of one shape launch the same kernels, so that after AFTER of them one is captured, together
with its statistics, and the others are replayed. A graph is used only if it gives the same bytes
as the launched pass over the same documents: results do not depend on which passes are replayed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sinkscope.errors import SinkscopeError
from sinkscope.extract.constants import Later, later

AFTER = 3  # passes of a shape; capturing one takes about as long as it will save

Shape = tuple[int, ...]


class Graph(NamedTuple):
    """given, constants: the tensors that a replay reads. results: what it writes, on the device."""

    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    constants: Later
    results: Any


class Graphs:
    """The captured passes of one model, by shape."""

    def __init__(self) -> None:
        self._graphs: dict[Shape, Graph] = {}
        self._n_launched: Counter[Shape] = Counter()
        self._pool: Any = None  # memory that all graphs share: they run one after the other
        self._is_off = False

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
        """Whether it is time to capture a pass of this shape."""
        return not self._is_off and self._n_launched[shape] == AFTER

    def captured(
        self, shape: Shape, given: tuple[Tensor, ...], launch: Callable[[Any], Any]
    ) -> Any | None:
        """Capture launch(given), and replay it. Returns its results; None if a model cannot be
        captured, which stands in the log."""
        device = torch.device("cuda", torch.cuda.current_device())
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        there = type(given)(*(one.to(device) for one in given))
        graph = torch.cuda.CUDAGraph()
        try:
            # Another thread finishes the passes before, and may use the GPU as it likes.
            with (
                later(device) as constants,
                torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
            ):
                results = launch(there)
            with torch.inference_mode():
                constants.fill()
        except (RuntimeError, SinkscopeError) as error:
            self._turn_off(str(error))
            return None
        graph.replay()
        self._graphs[shape] = Graph(graph, there, constants, results)
        return results

    def judge(self, shape: Shape, *, is_right: bool) -> None:
        """is_right: whether the graph of this shape gave what the launched pass gave."""
        if not is_right:
            del self._graphs[shape]
            self._turn_off("a captured pass gave other numbers than the launched one")

    def _turn_off(self, reason: str) -> None:
        self._is_off = True
        reason = " ".join(reason.split())[:200]
        print(f"passes are launched one by one, not replayed: {reason}", file=sys.stderr)
