"""The tables of one model from its cells, a few documents at a time.

Memory does not grow with the number of documents: the rows of a batch of documents go to a file
before the next batch is read, counts are added up, and means over documents are taken layer by
layer from the file. The tables are those of `tables_of_model`, which holds all cells at once.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.atlas import derive
from sinkscope.atlas.limits import Limits
from sinkscope.atlas.max_keys import histogram
from sinkscope.atlas.sinks import counted_tokens, joined_tokens
from sinkscope.atlas.tables import TABLES
from sinkscope.extract.cell import Cell
from sinkscope.files import PART
from sinkscope.tables.contract import conform
from sinkscope.tables.stream import sink_table

N_DOCUMENTS = 128  # in memory at once
MOST_ROWS = 500_000  # of the masses and rates that means are taken of at once

Entry = Mapping[str, Any]
# Tables that are computed from all documents; the others have rows for each document.
OVER_DOCUMENTS = ("max_attention_tokens", "sink_tokens", "sink_mass_means", "sink_rate")
OF_DOCUMENTS = tuple(
    name
    for name in (*derive.MEASURED, "documents")
    if name not in (*OVER_DOCUMENTS, "sink_rate_documents")
)


def reduce_cells(
    model: Mapping[str, Any],
    entries: Sequence[Entry],
    cells_of: Callable[[Sequence[Entry]], Iterable[Cell]],
    limits: Limits,
    out: Path,
) -> None:
    """Write a model's part of every table, as `out`/TABLE.parquet.

    model: its facts. entries: at least one entry of its manifests. cells_of: reads the summaries
    of some entries, in their order.
    """
    out.mkdir(parents=True, exist_ok=True)
    name = model["model"]
    with tempfile.TemporaryDirectory(PART, ".pieces.", out) as folder:
        pieces = Pieces(Path(folder))
        for part in batches(entries):
            cells = list(cells_of(part))
            add(pieces, model, part, cells, limits)
        for table in OF_DOCUMENTS:
            sink_table(pieces.scan(table), table, TABLES[table], out)
        heads = pieces.scan("scored").filter(pl.col("n_heads") > 0)
        rows = {
            "sink_rate_documents": heads,
            "models": derive.joined_models(pieces.scan("models")),
            "max_attention_tokens": histogram([pieces.scan("max_attention_tokens")]),
            "sink_tokens": joined_tokens([pieces.scan("sink_tokens")]),
            "sink_rate": by_layers(pieces.scan("scored"), derive.sink_rate),
            "sink_mass_means": by_layers(pieces.scan("sink_mass"), derive.mass_means),
        }
        for table, frame in rows.items():
            with_model = frame.with_columns(model=pl.lit(name))
            sink_table(conform(with_model, TABLES[table]), table, TABLES[table], out)


def batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries by the names of their documents, which is the order of the tables."""
    in_order = sorted(entries, key=lambda entry: entry["document"])
    for start in range(0, len(in_order), N_DOCUMENTS):
        yield in_order[start : start + N_DOCUMENTS]


class Pieces:
    """Frames by name, each in files of one batch."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        self._files: dict[str, list[Path]] = {}

    def add(self, name: str, frame: pl.LazyFrame) -> None:
        path = self._folder / f"{next(self._numbers):06d}.parquet"
        frame.collect().write_parquet(path, compression="lz4")
        self._files.setdefault(name, []).append(path)

    def scan(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self._files[name], glob=False)


def add(
    pieces: Pieces,
    model: Mapping[str, Any],
    entries: Sequence[Entry],
    cells: Sequence[Cell],
    limits: Limits,
) -> None:
    """Add the rows of a batch."""
    name = model["model"]
    for table, frame in derive.of_run(model, cells, entries).items():
        pieces.add(table, frame)
    for table in OF_DOCUMENTS:
        if table in derive.MEASURED:
            pieces.add(table, derive.table_of_cells(table, name, cells, limits))
    pieces.add("max_attention_tokens", derive.MEASURED["max_attention_tokens"](cells, limits))
    pieces.add("sink_tokens", counted_tokens(cells))
    order = TABLES["sink_rate_documents"].sort[1:]
    pieces.add("scored", derive.scores_of(cells, limits.epsilon).sort(order, nulls_last=False))


def by_layers(rows: pl.LazyFrame, means: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.LazyFrame:
    """means(rows), of some layers at a time."""
    n_rows = rows.group_by("layer").agg(pl.len()).sort("layer").collect()
    parts: list[pl.LazyFrame] = []
    waiting: list[int] = []
    n_waiting = 0
    for layer, n in n_rows.iter_rows():
        if waiting and n_waiting + n > MOST_ROWS:
            parts.append(means(rows.filter(pl.col("layer").is_in(waiting))))
            waiting, n_waiting = [], 0
        waiting.append(layer)
        n_waiting += n
    parts.append(means(rows.filter(pl.col("layer").is_in(waiting))))
    return pl.concat(parts)
