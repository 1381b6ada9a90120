"""The tables of an experiment, joined of what it left of every model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sinkscope.reduce import induction, parts, second_sink


def write_joined(
    experiment: str, folders: Sequence[Path], tables: Path, threshold: float | None
) -> None:
    """Write the experiment's tables into the folder `tables`. folders: one for each part."""
    if experiment == "induction" and threshold is not None:
        induction.write_tables(folders, tables, threshold)
    elif experiment == "second_sink" and threshold is not None:
        second_sink.write_tables(folders, tables, threshold)
    else:
        parts.write_parts(experiment, folders, tables)
