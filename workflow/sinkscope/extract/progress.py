"""Progress of a job over documents: speed, time left and GPU memory, on a terminal and in logs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from sinkscope import words


@contextmanager
def progress(
    model: str, n_documents: int, device: torch.device | None = None
) -> Iterator[Callable[[], None]]:
    """A bar on a terminal; in a log file, one line per tenth of the documents. The yielded function
    is called once per document. device: whose memory is shown, if it is a GPU."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        speed = TextColumn("{task.fields[facts]}")
        with Progress(*columns, speed, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(model, total=n_documents, facts="")

            def step() -> None:
                bar.advance(task)
                per_second = bar.tasks[0].speed
                facts = [f"{per_second:.1f} documents/s"] if per_second else []
                bar.update(task, facts=", ".join([*facts, *memory(device)]))

            yield step
        return
    yield logged(model, n_documents, device)


def logged(model: str, n_documents: int, device: torch.device | None = None) -> Callable[[], None]:
    """The function for a log file. The speed is that of the last tenth."""
    step, number, last = max(1, n_documents // 10), 0, (0, time.monotonic())

    def advance() -> None:
        nonlocal number, last
        number += 1
        if number % step and number != n_documents:
            return
        now = time.monotonic()
        per_second = (number - last[0]) / max(now - last[1], 1e-6)
        last = (number, now)
        facts = [f"{number} of {words.counted(n_documents, 'document')}"]
        facts.append(f"{per_second:.1f} per second")
        if number < n_documents:
            left = timedelta(seconds=round((n_documents - number) / per_second))
            facts.append(f"{left} left")
        print(f"{model}: {', '.join([*facts, *memory(device)])}", file=sys.stderr, flush=True)

    return advance


def memory(device: torch.device | None) -> list[str]:
    """The largest memory of the GPU so far, in words; empty on a processor."""
    if device is None or device.type != "cuda":
        return []
    return [f"{torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MB of GPU memory"]
