"""Options of the command line: their callbacks, and the part of the help that lists jobs."""

import math
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.version import installed

JOBS = "Jobs of the workflow"
Directory = Annotated[
    Path, typer.Option("--directory", help="The folder of the run, where relative paths start.")
]


def above_zero(value: float | None) -> float | None:
    """Check a number that is divided by. The bounds of an option would accept nan and 0."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"it is {value}; it must be a finite number above 0.")
    return value


def print_version(value: bool) -> None:
    """Callback of `--version`: print the version of the installed package and exit."""
    if value:
        typer.echo(f"sinkscope {installed('sinkscope') or 'unknown'}")
        raise typer.Exit


def not_negative(value: float) -> float:
    """As above_zero, with 0 allowed."""
    if not 0 <= value < math.inf:
        raise typer.BadParameter(f"it is {value}; it must be a finite number, 0 or above.")
    return value
