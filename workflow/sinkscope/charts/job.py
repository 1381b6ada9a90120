"""All figures of a model, or all that compare models, as files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from sinkscope.charts import heads, histogram, last_layer, local, mass, models, models_sinks, rate
from sinkscope.charts.figure import Figure, Tables, write_figure
from sinkscope.charts.select import documents_of, of_model
from sinkscope.files import replaced_folder, write_json
from sinkscope.reduce.schemas import TABLES


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


def figures_of_all(tables: Tables) -> list[Figure]:
    """Figures that compare the models with softmax, in the order of the report."""
    softmax = models.with_softmax(tables)
    if softmax["models"].is_empty():
        return []
    compared = (
        models.max_attention,
        models.key_classes,
        models_sinks.sink_mass,
        models_sinks.sink_rate,
    )
    return [figure(softmax) for figure in compared]


def read_tables(folder: Path) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def write_figures(
    tables: Path, out: Path, model: str | None, documents: Sequence[str] | None = None
) -> None:
    """Write the figures of one model, or (None) those that compare all, into the folder `out`.

    NAME.json, .svg, .png and .csv for each, and figures.json, which lists them in order with
    title, finding and caption. documents: those that pickers offer, in order (None: the first
    by name).
    """
    found = read_tables(tables)
    if model is None:
        figures = figures_of_all(found)
    elif found["models"].filter(pl.col("model") == model).is_empty():
        figures = []  # none of its documents has a cell
        print(f"There are no results of model '{model}'; the report says why.", file=sys.stderr)
    else:
        figures = figures_of_model(found, model, documents)
    write_all(figures, out)


def write_all(figures: Sequence[Figure], out: Path) -> None:
    """Write figures and figures.json; what was in the folder is replaced as a whole."""
    with replaced_folder(out) as folder:
        for figure in figures:
            write_figure(figure, folder)
        write_json(folder / "figures.json", [figure.words() for figure in figures])
