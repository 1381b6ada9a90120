"""A job that measures one experiment on one model, and then what other jobs of the run will ask of
the model that it has loaded."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from functools import cache
from pathlib import Path
from typing import Any, TextIO

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError, sentences
from sinkscope.jobs.ahead import Part, read_ahead
from sinkscope.jobs.documents import read_part
from sinkscope.jobs.execution import at_work, is_held, made_in_this_run, wait_for
from sinkscope.jobs.failures import LOGS
from sinkscope.stages.weights import known, model_of

HERE = Path(".")


def measure_ahead(own: Part, stamp: Path, log: Path) -> None:
    """Make a job's own measurement, unless another job is at work on it, then those of other jobs
    that nobody is at work on. stamp, log: its own. Raises SinkscopeError if its own cannot be made;
    what is wrong with another is raised by the job of that one."""
    with ExitStack() as until_the_end:
        load = loader(until_the_end)
        if not is_held(log):
            measure_part(own, stamp, log, load)
        for other in read_ahead(own.request.job, HERE):
            its_log, its_stamp = LOGS / f"{other.request.log}.log", Path(other.request.stamp)
            if its_stamp.is_file() or its_stamp == stamp or is_held(its_log):
                continue
            with suppress(Exception), logged(its_log):
                measure_part(other, its_stamp, its_log, load)
    if made_in_this_run(stamp):
        return
    wait_for(log)  # without a GPU, which the job that is waited for may need
    with ExitStack() as until_the_end:
        measure_part(own, stamp, log, loader(until_the_end))


def measure_part(part: Part, stamp: Path, log: Path, load: Callable[[ModelRow], Any]) -> None:
    """Make a measurement, unless it was made in this run."""
    from sinkscope.measure.job import run

    content, out = part.request.content, stamp.parent
    if made_in_this_run(stamp):
        return
    with at_work(log, stamp, content) as job:
        print(f"Measuring {part.request.job}", file=sys.stderr, flush=True)
        row = model_of(content, HERE)
        texts = read_part(HERE, content, **part.documents)
        job.facts = {"revision": known(row, HERE)}
        experiment, settings = content["experiment"], content["settings"]
        run(experiment, row, lambda: load(row), texts, settings, HERE, out)


def loader(until_the_end: ExitStack) -> Callable[[ModelRow], Any]:
    """A function that loads a model, on GPUs that are its own until the end, at its first call, and
    returns the same one at later calls."""

    @cache
    def load(row: ModelRow) -> Any:
        from sinkscope.extract.gpus import exclusive_gpus
        from sinkscope.extract.model import load_model

        with ExitStack() as until_loaded:
            until_loaded.enter_context(exclusive_gpus(row))
            loaded = load_model(row, HERE)
            until_the_end.push(until_loaded.pop_all())
        return loaded

    return load


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """What is printed in the block, and its error, also goes to this log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as log, redirect_stderr(Both(sys.stderr, log)):
        try:
            yield
        except SinkscopeError as error:
            print(sentences(error), file=log)
            raise
        except Exception:
            traceback.print_exc(file=log)
            raise


class Both:
    """A text stream that writes to two."""

    def __init__(self, one: TextIO, other: TextIO) -> None:
        self.one, self.other = one, other

    def write(self, text: str) -> int:
        self.other.write(text)
        return self.one.write(text)

    def flush(self) -> None:
        self.other.flush()
        self.one.flush()

    def isatty(self) -> bool:
        return self.one.isatty()
