"""Measures of the second sink.

They need a layer with a second sink (is_second_sink of the table second_sink_layers). Without one,
a claim about the second sink does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sinkscope.claims.measure import (
    AbsentError,
    Measure,
    Tables,
    aggregated,
    in_layers,
    number,
    shown,
)
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.experiments.second_sink.derive import drops, expected, profile

TERMINATORS = (".", "!", "?")
# Smallest cosine of a near copy, between the states of the first terminator and of key 0.
NEAR_COPY = 0.9


def second_sink_rows(
    tables: Tables, model: str, layers: Sequence[int] | str = "all"
) -> pl.DataFrame:
    """Rows of second_sink_layers for the unchanged texts, in these layers. Raises AbsentError if
    there are rows, but none of them has a second sink."""
    rows = tables["second_sink_layers"].filter(model=model, mark=OWN).drop_nulls("second_sink")
    rows = in_layers(rows, layers)
    if rows.height and not rows["is_second_sink"].any():
        most, threshold = number(rows, pl.col("second_sink").max()), rows["threshold"][0]
        raise AbsentError(
            f"{model} has no second sink in {shown(layers)}: the first terminator gets at most "
            f"{most:.3f} of the attention of later queries, below {threshold:g}."
        )
    return rows


def second_sink(
    tables: Tables, model: str, *, column: str, layers: Sequence[int] | str,
    aggregate: str = "mean",
) -> float | None:  # fmt: skip
    """A column of second_sink_layers over these layers; at least one has a second sink."""
    return number(second_sink_rows(tables, model, layers), aggregated(column, aggregate))


def second_sink_contrast(tables: Tables, model: str) -> float | None:
    """Attention to the first terminator over attention to the next one, in the layer with the most
    attention to the first."""
    strongest = second_sink_rows(tables, model).sort(
        "second_sink", "layer", descending=[True, False]
    )
    return number(strongest, pl.col("second_sink").first() / pl.col("next_terminator").first())


def second_sink_marks(tables: Tables, model: str) -> float | None:
    """Number of marks among . ? ! that become a second sink in some layer, at the same position."""
    rows = tables["second_sink_layers"].filter(pl.col("model") == model)
    rows = rows.filter(pl.col("mark").is_in(TERMINATORS)).drop_nulls("second_sink")
    if rows["mark"].n_unique() < len(TERMINATORS):
        return None
    return float(rows.filter("is_second_sink")["mark"].n_unique())


def near_copy_layer(tables: Tables, model: str, *, end: str) -> float | None:
    """First or last layer whose input state at the second sink is a near copy of key 0's."""
    rows = second_sink_rows(tables, model)
    copies = rows.filter(pl.col("cosine") >= NEAR_COPY)
    most = number(rows, pl.col("cosine").max())
    if most is not None and most < NEAR_COPY:
        raise AbsentError(
            f"In no layer of {model} is the state of the second sink a near copy of the first "
            f"token's: the largest cosine is {most:.3f}, below {NEAR_COPY}."
        )
    return number(copies, {"first": pl.col("layer").min(), "last": pl.col("layer").max()}[end])


def naive_drop(tables: Tables, model: str) -> float | None:
    """Drop of local attention after the second sink, as a fraction of the drop that the naive line
    of the report's section expects: 1 on the line, below 1 above it, 0 without a drop."""
    if second_sink_rows(tables, model).is_empty():
        return None
    of_model = pl.col("model") == model
    local, layers = (
        tables[name].filter(of_model) for name in ("second_sink_local", "second_sink_layers")
    )
    rows = drops(expected(profile(local, layers)))
    return number(rows, (pl.col("dropped") - 1).first() / (pl.col("factor") - 1).first())


LAYERS = ("second_sink_layers",)

MEASURES = {
    "second_sink": Measure(second_sink, "second sink", LAYERS, False),
    "second_sink_contrast": Measure(
        second_sink_contrast, "second sink over the next terminator", LAYERS, False
    ),
    "second_sink_marks": Measure(
        second_sink_marks, "terminators that become a second sink", LAYERS, False
    ),
    "near_copy_layer": Measure(
        near_copy_layer, "layer that a near copy of the first token's state enters", LAYERS, False
    ),
    "naive_drop": Measure(
        naive_drop,
        "drop of local attention over the naive drop",
        (*LAYERS, "second_sink_local"),
        False,
    ),
}
