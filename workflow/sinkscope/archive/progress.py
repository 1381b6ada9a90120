"""Progress of an archive on a terminal, in bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar(what: str, n_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, if that is a terminal. The yielded function is given the number of
    bytes that were handled since its last call."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda n_bytes: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(what, total=n_bytes)
        yield lambda n_bytes: progress.advance(task, n_bytes)
