"""Means over documents as figures draw them: a line, the band of its interval, and the documents as
points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from sinkscope import words
from sinkscope.charts.theme import ALL_DOCUMENTS

# Points of one line at one layer: a panel is about 130 pixels high and a point 3, so that more than
# 40 points would fill it from top to bottom.
MOST_POINTS = 40
# Points of one figure, about 300 kB of its file.
MOST_ROWS = 5_000
INTERVAL = "95 % bootstrap interval"
EVENLY, OF_PICKER = "evenly chosen by name", "those of the picker"


def shown_documents(documents: pl.Series, n_means: int, most: int = MOST_POINTS) -> list[str]:
    """The documents to draw as points: all, or evenly chosen ones in the order of their names.
    n_means: number of means in the figure, each with a point per document. most: points per mean.
    """
    names = documents.unique().sort().to_list()
    n_shown = max(1, min(most, MOST_ROWS // max(n_means, 1), len(names)))
    places = np.linspace(0, len(names) - 1, n_shown).round().astype(int)
    return [names[place] for place in places] if names else []


def with_documents(
    means: pl.DataFrame,
    rows: pl.DataFrame,
    by: Sequence[str],
    lines: Mapping[str, str],
    documents: pl.DataFrame,
) -> pl.DataFrame:
    """line, `by`, document, n_tokens, value, value_low, value_high, n_documents: the means, and the
    documents behind them. The mean has the document ALL_DOCUMENTS, and the rest no interval.

    means: `by`, and COLUMN, COLUMN_low, COLUMN_high, COLUMN_n for the columns of `lines`, as
    means.over_documents returns them. rows: document, `by`, and the columns. lines: column to name
    of the line. documents: the table of that name, for n_tokens. Values that do not exist are left
    out.
    """
    shown = shown_documents(rows["document"], means.height * len(lines))
    rows = rows.filter(pl.col("document").is_in(shown))
    parts = []
    for column, name in lines.items():
        parts.append(
            means.select(
                *by,
                line=pl.lit(name),
                document=pl.lit(ALL_DOCUMENTS),
                value=pl.col(column).cast(pl.Float64),
                value_low=f"{column}_low",
                value_high=f"{column}_high",
                n_documents=f"{column}_n",
            )
        )
        parts.append(rows.select(*by, "document", line=pl.lit(name), value=column))
    n_tokens = documents.select("model", "document", "n_tokens")
    columns = [*by, "line", "document", "n_tokens", "value"]
    return (
        pl.concat(parts, how="diagonal_relaxed")
        .with_columns(pl.col("value").fill_nan(None))
        .drop_nulls("value")
        .join(n_tokens, on=["model", "document"], how="left")
        .select(*columns, "value_low", "value_high", "n_documents")
        .sort(*by, "line", pl.col("document") != ALL_DOCUMENTS, "document")
    )


def behind(
    drawn: pl.DataFrame,
    n_documents: int,
    chosen: str = EVENLY,
    *,
    mark: str = "band",
    single: str = "points",
) -> str:
    """The part of a caption about intervals and points. drawn: the drawn data. n_documents: number
    of documents. chosen: which are drawn, if not all. mark, single: names of the marks of an
    interval and of the documents."""
    n_shown = drawn.filter(pl.col("document") != ALL_DOCUMENTS)["document"].n_unique()
    if n_documents < 2:
        return "one document has no interval"
    if n_shown in (0, n_documents):
        points = f"{single}: the documents" if n_shown else "too many documents for points"
    else:
        points = f"{single}: {n_shown} of {words.counted(n_documents, 'document')}, {chosen}"
    return f"{mark}: {INTERVAL}; {points}"
