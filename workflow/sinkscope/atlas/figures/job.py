"""The figures of the atlas: those of one model, and those that compare models.

Each is a module: in `of_model`, figure(tables, model, documents); in `of_all` (of the models with
softmax) and `virtual` (of models with virtual keys or gates), figure(tables). All return a Figure,
or None if there is nothing to show.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.section import figures_in
from sinkscope.charts.select import documents_of, of_model, with_softmax
from sinkscope.charts.write import write_all
from sinkscope.tables.read import StoredTables

OF_MODEL, OF_ALL = "sinkscope.atlas.figures.of_model", "sinkscope.atlas.figures.of_all"
VIRTUAL = "sinkscope.atlas.figures.virtual"
# In the order of the report.
ORDER_OF_MODEL = (
    *("max_attention", "countings", "sinks", "sink_mass", "mass_by_length", "sink_rate"),
    *("heads", "last_layer", "local_mass", "entropy"),
)
ORDER_OF_ALL = ("max_attention", "key_classes", "sink_mass", "sink_rate")


def figures_of_model(
    tables: Tables, model: str, wanted: Sequence[str] | None = None
) -> list[Figure]:
    """wanted: documents that pickers offer (None: the first)."""
    model_tables = of_model(tables, model)
    return figures_in(
        OF_MODEL, ORDER_OF_MODEL, model_tables, model, documents_of(model_tables, wanted)
    )


def figures_of_all(tables: Tables) -> list[Figure]:
    """Figures that compare the models with softmax, and those with virtual keys or gates."""
    softmax = with_softmax(tables)
    figures = [] if softmax["models"].is_empty() else figures_in(OF_ALL, ORDER_OF_ALL, softmax)
    return [*figures, *figures_in(VIRTUAL, (), tables)]


def write_figures_of_model(
    tables: Path, out: Path, model: str, documents: Sequence[str] | None = None
) -> None:
    """Write the figures of a model into the folder `out`, as write_all does.

    documents: those that pickers offer, in order (None: the first by name).
    """
    frames = StoredTables(tables, tables_of_atlas())
    if frames["models"].filter(pl.col("model") == model).is_empty():
        # None of its documents has a cell.
        print(f"There are no results of model '{model}'; the report says why.", file=sys.stderr)
        write_all([], out)
    else:
        write_all(figures_of_model(frames, model, documents), out)


def write_figures_of_all(tables: Path, out: Path) -> None:
    """Write the figures that compare models into the folder `out`, as write_all does."""
    write_all(figures_of_all(StoredTables(tables, tables_of_atlas())), out)
