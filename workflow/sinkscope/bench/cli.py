"""Benchmarks of observing: `bench` on the processor, `bench gpu`, its table and figure, and
`bench corpus` of a whole job, and `bench plan` of planning."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure extraction against the plain forward pass.")

Out = Annotated[Path, typer.Option(help="Where the measurements are kept.")]
Rounds = Annotated[int, typer.Option(min=1, help="Number of rounds; results are medians.")]


@app.callback(invoke_without_command=True)
def cpu(
    context: typer.Context,
    out: Out = Path("results/bench.parquet"),
    rounds: Rounds = 5,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Measure extraction against the plain forward pass and against output_attentions."""
    if context.invoked_subcommand is None:
        from sinkscope.bench.cpu import run_bench

        run_bench(out, rounds, threads)


@app.command()
def gpu(
    out: Out = Path("results/bench_gpu.json"),
    rounds: Rounds = 5,
) -> None:
    """The same on a GPU, at the true sizes of published models with random weights."""
    from sinkscope.bench.gpu import run_bench

    run_bench(out, rounds)


@app.command()
def corpus(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model of the shipped table, or on a GPU RoBERTa-large or GPT-2-large with "
            "random weights; repeatable. By default three of the table, or both on a GPU."
        ),
    ] = None,
    documents: Annotated[
        int | None,
        typer.Option(min=1, help="Number of documents. By default 200, on a GPU 2,000."),
    ] = None,
    out: Out = Path("results/bench_corpus.json"),
    rounds: Rounds = 5,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Measure a whole job over a corpus against tokenizing and running the model alone."""
    from sinkscope.bench.corpus import run_bench

    run_bench(out, model or [], documents, rounds, threads)


@app.command()
def plan(
    documents: Annotated[int, typer.Option(min=1, help="Number of documents.")] = 10_000,
    per_job: Annotated[int, typer.Option(min=1, help="The setting documents_per_job.")] = 500,
    out: Out = Path("results/bench_plan.json"),
    rounds: Rounds = 3,
) -> None:
    """Measure the processor time of planning seven models over a corpus."""
    from sinkscope.bench.plan import run_bench

    run_bench(out, documents, per_job, rounds)


@app.command()
def training(
    steps: Annotated[int, typer.Option(min=3, help="Steps of each kind that are timed.")] = 40,
    every: Annotated[int, typer.Option(min=1, help="One step in this many is observed.")] = 50,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Measure the cost of observing in a training loop of the zoo's GPT-2 on the processor."""
    from sinkscope.bench.training import run_bench

    run_bench(steps, every, threads)


@app.command()
def figure(
    measured: Annotated[Path, typer.Argument(help="The file that `bench gpu` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of bench_gpu.md, .svg and .png.")] = Path(
        "docs/explanation"
    ),
) -> None:
    """Write the measurements of `bench gpu` as a table and a figure."""
    from sinkscope.bench.figure import write_figure

    write_figure(measured, out)
