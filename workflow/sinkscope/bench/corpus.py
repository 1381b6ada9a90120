"""The cost of a job over a corpus, compared with the plain way to run its model: the tokenizer's
batch call, texts sorted by length, padded batches of BATCH, nothing kept. Neither loads the
model."""

import contextlib
import io
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from sinkscope.bench.gpu import build
from sinkscope.bench.rounds import Times, alternating, in_process, peak_mb, print_table, timed
from sinkscope.bench.texts import ids_of, make_documents
from sinkscope.config import Settings, find_model, read_config, read_models, settings_of
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.full import versions
from sinkscope.extract.job import device_facts, run_loaded
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.parts import Summaries
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
    """Measure every model, print a table for each and write all rows as JSON. n_documents: None:
    200, or 2,000 on a GPU. Raises SinkscopeError for a model that is unknown or needs a GPU."""
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
    return replace(loaded, tokenizer=tokenizer), shape.lengths


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


BATCH = 32  # documents, of the plain way
N_MAPPED = 20  # documents whose cells hold maps; the others are kept as summaries
SUMMARIES = Summaries("0000", tie_tolerance=0.02)
MIB = 2**20


def timed_job(loaded: Loaded, documents: Sequence[Document], settings: Settings) -> Times:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        times = timed(lambda: run_as_job(loaded, documents, settings, folder))
        sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        of_parts = sum(n for path, n in sizes.items() if path.parent.name == SUMMARIES.shard)
        return replace(times, n_bytes=sum(sizes.values()), n_summary_bytes=of_parts)


def run_as_job(
    loaded: Loaded, documents: Sequence[Document], settings: Settings, folder: Path
) -> None:
    """Raises SinkscopeError if a document has no cell: the job would have had less to do."""
    with contextlib.redirect_stderr(io.StringIO()):  # its progress, which the workflow logs
        cells = run_loaded(loaded, documents, settings, "bench", folder, N_MAPPED, SUMMARIES)
    for refused in cells["missing"]:
        raise SinkscopeError(refused["reason"])


def run_plain(loaded: Loaded, documents: Sequence[Document]) -> None:
    texts = ids_of(loaded, [document.text for document in documents])
    ordered = [torch.tensor(ids) for ids in sorted(texts, key=len)]
    # The mask hides padding, so a model without a padding token can get any id there.
    padding = loaded.tokenizer.pad_token_id or 0
    options = {"use_cache": False} if loaded.family == "decoder" else {}
    with torch.inference_mode():
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            ids = pad_sequence(batch, batch_first=True, padding_value=padding)
            mask = pad_sequence([torch.ones_like(one) for one in batch], batch_first=True)
            ids, mask = ids.to(loaded.device), mask.to(loaded.device)
            loaded.network(input_ids=ids, attention_mask=mask, **options)


def peaks_of(run: Callable[[], Any], device: torch.device) -> dict[str, float | None]:
    """Peak memory in MiB, weights included: of the process since its start, and of the GPU."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    run()
    peak_gpu_mb = torch.cuda.max_memory_allocated() / MIB if on_gpu else None
    return {"peak_mb": peak_mb(), "peak_gpu_mb": peak_gpu_mb}
