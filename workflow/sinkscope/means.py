"""Means over documents of long frames, each with its bootstrap interval and number of documents.

A value `mass` gives the columns mass, mass_low, mass_high and mass_n (number of documents with a
value). Null, NaN and infinite values do not count.

Rows may come in blocks of documents. They are read twice, and only one block is in memory: of the
others, only the sums over documents of every resample are kept (sinkscope.intervals).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.intervals import MOST_DOCUMENTS, Estimates, Sums

# A frame, or blocks of rows that can be iterated several times.
Rows = pl.DataFrame | Iterable[pl.DataFrame]
# Of a block, the numerator and the weight of each row by the name of the value; NaN for none.
Pairs = Callable[[pl.DataFrame], Mapping[str, tuple[np.ndarray, np.ndarray]]]
MOST_SUMS = 1 << 22  # at once, over resamples, groups and values, to bound memory


def over_documents(
    rows: Rows, by: Sequence[str], values: Sequence[str], *, log: Sequence[str] = ()
) -> pl.DataFrame:
    """`by`, and of each value its mean over documents with low, high and n, sorted.

    rows: document, `by`, `values`; at most one row per document and `by`. Documents are resampled
    per model if `by` has a column model. log: those of `values` whose mean is geometric; zeros and
    negative numbers are left out.
    """

    def pairs(block: pl.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        arrays = {name: numbers(block[name]) for name in values}
        with np.errstate(divide="ignore", invalid="ignore"):
            arrays |= {name: np.log(arrays[name]) for name in log}
        return {name: (array, np.ones(len(array))) for name, array in arrays.items()}

    return _ratios(rows, by, list(values), pairs, dict.fromkeys(log, np.exp))


def of_sums(rows: Rows, by: Sequence[str], numerator: str, weight: str, name: str) -> pl.DataFrame:
    """`by`, and `name`: the sum of one column over the sum of another, over documents, with low,
    high and n, sorted. rows: as in over_documents; a document without a value has null in either
    column, or 0 in both."""

    def pairs(block: pl.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {name: (numbers(block[numerator]), numbers(block[weight]))}

    return _ratios(rows, by, [name], pairs, {})


def sums(
    frame: pl.DataFrame, by: Sequence[str], value: str
) -> Iterator[tuple[pl.DataFrame, np.ndarray]]:
    """The groups `by`, some at a time in their order, and [1 + RESAMPLES, group] the sum of a value
    over the documents of each resample. frame: as in over_documents."""

    def pairs(block: pl.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        array = numbers(block[value])
        return {value: (array, np.ones(len(array)))}

    both = _groups_and_documents([frame], by, [value], pairs, [])
    if both is None:
        return
    groups, documents = both
    read = documents.sort("document")
    n_at_once = max(1, MOST_SUMS // (1 + intervals.RESAMPLES))
    for start in range(0, groups.height, n_at_once):
        some = groups.slice(start, n_at_once)
        totals, _ = _totals([frame], by, [value], pairs, read, some)
        yield some.select(by), totals[value][0].sums()


def matrix(
    frame: pl.DataFrame, by: Sequence[str], values: Sequence[str]
) -> tuple[pl.DataFrame, list[np.ndarray]]:
    """The groups `by`, sorted, and of each value an array [document, group] with the documents in
    the order of their names; NaN where a document has no value. Raises ValueError if a document has
    two rows in one group."""
    documents = frame.select(pl.col("document").unique().sort())
    groups = frame.select(by).unique().sort(by)
    at_document, at_group = places(frame, by, documents, groups)
    arrays = []
    for name in values:
        array = np.full((documents.height, groups.height), np.nan)
        array[at_document, at_group] = numbers(frame[name])
        arrays.append(array)
    return groups, arrays


def places(
    frame: pl.DataFrame, by: Sequence[str], documents: pl.DataFrame, groups: pl.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, the positions of its document and its group in these. Raises ValueError if a
    document has two rows in one group."""
    keys = frame.select("document", *(name for name in by if name != "document"))
    at_document, at_group = (
        keys.join(of.with_row_index("at"), on=of.columns, nulls_equal=True, maintain_order="left")[
            "at"
        ].to_numpy()
        for of in (documents, groups)
    )
    cells = at_document.astype(np.int64) * groups.height + at_group
    if len(np.unique(cells)) < len(cells):
        raise ValueError(f"a document has two rows with the same {', '.join(by)}")
    return at_document, at_group


def numbers(values: pl.Series) -> np.ndarray:
    """As float64, null as NaN."""
    array: np.ndarray = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return array


