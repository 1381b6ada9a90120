"""The cost of a job over a corpus, compared with the plain way to run its model.

`job` is an extraction job as the workflow runs it: tokens, the model, all statistics, files in a
temporary folder. `plain` is what a script without statistics does: the tokenizer's batch call,
texts sorted by length, padded batches of BATCH, nothing kept. Neither loads the model. Rounds
alternate in one process per model, after one warm-up of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from sinkscope.bench.corpus_ways import BATCH, N_MAPPED, peaks_of, run_plain, timed_job
from sinkscope.bench.gpu import build
from sinkscope.bench.rounds import Times, alternating, in_process, print_table, timed
from sinkscope.bench.texts import ids_of, make_documents
from sinkscope.config import find_model, read_config, read_models, settings_of
from sinkscope.errors import SinkscopeError
from sinkscope.extract.full import versions
from sinkscope.extract.job import device_facts
from sinkscope.extract.model import Loaded, load_model, longest_input, threads
from sinkscope.extract.tokenizer import load_tokenizer
from sinkscope.files import write_json
from sinkscope.schema import checked
from sinkscope.shipped import SHIPPED

WAYS = ("plain", "job")
TABLE_MODELS = ("zoo-gpt2", "zoo-roberta", "minilm-l6")
LENGTHS = range(130, 181)  # tokens of a document


@dataclass(frozen=True)
class Shape:
    """A published model's size with random weights, for a GPU. zoo: whose tokenizer it gets."""

    zoo: str
    lengths: range


GPU_SHAPES = {
    "RoBERTa-large": Shape("roberta", range(10, 511)),
    "GPT-2-large": Shape("gpt2", range(10, 901)),
}


def run_bench(
    out: Path, models: Sequence[str], n_documents: int | None, n_rounds: int, n_threads: int
) -> None:
    """Measure every model, print a table for each and write all rows as JSON.

    n_documents: None for 200 on a processor and 2,000 on a GPU. Raises SinkscopeError for an
    unknown model, and for one that needs a GPU where there is none.
    """
    default = tuple(GPU_SHAPES) if torch.cuda.is_available() else TABLE_MODELS
    names = tuple(dict.fromkeys(models)) or default
    for name in names:
        check_model(name)
    rows: list[dict[str, Any]] = []
    for name in names:
        n = n_documents or (2000 if name in GPU_SHAPES else 200)
        measured = in_process(measure, name, n, n_rounds, n_threads)
        rows.extend(measured)
        print_rows(measured, n_rounds, n_threads)
    facts = {"rounds": n_rounds, "threads": n_threads, "batch": BATCH, "mapped": N_MAPPED}
    write_json(out, {**versions(), **facts, "rows": rows})
    print(f"Kept as {out}")


def check_model(name: str) -> None:
    if name not in GPU_SHAPES:
        raw = shipped_config()
        known = [row.model for row in read_models(raw, SHIPPED)]
        if name not in known:
            raise SinkscopeError(
                f"bench corpus: unknown model '{name}'; on a processor they are "
                f"{', '.join(known)}, on a GPU {', '.join(GPU_SHAPES)}."
            )
    elif not torch.cuda.is_available():
        raise SinkscopeError(
            f"bench corpus: {name} needs a GPU, and torch sees none here; name a model of the "
            "table of models, or run it on a machine that has one."
        )


def shipped_config() -> dict[str, Any]:
    path = SHIPPED / "config" / "config.yaml"
    return checked(read_config(path), "config", str(path))


def load(name: str) -> tuple[Loaded, range]:
    """The model, and the lengths of its documents in tokens."""
    if name not in GPU_SHAPES:
        row = find_model(read_models(shipped_config(), SHIPPED), name)
        return load_model(row, Path.cwd()), LENGTHS
    shape, loaded = GPU_SHAPES[name], build(name)
    tokenizer = load_tokenizer(name, f"zoo:{shape.zoo}", str(SHIPPED / "zoo" / shape.zoo))
    limit = longest_input(loaded.row, loaded.network)
    return replace(loaded, tokenizer=tokenizer, max_length=limit), shape.lengths


def measure(name: str, n_documents: int, n_rounds: int, n_threads: int) -> list[dict[str, Any]]:
    """One row per way. Ratios are to the plain way."""
    settings = replace(settings_of(shipped_config()), threads=n_threads)
    with threads(n_threads):
        loaded, lengths = load(name)
        documents = make_documents(loaded, n_documents, lengths)
        run = {
            "plain": partial(timed, partial(run_plain, loaded, documents)),
            "job": partial(timed_job, loaded, documents, settings),
        }
        peaks = {way: peaks_of(run[way], loaded.device) for way in WAYS}  # warms up too
        rounds = alternating(run, n_rounds)
    case = {
        "model": name,
        "device": device_facts(loaded.device)["device"],
        "n_documents": n_documents,
        "n_tokens": sum(map(len, ids_of(loaded, [document.text for document in documents]))),
    }
    return [case | row for row in rows_of(rounds, peaks, n_documents)]


def rows_of(
    rounds: dict[str, list[Times]], peaks: dict[str, dict[str, float | None]], n_documents: int
) -> list[dict[str, Any]]:
    """Medians of the rounds of each way."""
    seconds = {way: median(one.seconds for one in rounds[way]) for way in WAYS}
    cpu = {way: median(one.cpu_seconds for one in rounds[way]) for way in WAYS}
    return [
        {
            "way": way,
            "seconds": seconds[way],
            "documents_per_second": n_documents / seconds[way],
            "ratio": seconds[way] / seconds["plain"],
            "cpu_seconds": cpu[way],
            "cpu_ratio": cpu[way] / cpu["plain"],
            "bytes_per_document": rounds[way][-1].n_bytes / n_documents,
            "bytes_per_summary": bytes_per_summary(rounds[way][-1], n_documents),
            **peaks[way],
        }
        for way in WAYS
    ]


def bytes_per_summary(times: Times, n_documents: int) -> float | None:
    """None without summaries."""
    n_summaries = n_documents - N_MAPPED
    return times.n_summary_bytes / n_summaries if times.n_bytes and n_summaries > 0 else None


def print_rows(rows: Sequence[dict[str, Any]], n_rounds: int, n_threads: int) -> None:
    case = rows[0]
    title = (
        f"{case['model']}, {case['n_documents']:,} documents, {case['n_tokens']:,} tokens\n"
        f"{case['device']}, threads: {n_threads}, medians of {n_rounds} alternating rounds"
    )
    columns = ("s", "docs/s", "ratio", "CPU s", "ratio", "kB/summary", "peak MiB", "GPU MiB")
    lines = []
    for row in rows:
        gpu, summary = row["peak_gpu_mb"], row["bytes_per_summary"]
        lines.append(
            (
                row["way"],
                f"{row['seconds']:.2f}",
                f"{row['documents_per_second']:.1f}",
                f"{row['ratio']:.2f}x",
                f"{row['cpu_seconds']:.2f}",
                f"{row['cpu_ratio']:.2f}x",
                "" if summary is None else f"{summary / 1000:.1f}",
                f"{row['peak_mb']:,.0f}",
                "" if gpu is None else f"{gpu:,.0f}",
            )
        )
    print_table(title, ["way"], columns, lines)
