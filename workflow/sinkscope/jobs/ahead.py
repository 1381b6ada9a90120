"""What a job that has loaded a model can measure besides, ahead of the jobs that will ask for it.

Starting Python's libraries and loading a model takes longer than most measurements. So a run whose
jobs are all on this host writes down, for each model and shard, what its jobs will measure. The
first of them measures all of it, and the others find it made.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sinkscope.declarations.experiment import ALL
from sinkscope.files import read_object, remove, write_json
from sinkscope.jobs.failures import RUN
from sinkscope.jobs.request import Request

AHEAD = Path("results/logs/ahead")  # in the working directory
MOST = 2_000  # measurements; the jobs of larger runs go each for itself


class Part(NamedTuple):
    """A measurement. documents: the settings that say which documents it reads."""

    request: Request
    documents: dict[str, Any]


def write_ahead(parts: Iterable[Part], directory: Path, run: str) -> None:
    """Write down what a run will measure, by model and shard. What is about all documents goes with
    the first shard."""
    remove(directory / AHEAD)
    of_job: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        _, model, shard = part.request.job.split("/")
        of_job.setdefault((model, shard), []).append(part)
    if sum(map(len, of_job.values())) > MOST:
        return
    for model in {model for model, _ in of_job}:
        shards = sorted(shard for of, shard in of_job if of == model and shard != ALL)
        together = {shard: of_job[model, shard] for shard in shards}
        about_all = of_job.get((model, ALL), [])
        if shards:
            together[shards[0]] = together[shards[0]] + about_all
        together[ALL] = together[shards[0]] if about_all and shards else about_all
        for shard, measurements in together.items():
            entries = [
                [one.request.job, one.request.prefix, one.request.content, one.documents]
                for one in measurements
            ]
            write_json(directory / AHEAD / model / f"{shard}.json", {"run": run, "parts": entries})


def read_ahead(job: str, directory: Path) -> list[Part]:
    """What the current run measures of the model and documents of a job; empty if nothing is
    written down for it."""
    _, model, shard = job.split("/")
    stated = read_object(directory / AHEAD / model / f"{shard}.json")
    run = directory / RUN
    if not run.is_file() or stated.get("run") != run.read_text(encoding="utf-8"):
        return []
    return [
        Part(Request(of, prefix, content), documents)
        for of, prefix, content, documents in stated["parts"]
    ]