def _ratios(
    rows: Rows,
    by: Sequence[str],
    names: Sequence[str],
    pairs: Pairs,
    scales: Mapping[str, Callable[[np.ndarray], np.ndarray]],
) -> pl.DataFrame:
    """Sums of numerators over sums of weights. scales: from the scale of a ratio to that of the
    value, such as exp for a geometric mean."""
    blocks = [rows] if isinstance(rows, pl.DataFrame) else rows
    several = ["model"] if "model" in by else []
    both = _groups_and_documents(blocks, by, names, pairs, several)
    if both is None:  # no rows: the columns of the groups are those of an empty block
        return _with(next(iter(blocks)).select(by).clear(), names, [])
    groups, documents = both
    n_at_once = max(1, MOST_SUMS // ((1 + intervals.RESAMPLES) * len(names)))
    parts = []
    for of_model in groups.partition_by(several) if several else [groups]:
        of = documents.join(of_model.select(several).unique(), on=several) if several else documents
        read = of.select("document").sort("document")
        for start in range(0, of_model.height, n_at_once):
            some = of_model.slice(start, n_at_once)
            totals, counts = _totals(blocks, by, names, pairs, read, some)
            estimates = [
                intervals.estimates(above.sums(), below.sums(), counts[name])
                for name, (above, below) in totals.items()
            ]
            parts.append(_with(some.select(by), names, estimates, scales))
    return pl.concat(parts).sort(by)


def _groups_and_documents(
    blocks: Iterable[pl.DataFrame],
    by: Sequence[str],
    names: Sequence[str],
    pairs: Pairs,
    several: Sequence[str],
) -> tuple[pl.DataFrame, pl.DataFrame] | None:
    """The groups, with the largest absolute numerator and weight of each value; and the documents.
    None without rows."""
    groups: pl.DataFrame | None = None
    documents: pl.DataFrame | None = None
    for block in blocks:
        if block.is_empty():
            continue
        sizes = {
            f"{i} {name}": np.abs(np.where(_known(pair), pair[i], 0.0))
            for name, pair in pairs(block).items()
            for i in (0, 1)
        }
        largest = block.select(by).with_columns(**{k: pl.Series(v) for k, v in sizes.items()})
        largest = pl.concat([largest, *([] if groups is None else [groups])])
        groups = largest.group_by(by).agg(pl.col(list(sizes)).max())
        of_block = block.select(*several, "document")
        both = pl.concat([of_block, *([] if documents is None else [documents])])
        documents = both.unique()
    return None if groups is None or documents is None else (groups.sort(by), documents)


def _totals(
    blocks: Iterable[pl.DataFrame],
    by: Sequence[str],
    names: Sequence[str],
    pairs: Pairs,
    documents: pl.DataFrame,
    groups: pl.DataFrame,
) -> tuple[dict[str, list[Sums]], dict[str, np.ndarray]]:
    """Of each value the sums of numerators and weights, and the number of documents with a value,
    of some groups of one model. documents: those of the model."""
    n = documents.height
    totals = {name: [Sums(n, groups[f"{i} {name}"].to_numpy()) for i in (0, 1)] for name in names}
    counts = {name: np.zeros(groups.height, np.int64) for name in names}
    keys = groups.select(by)
    for block in blocks:
        own = block.join(keys, on=list(by), how="semi", nulls_equal=True, maintain_order="left")
        if own.is_empty():
            continue
        at_document, at_group = places(own, by, documents, keys)
        order = np.argsort(at_document, kind="stable")
        at_document, at_group = at_document[order], at_group[order]
        of_rows = {name: [array[order] for array in pair] for name, pair in pairs(own).items()}
        first, last = int(at_document[0]), int(at_document[-1])
        for start in range(first, last + 1, MOST_DOCUMENTS):
            stop = min(start + MOST_DOCUMENTS, last + 1)
            some = slice(*np.searchsorted(at_document, (start, stop)))
            cells = at_document[some] - start, at_group[some]
            for name, pair in of_rows.items():
                known = _known((pair[0][some], pair[1][some]))
                has_value = known & ((pair[0][some] != 0) | (pair[1][some] != 0))
                counts[name] += np.bincount(cells[1][has_value], minlength=groups.height)
                for total, array in zip(totals[name], pair, strict=True):
                    values = np.zeros((stop - start, groups.height))
                    values[cells] = np.where(known, array[some], 0.0)
                    total.add(start, values)
    return totals, counts


def _known(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    known: np.ndarray = np.isfinite(pair[0]) & np.isfinite(pair[1])
    return known


def _with(
    groups: pl.DataFrame,
    names: Sequence[str],
    estimates: Sequence[Estimates],
    scales: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None,
) -> pl.DataFrame:
    """The groups with four columns per value."""
    columns: dict[str, np.ndarray] = {}
    none = Estimates(*(np.empty(0) for _ in range(4)))
    for name, of in zip(names, estimates or [none] * len(names), strict=True):
        scale = (scales or {}).get(name, np.asarray)
        columns[name] = scale(of.value)
        columns[f"{name}_low"], columns[f"{name}_high"] = scale(of.low), scale(of.high)
        columns[f"{name}_n"] = of.n_documents
    frame = groups.with_columns(
        pl.Series(name, values).cast(pl.UInt32 if name.endswith("_n") else pl.Float64)
        for name, values in columns.items()
    )
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))
