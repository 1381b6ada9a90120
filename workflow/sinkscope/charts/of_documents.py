"""Means over documents as figures draw them: a line, the band of its interval, and the documents as
points."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from sinkscope import words
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.tables.blocks import Blocks

# Points of one line at one layer: a panel is about 130 pixels high and a point 3, so that more than
# 40 points would fill it from top to bottom.
MOST_POINTS = 40
# Points of one figure, about 300 kB of its file.
MOST_ROWS = 5_000
INTERVAL = "95 % bootstrap interval"
EVENLY, OF_PICKER = "evenly chosen by name", "those of the picker"


def shown_documents(
    documents: pl.Series | Sequence[str], n_means: int, most: int = MOST_POINTS
) -> list[str]:
    """The documents to draw as points: all, or evenly chosen ones in the order of their names.
    n_means: number of means in the figure, each with a point per document. most: points per mean.
    """
    names = sorted(set(documents))
    n_shown = max(1, min(most, MOST_ROWS // max(n_means, 1), len(names)))
    places = np.linspace(0, len(names) - 1, n_shown).round().astype(int)
    return [names[place] for place in places] if names else []


def with_points(
    means: pl.DataFrame,
    rows: pl.DataFrame,
    documents: pl.DataFrame | None = None,
    n_means: int | None = None,
) -> pl.DataFrame:
    """The means, with the document ALL_DOCUMENTS; then the rows of the documents that are drawn.

    rows: model, document and others. documents: the table of that name, if the rows get n_tokens.
    n_means: of shown_documents, if it is not the number of means.
    """
    shown = shown_documents(rows["document"], means.height if n_means is None else n_means)
    points = rows.filter(pl.col("document").is_in(shown))
    if documents is not None:
        lengths, keys = documents.select("model", "document", "n_tokens"), ["model", "document"]
        points = points.join(lengths, on=keys, how="left", maintain_order="left")
    parts = [means.with_columns(document=pl.lit(ALL_DOCUMENTS)), points]
    return pl.concat(parts, how="diagonal_relaxed")


def with_documents(
    means: pl.DataFrame,
    rows: pl.DataFrame | Blocks,
    by: Sequence[str],
    lines: Mapping[str, str],
    documents: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """line, `by`, document, n_tokens, value, value_low, value_high, n_documents: the means, and the
    documents behind them. The mean has the document ALL_DOCUMENTS, and the rest no interval.

    means: `by`, and COLUMN, COLUMN_low, COLUMN_high, COLUMN_n for the columns of `lines`, as
    means.over_documents returns them. rows: document, `by`, and the columns. lines: column to name
    of the line. documents: as of with_points. Values that do not exist are left out.
    """
    n_means = means.height * len(lines)
    if isinstance(rows, Blocks):
        rows = rows.of(shown_documents(rows.documents, n_means))
    rows = rows.filter(pl.col("document").is_in(shown_documents(rows["document"], n_means)))
    ends = {"value_low": "{}_low", "value_high": "{}_high", "n_documents": "{}_n"}
    of_lines = [
        means.select(
            *by,
            line=pl.lit(name),
            value=pl.col(column).cast(pl.Float64),
            **{end: form.format(column) for end, form in ends.items()},
        )
        for column, name in lines.items()
    ]
    of_rows = [
        rows.select(*by, "document", line=pl.lit(name), value=column)
        for column, name in lines.items()
    ]
    lines_of, rows_of = (pl.concat(some, how="vertical_relaxed") for some in (of_lines, of_rows))
    drawn = with_points(lines_of, rows_of, documents, n_means)
    columns = ["line", "document", "n_tokens", "value", *ends]
    return (
        drawn.with_columns(pl.col("value").fill_nan(None))
        .drop_nulls("value")
        .select(*by, *(name for name in columns if name in drawn.columns))
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
