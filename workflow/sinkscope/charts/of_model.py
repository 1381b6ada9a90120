"""The figures of one model, as files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.charts import heads, histogram, last_layer, local, mass, rate
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.job import read_tables, write_all
from sinkscope.charts.select import documents_of, of_model


def figures_of_model(
    tables: Tables, model: str, wanted: Sequence[str] | None = None
) -> list[Figure]:
    """In the order of the report. wanted: documents that pickers offer (None: the first)."""
    own = of_model(tables, model)
    documents = documents_of(own, wanted)
    is_encoder = own["models"]["family"][0] == "encoder"
    figures = [histogram.max_attention(own, model)]
    padded = own.get("max_attention_tokens_padded")  # not of a single text
    if padded is not None and padded["count"].sum() > own["max_attention_tokens"]["count"].sum():
        figures.append(histogram.countings(own, model))
    figures.append(mass.sink_mass(own, model, documents))
    if own["documents"].height > 1:
        figures.append(mass.mass_histogram(own, model))
    figures += [rate.sink_rate(own, model), heads.heads_map(own, model, documents)]
    if is_encoder and documents:
        figures.append(last_layer.last_layer(own, model, documents))
    figures += [local.local_mass(own, model, documents), heads.entropy(own, model, documents)]
    return figures


def write_figures_of_model(
    tables: Path, out: Path, model: str, documents: Sequence[str] | None = None
) -> None:
    """Write the figures of a model into the folder `out`, as job.write_all does.

    documents: those that pickers offer, in order (None: the first by name).
    """
    found = read_tables(tables)
    if found["models"].filter(pl.col("model") == model).is_empty():
        # None of its documents has a cell.
        print(f"There are no results of model '{model}'; the report says why.", file=sys.stderr)
        write_all([], out)
    else:
        write_all(figures_of_model(found, model, documents), out)
