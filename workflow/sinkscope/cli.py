"""The command line: every stage of the workflow, and `look` for a single text."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.bench.cli import app as bench
from sinkscope.diff.cli import app as diff
from sinkscope.errors import SinkscopeError, sentences
from sinkscope.experiments.cli import app as experiments
from sinkscope.failures import recorded
from sinkscope.hub.cli import app as hub
from sinkscope.options import above_zero
from sinkscope.printable import printable
from sinkscope.rehearse.cli import app as rehearse
from sinkscope.zoo.cli import app as zoo

app = typer.Typer(
    help="See where the attention of transformers lands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(diff)
app.add_typer(experiments)  # their commands beside those of the atlas
app.add_typer(hub)
app.add_typer(rehearse)
app.add_typer(zoo, name="zoo")
app.add_typer(bench, name="bench")

CONFIG_HELP = "The run's configuration (YAML); a relative path counts from --directory."
ConfigFile = Annotated[Path, typer.Option("--config", help=CONFIG_HELP)]
Model = Annotated[str, typer.Option("--model", help="A model of the table of models.")]
Directory = Annotated[Path, typer.Option("--directory", help="Where config's paths count from.")]


@app.callback()
def sinkscope(
    context: typer.Context,
    log: Annotated[
        Path | None, typer.Option(help="Log of a job of the workflow; reasons of failure go there.")
    ] = None,
) -> None:
    """See where the attention of transformers lands."""
    if log is not None:
        context.with_resource(recorded(log))


@app.command()
def extract(
    config: ConfigFile,
    model: Model,
    shard: Annotated[str, typer.Option(help="Which documents: 0000, 0001, ...")],
    out: Annotated[Path, typer.Option(help="The job's manifest, below results/.")],
    directory: Directory = Path("."),
) -> None:
    """Run one model over one shard of documents and keep the statistics of its attention."""
    from sinkscope.config import load, read_config
    from sinkscope.extract.job import run_job
    from sinkscope.grid import Grid

    grid = Grid(load(read_config(directory / config), directory))
    run_job(
        grid.config.model(model),
        grid.documents(shard),
        grid.config.settings_of(model),
        directory,
        out,
    )


@app.command()
def reduce(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of the model's jobs.")],
    out: Annotated[Path, typer.Option(help="Folder of the model's part of every table.")],
    epsilon: Annotated[
        float,
        typer.Option(callback=above_zero, max=1, help="Sink score above which a head has a sink."),
    ] = 0.3,
    directory: Directory = Path("."),
) -> None:
    """Reduce the cells of one model to its part of every table."""
    from sinkscope.reduce.job import reduce_model

    reduce_model(manifests, out, epsilon, directory)


@app.command()
def tables(
    parts: Annotated[list[Path], typer.Argument(help="Folders that `reduce` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the tables.")],
) -> None:
    """Join the parts of all models to the tables."""
    from sinkscope.reduce.job import write_tables

    write_tables(parts, out)


@app.command()
def figures(
    tables: Annotated[Path, typer.Option(help="Folder of the tables.")],
    out: Annotated[Path, typer.Option(help="Folder of the figures.")],
    documents: Annotated[
        list[str] | None, typer.Argument(help="Documents to choose from in a figure.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Of one model; without it, of all.")] = None,
) -> None:
    """Draw figures as Vega-Lite, SVG and PNG, each with its data as CSV."""
    from sinkscope.charts.job import write_figures

    write_figures(tables, out, model, documents)


@app.command()
def maps(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of the model's jobs.")],
    out: Annotated[Path, typer.Option(help="Folder of the model's heat maps.")],
    documents: Annotated[int, typer.Option(help="How many documents, the first ones.")] = 20,
    directory: Directory = Path("."),
) -> None:
    """Draw the heat maps of every layer of one model."""
    from sinkscope.charts.maps import write_maps

    write_maps(manifests, directory, out, documents)


@app.command(name="map")
def heat_map(
    model: Model,
    document: Annotated[str, typer.Option(help="A document of the table of documents.")],
    layer: Annotated[int, typer.Option(min=0, help="Counted from 0.")],
    out: Annotated[Path, typer.Option(help="A file: .svg, .png, .csv or .json (Vega-Lite).")],
    head: Annotated[
        int | None, typer.Option(min=0, help="One of head_maps; else the mean.")
    ] = None,
    directory: Directory = Path("."),
) -> None:
    """Draw one heat map with its tokens, or write its numbers, from a finished cell."""
    from sinkscope.charts.heat_map import find_cell, write_heat_map
    from sinkscope.extract.cell import read_cell

    cell = read_cell(find_cell(directory / "results", model, document), ["map", "head_map"])
    write_heat_map(cell, str(layer) if head is None else f"{layer}-{head}", out)


@app.command()
def report(
    config: ConfigFile,
    out: Annotated[Path, typer.Option(help="Folder of the report, with figures/ and maps/.")],
    sections: Annotated[
        list[str] | None, typer.Argument(help="Sections of experiments, with sections/.")
    ] = None,
    commit: Annotated[str, typer.Option(help="Commit of the workflow.")] = "unknown",
    tables: Annotated[Path, typer.Option(help="Folder of the tables.")] = Path("results/tables"),
    directory: Directory = Path("."),
) -> None:
    """Write the report: index.html and a page for every model."""
    from sinkscope.config import load, read_config
    from sinkscope.grid import Grid
    from sinkscope.report.build import write_report

    raw = read_config(directory / config)
    grid = Grid(load(raw, directory))
    figures, maps = out / "figures", out / "maps"
    write_report(raw, grid, tables, figures, maps, directory, out, commit, sections or ())


@app.command()
def look(
    model: Annotated[str, typer.Option(help="A model of the table, or a source: package:NAME.")],
    text: Annotated[str | None, typer.Option(help="The text.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A text file instead; - reads standard input.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a one-page view here too.")] = None,
    head: Annotated[
        list[str] | None, typer.Option(help="LAYER/HEAD whose attention to show; repeatable.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:0, whatever the configuration says.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help=f"{CONFIG_HELP} Without it: config/config.yaml, or the defaults if there is none.",
        ),
    ] = None,
    directory: Directory = Path("."),
) -> None:
    """Analyse one text and print where its attention lands."""
    from rich.console import Console

    from sinkscope.look import look_at, print_look, request, text_of

    document = text_of(text, file)
    row, settings, epsilon = request(model, head or [], device, config, directory)
    cell, tables = look_at(row, document, settings, epsilon, directory)
    if html is not None:  # before anything is printed: the reader may close the pipe
        from sinkscope.report.page import write_single_page

        write_single_page(cell, tables, html)
    print_look(Console(), cell, tables)
    if html is not None:
        print(f"One-page view: {html}")


def main() -> None:
    """Run a command; a problem that the user can mend is one line a sentence, not a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a character shows its code
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # such as `| head -1`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except SinkscopeError as error:
        print(sentences(error), file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        reason = printable(f"{error.filename or ''}: {error.strerror or error}")
        print(f"sinkscope: {reason}", file=sys.stderr)
        sys.exit(1)
