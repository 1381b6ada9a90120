"""The figures that compare models, as files."""

from __future__ import annotations

from pathlib import Path

from sinkscope.charts import models, models_sinks
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.job import read_tables, write_all
from sinkscope.charts.select import with_softmax


def figures_of_all(tables: Tables) -> list[Figure]:
    """Figures that compare the models with softmax, in the order of the report."""
    softmax = with_softmax(tables)
    if softmax["models"].is_empty():
        return []
    compared = (
        models.max_attention,
        models.key_classes,
        models_sinks.sink_mass,
        models_sinks.sink_rate,
    )
    return [figure(softmax) for figure in compared]


def write_figures(tables: Path, out: Path) -> None:
    """Write these figures into the folder `out`, as job.write_all does."""
    write_all(figures_of_all(read_tables(tables)), out)
