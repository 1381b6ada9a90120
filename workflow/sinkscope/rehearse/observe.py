"""Run a model once over random tokens, and check that every layer's attention is observed."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sinkscope.errors import ModelError
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import LayerStatistics, Plan
from sinkscope.extract.streaming import Workspace
from sinkscope.measure.passes import plan_of

ROUNDS = 3
ROW_SUM_ERROR = 0.01  # rows of softmax sum to 1


def tokens(loaded: Loaded, n_tokens: int) -> Tensor:
    """[1, token] random ids (seeded by `build`)."""
    return torch.randint(loaded.n_ids, (1, n_tokens)).to(loaded.device)


def on_nothing(loaded: Loaded, n_tokens: int) -> int:
    """Number of calls of attention, whose shapes are checked. Raises ModelError for wrong ones."""
    n_calls = 0

    def attend(call: Call) -> Tensor:
        nonlocal n_calls
        n_calls += 1
        batch, n_heads, length, _ = call.query.shape
        expected = (1, loaded.n_heads)
        if (batch, n_heads) != expected or call.key.shape[2] - call.n_extra != length:
            raise ModelError(
                f"model '{loaded.row.model}': layer {n_calls - 1} attends with queries "
                f"{tuple(call.query.shape)} to keys {tuple(call.key.shape)}, which is not "
                "supported; choose a model of another architecture."
            )
        return call.query.new_empty(*call.query.shape[:-1], call.value.shape[-1])

    run_observed(loaded, attend, tokens(loaded, n_tokens))
    return n_calls


def on_device(loaded: Loaded, n_tokens: int) -> tuple[int, float]:
    """Number of observed layers, and seconds per document (median without the first run). Raises
    ModelError if the model cannot be observed, or if its rows do not sum to 1."""
    ids = tokens(loaded, n_tokens)
    workspace = Workspace(loaded.device)
    maps = {"map_exact": Plan.map_exact, "map_cells": Plan.map_cells}
    observation: Any = None
    seconds = []
    for _ in range(1 + ROUNDS):
        observation = Observation(plan_of(ids, [[0]], [0], **maps), workspace)
        seconds.append(timed(partial(run_observed, loaded, observation, ids)))
    for layer, layer_statistics in enumerate(observation.layers):
        worst = float(excess(layer_statistics).max())
        if not worst < ROW_SUM_ERROR:  # also NaN
            raise ModelError(
                f"model '{loaded.row.model}': rows of attention in layer {layer} do not sum to 1 "
                f"(off by {worst:.3g}) with dtype {loaded.row.dtype}; use another dtype."
            )
    return len(observation.layers), statistics.median(seconds[1:])


def excess(layer: LayerStatistics) -> Tensor:
    """[batch, head] absolute deviation of the row sums from 1; with a virtual key, how far they
    exceed 1 together."""
    assert layer.virtual_sink is not None
    off = layer.row_sum + layer.virtual_sink.nan_to_num() - 1
    return torch.where(layer.virtual_sink.isnan(), off.abs(), off)


def timed(run: Callable[[], None]) -> float:
    """Seconds of a run, until all work on GPUs has finished."""
    wait()
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started


def wait() -> None:
    for i in gpus():
        torch.cuda.synchronize(i)


def peak_bytes() -> list[int]:
    """Peak memory in bytes since `forget_peaks`, per GPU that was used."""
    peaks = [torch.cuda.max_memory_allocated(i) for i in gpus()]
    return [peak for peak in peaks if peak > 2**20]


def forget_peaks() -> None:
    for i in gpus():
        torch.cuda.reset_peak_memory_stats(i)


def gpus() -> range:
    """All GPUs; none before torch has used one."""
    return range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
