"""The measurements on a GPU, as a table and a figure for the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from sinkscope.errors import SinkscopeError
from sinkscope.files import write_text, written

WAYS = {
    "forward": "plain forward pass",
    "sinkscope": "observed by Sinkscope",
    "output_attentions": "output_attentions, then the same reductions",
}

# Targets set before the kernels were written: time over that of the plain forward pass.
TARGETS = {
    ("Llama-2-7B", 1, 2048): 1.05,
    ("Llama-2-7B", 1, 4096): 1.07,
    ("Llama-2-7B", 1, 8192): 1.10,
    ("Llama-2-7B", 1, 16384): 1.15,
    ("Llama-2-7B", 1, 32768): 1.25,
    ("RoBERTa-large", 8, 512): 1.10,
    ("GPT-2-large", 8, 1024): 1.10,
}


def read_measured(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SinkscopeError(f"{path}: there are no such measurements; run `sinkscope bench gpu`.")
    return json.loads(path.read_text(encoding="utf-8"))


def as_markdown(results: dict[str, Any]) -> str:
    """A Markdown table, one row per case; ratios are to the plain forward pass."""
    rows = pl.DataFrame(results["rows"], infer_schema_length=None)
    lines = [
        f"One {results['device']}, torch {results['torch']}, Triton {results['triton']}, "
        f"transformers {results['transformers']}; random weights in bfloat16, medians of "
        f"{results['rounds']} "
        "interleaved rounds. Time is over that of the plain forward pass, memory above its peak.",
        "",
        "| model | documents x tokens | forward, ms; GiB | observed | aimed at | "
        "`output_attentions` and the same reductions |",
        "|---|---|---|---|---|---|",
    ]
    for case, measured in rows.group_by("model", "batch", "n_tokens", maintain_order=True):
        model, batch, n_tokens = case
        by_way = {row["way"]: row for row in measured.iter_rows(named=True)}
        plain = by_way["forward"]
        cells = [
            f"{model}",
            f"{batch} x {n_tokens:,}",
            f"{plain['median_ms']:.1f}; {plain['peak_gib']:.2f}",
            cell(by_way["sinkscope"]),
            f"{TARGETS[case]:.2f}x" if case in TARGETS else "",
            cell(by_way["output_attentions"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(row: dict[str, Any]) -> str:
    if row["median_ms"] is None:
        return "out of memory"
    return f"{row['ratio']:.2f}x; {row['above_gib']:+.2f} GiB"


def chart(results: dict[str, Any]) -> alt.Chart:
    """Time over that of the plain pass, by length; a line ends where its way ran out of memory."""
    rows = (
        pl.DataFrame(results["rows"], infer_schema_length=None)
        .filter(pl.col("ratio").is_not_null(), pl.col("way") != "forward", pl.col("batch") == 1)
        .with_columns(way=pl.col("way").replace_strict(WAYS))
        .select("n_tokens", "way", "ratio")
    )
    return (
        alt.Chart(rows, width=460, height=260)
        .mark_line(point=True)
        .encode(
            x=alt.X("n_tokens:Q", title="tokens").scale(type="log", base=2),
            y=alt.Y("ratio:Q", title="time over the plain forward pass").scale(
                type="log", base=2, domainMin=1
            ),
            color=alt.Color("way:N", title=None, legend=alt.Legend(orient="top", labelLimit=0)),
        )
    )


def write_figure(measured: Path, out: Path) -> None:
    """bench_gpu.md, .svg and .png in the folder `out`."""
    results = read_measured(measured)
    drawn = chart(results)
    for kind in ("svg", "png"):
        with written(out / f"bench_gpu.{kind}") as temporary:
            drawn.save(temporary, format=kind, scale_factor=2 if kind == "png" else 1)
    write_text(out / "bench_gpu.md", as_markdown(results))
