"""Arrays as rows of a table."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

LAYER = re.compile(r"(.+_)?layer")
Columns = dict[str, np.ndarray]  # by name, all of one length; strings are objects


def with_numbers(rows: pl.LazyFrame, layers: Sequence[int]) -> pl.LazyFrame:
    """The rows, with layers as the model numbers them. In columns `layer` and `..._layer` they
    count the layers with attention. layers: the number of each of these."""
    if list(layers) == list(range(len(layers))):
        return rows
    names = [name for name in rows.collect_schema().names() if LAYER.fullmatch(name)]
    numbers = dict(enumerate(layers))
    return rows.with_columns(pl.col(names).replace_strict(numbers, default=None))


def rows_of(
    arrays: Mapping[str, np.ndarray], **axes: Sequence[object] | np.ndarray | None
) -> pl.DataFrame:
    """One row per entry of arrays of one shape: a column per axis, then a column per array. axes:
    by name, in order, the labels of their positions; None for positions themselves, counted from
    0."""
    shape = next(iter(arrays.values())).shape
    places = np.indices(shape).reshape(len(shape), -1)
    columns = {
        name: place if labels is None else np.asarray(labels)[place]
        for (name, labels), place in zip(axes.items(), places, strict=True)
    }
    return pl.DataFrame(columns | {name: array.ravel() for name, array in arrays.items()})


def texts(values: Sequence[str | None]) -> np.ndarray:
    """A column of strings."""
    return np.array(values, dtype=object)


def numbered(columns: Columns, layers: Sequence[int]) -> Columns:
    """As with_numbers; numbers below 0 stand for no layer."""
    if list(layers) == list(range(len(layers))):
        return columns
    number = np.append(np.array(layers), -1)  # -1 stays -1
    return {
        name: number[values] if LAYER.fullmatch(name) else values
        for name, values in columns.items()
    }


def stacked(parts: Iterable[tuple[str, Columns]]) -> pl.LazyFrame:
    """The rows of documents below each other, with the column `document`. One frame of all is made
    many times faster than a frame of each. parts: name of the document, and its columns."""
    names, of_documents = zip(*parts, strict=True)
    lengths = [len(next(iter(columns.values()))) for columns in of_documents]
    joined = {name: np.concatenate([c[name] for c in of_documents]) for name in of_documents[0]}
    as_series = {
        name: pl.Series(name, values.tolist(), dtype=pl.String)
        if values.dtype == object
        else pl.Series(name, values)
        for name, values in joined.items()
    }
    document = pl.Series("document", names, dtype=pl.String)
    return pl.LazyFrame(
        as_series | {"document": document.gather(np.repeat(range(len(names)), lengths))}
    )
