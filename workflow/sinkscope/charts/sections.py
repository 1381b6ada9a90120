"""Sections of the report that experiments add. A new experiment is an entry here, its module,
and its rule file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sinkscope.charts import alternatives, emergence
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.job import write_all
from sinkscope.errors import SinkscopeError


@dataclass(frozen=True)
class Section:
    """intro: a paragraph. tables: names, as in results/tables/. figures: drawn from them."""

    title: str
    intro: str
    tables: tuple[str, ...]
    figures: Callable[[Tables], list[Figure]]


# By name, in the order of the report. A name is the section's folder and its address.
SECTIONS = {
    "emergence": Section(
        "When sinks appear",
        "The zoo's models are small and were trained by this repository from random weights, with "
        "their attention measured all the way, on texts that they were not trained on. They show "
        "when a sink appears, in which layers, what the loss does meanwhile, and what the sink "
        "holds on to: the first position, or a special token.",
        ("emergence", "attachment"),
        emergence.figures,
    ),
    "alternatives": Section(
        "Alternatives to softmax",
        "Softmax makes every row of attention sum to 1, so that a head with nothing to say has to "
        "put its attention somewhere. Here a model is trained again with attention that need not: "
        "softmax off-by-one (a zero logit beside those of the keys, so that rows sum to less than "
        "1) and sigmoid (each key by itself, so that rows sum to anything).",
        ("emergence",),
        alternatives.figures,
    ),
}


def write_section(name: str, tables: Path, out: Path) -> None:
    """Write the figures of a section into the folder `out`, as write_figures does.

    Raises SinkscopeError for a section that there is not.
    """
    if name not in SECTIONS:
        raise SinkscopeError(f"no section '{name}'; sections are {', '.join(SECTIONS)}.")
    section = SECTIONS[name]
    found = {table: pl.read_parquet(tables / f"{table}.parquet") for table in section.tables}
    write_all(section.figures(found), out)
