"""The tables of one experiment, from measurements of all models or from records of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from sinkscope.declarations.experiment import Experiment
from sinkscope.declarations.registry import experiment
from sinkscope.derive.records import read_records
from sinkscope.discovery import load, modules_in
from sinkscope.tables.contract import write_tables
from sinkscope.tables.parts import Parts
from sinkscope.tables.read import read_tables


def write_derived(
    name: str, folders: Sequence[Path], tables: Path, threshold: float | None
) -> None:
    """Write the experiment's tables into the folder `tables`, which holds the atlas tables.

    folders: one per part.
    """
    declared = experiment(name)
    parts, package = Parts(folders), f"sinkscope.experiments.{name}"
    if f"{package}.derive" in modules_in(package):
        derive = load(f"{package}.derive").derive
        frames = derive(parts, read_tables(tables, declared.beside), threshold)
    else:
        frames = joined(parts, declared)
    write_tables(frames, declared.tables, tables)


def joined(parts: Parts, declared: Experiment) -> dict[str, pl.DataFrame]:
    """The experiment's tables, as the concatenated rows of the parts."""
    return {name: parts.joined(name, table) for name, table in declared.tables.items()}


def write_recorded(name: str, folders: Mapping[str, Path], tables: Path) -> None:
    """Write the tables of an experiment whose parts were recorded in training.

    folders: folder of the checkpoint by the grid's name of the model.
    """
    declared = experiment(name)
    write_tables(read_records(folders, declared), declared.tables, tables)
