"""The command line: every stage of the workflow, and `look` for a single text."""

import gc
import io
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.archive.cli import app as archive
from sinkscope.bench.cli import app as bench
from sinkscope.compare.cli import app as compare
from sinkscope.diff.cli import app as diff
from sinkscope.errors import DamagedError, SinkscopeError, sentences
from sinkscope.init.cli import app as init
from sinkscope.jobs.execution import at_work
from sinkscope.jobs.failures import recorded
from sinkscope.jobs.stamps import discard
from sinkscope.options import Directory, print_version
from sinkscope.printable import printable
from sinkscope.reference.cli import app as reference
from sinkscope.rehearse.cli import app as rehearse
from sinkscope.stages.cli import app as stages
from sinkscope.stages.hub import app as hub
from sinkscope.zoo.cli import app as zoo

app = typer.Typer(
    help="See where the attention of transformers lands.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for commands in (archive, compare, diff, stages, hub, init, rehearse, reference):
    app.add_typer(commands)
app.add_typer(zoo, name="zoo")
app.add_typer(bench, name="bench")

CONFIG_HELP = "The run's configuration (YAML); a relative path counts from --directory."
Model = Annotated[str, typer.Option("--model", help="A model of the table of models.")]


@app.callback()
def sinkscope(
    context: typer.Context,
    log: Annotated[
        Path | None, typer.Option(help="For a job: its log, with the reason of a failure.")
    ] = None,
    stamp: Annotated[
        Path | None, typer.Option(help="For a job: the file that lists its outputs.")
    ] = None,
    request: Annotated[
        str | None, typer.Option(help="For a job: everything that its result depends on (JSON).")
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """See where the attention of transformers lands."""
    if log is not None and stamp is not None and request is not None:
        context.obj = context.with_resource(at_work(log, stamp, json.loads(request)))
    elif log is not None:
        context.with_resource(recorded(log))


@app.command(name="map")
def heat_map(
    model: Model,
    document: Annotated[str, typer.Option(help="A document of the table of documents.")],
    layer: Annotated[int, typer.Option(min=0, help="Counted from 0.")],
    out: Annotated[Path, typer.Option(help="A file: .svg, .png, .csv or .json (Vega-Lite).")],
    head: Annotated[
        int | None, typer.Option(min=0, help="One of head_maps; else the mean.")
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Colours on a logarithmic scale, not a linear one.")
    ] = False,
    directory: Directory = Path("."),
) -> None:
    """Draw one heat map with its tokens from a finished cell, or write its numbers."""
    from sinkscope.atlas.heat_map import find_cell, write_heat_map
    from sinkscope.extract.cell import read_cell

    cell = read_cell(find_cell(directory / "results", model, document), ["map", "head_map"])
    write_heat_map(cell, str(layer) if head is None else f"{layer}-{head}", out, log=log)


@app.command()
def look(
    model: Annotated[str, typer.Option(help="A model of the table, or a source: package:NAME.")],
    text: Annotated[str | None, typer.Option(help="The text.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A text file instead; - reads standard input.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="A file: write a one-page view to it as well.")
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(help="LAYER/HEAD whose attention is shown; repeatable."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:0, instead of that of the configuration.")
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
    """Analyse one text and print where its attention goes."""
    from rich.console import Console

    from sinkscope.api.look import look_at
    from sinkscope.api.request import request, text_of

    document = text_of(text, file)
    row, settings, limits = request(model, head or [], device, config, directory)
    result = look_at(row, document, settings, limits, directory)
    if html is not None:  # before anything is printed: the reader may close the pipe
        result.save(html)
    result.print(Console())
    if html is not None:
        print(f"One-page view: {html}")


# Importing torch and transformers makes a million objects, hardly one of them garbage. Python's
# threshold of 700 (2,000 since 3.14) searches them over and over, a third of a short job's time.
GARBAGE_THRESHOLD = 10_000


def main() -> None:
    """Run a command. A problem that the user can fix is printed as one line per sentence."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    if isinstance(sys.stdout, io.TextIOWrapper):  # an unsupported character is shown as its code
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app()
        finally:
            gc.freeze()  # or Python searches all objects once more before it ends
            sys.stdout.flush()
    except BrokenPipeError:  # such as `| head -1`: the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except SinkscopeError as error:
        if isinstance(error, DamagedError):  # so that the next run computes it again
            discard(Path("."), error.path)
        print(sentences(error), file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        reason = printable(f"{error.filename or ''}: {error.strerror or error}")
        print(f"sinkscope: {reason}", file=sys.stderr)
        sys.exit(1)
