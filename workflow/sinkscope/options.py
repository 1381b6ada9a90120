"""Callbacks of options."""

from __future__ import annotations

import math

import typer


def above_zero(value: float | None) -> float | None:
    """Of an option: its bounds would let nan pass, and 0 where it is divided by."""
    if value is not None and not 0 < value < math.inf:
        raise typer.BadParameter(f"it is {value}; it must be a finite number above 0.")
    return value


def print_version(wanted: bool) -> None:
    """Of `--version`: print the version of the installed package, and end."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"sinkscope {version('sinkscope')}")
        raise typer.Exit


def not_negative(value: float) -> float:
    """Of an option: as above_zero, but it may be 0."""
    if not 0 <= value < math.inf:
        raise typer.BadParameter(f"it is {value}; it must be a finite number, 0 or above.")
    return value
