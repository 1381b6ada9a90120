"""What the benchmarks share: rounds of alternating ways, each timed, and the printed table."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table

Result = TypeVar("Result")


@dataclass(frozen=True)
class Times:
    """Of one run. n_bytes: size of the files that it has left; n_summary_bytes: of the summaries
    among them."""

    seconds: float
    cpu_seconds: float
    n_bytes: int = 0
    n_summary_bytes: int = 0


def timed(run: Callable[[], Any]) -> Times:
    """Wall time, and processor time of all threads and of child processes that have ended. The GPU
    is idle at the start and at the end."""
    wait()
    cpu, started = cpu_seconds(), time.perf_counter()
    run()
    wait()
    return Times(time.perf_counter() - started, cpu_seconds() - cpu)


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def cpu_seconds() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def alternating(ways: Mapping[str, Callable[[], Result]], n_rounds: int) -> dict[str, list[Result]]:
    """What each way returns in each round. The order of the ways alternates, so that none always
    runs after the same one."""
    results: dict[str, list[Result]] = {way: [] for way in ways}
    for number in range(n_rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            results[way].append(ways[way]())
    return results


def peak_mb() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function returns in a process of its own, whose peak memory is its alone."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        return process.submit(function, *arguments).result()


def print_table(
    title: str, texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """texts, numbers: heads of the columns; numbers are aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
