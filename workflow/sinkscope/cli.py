"""The command line: every stage of the workflow, and `look` for a single text."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.errors import SinkscopeError

app = typer.Typer(
    help="See where the attention of transformers lands.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[Path, typer.Option("--config", help="The run's configuration (YAML).")]
Model = Annotated[str, typer.Option("--model", help="A model of the table of models.")]
Directory = Annotated[Path, typer.Option("--directory", help="Where config's paths count from.")]


@app.callback()
def sinkscope() -> None:
    """See where the attention of transformers lands."""


@app.command()
def extract(
    config: ConfigFile,
    model: Model,
    shard: Annotated[str, typer.Option(help="Which documents: 0000, 0001, ...")],
    out: Annotated[Path, typer.Option(help="The job's manifest, below results/.")],
    directory: Directory = Path("."),
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Run one model over one shard of documents and keep the statistics of its attention."""
    from sinkscope.config import load
    from sinkscope.extract.job import run_job
    from sinkscope.grid import Grid

    grid = Grid(load(read_config(config), directory))
    run_job(
        grid.config.model(model),
        grid.documents(shard),
        grid.config.settings,
        directory,
        out,
        threads,
    )


@app.command()
def reduce(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of the model's jobs.")],
    out: Annotated[Path, typer.Option(help="Folder of the model's part of every table.")],
    epsilon: Annotated[float, typer.Option(help="Sink score above which a head has a sink.")] = 0.3,
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


def read_config(path: Path) -> dict[str, object]:
    import yaml

    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise SinkscopeError(f"{path}: is no YAML mapping ({error}); correct the file.") from error


def main() -> None:
    """Run a command; a problem that the user can mend is one line a sentence, not a traceback."""
    try:
        app()
    except SinkscopeError as error:
        for line in str(error).splitlines():
            print(f"sinkscope: {line}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"sinkscope: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
