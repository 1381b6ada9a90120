"""Listings of corpora: of every row its place in the file, its hash and its sizes, or what is wrong
with it. Planning needs no more, so a large file is read once; jobs read the rows of their own
documents. Of a sample (Sampling) a listing holds the texts too.

A listing is kept in results/documents/ and made again when the size or the time of its file
changes. Only jobs and the start of a run write it, because planning writes nothing.
"""

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.corpus import EVERY, Corpus, Sampling, Store
from sinkscope.errors import SinkscopeError
from sinkscope.files import noted, written

FORMAT = "1"  # of a listing
BLOCK = 10_000  # rows of a Parquet file in memory at once
SCHEMA = {
    "row": pl.UInt32,
    "place": pl.UInt64,  # first byte of a line; the row itself in a Parquet file
    "sha256": pl.String,
    "n_characters": pl.UInt64,
    "n_words": pl.UInt64,
    "problem": pl.String,  # null for a document
    "text": pl.String,  # null unless the rows are a sample
}


def listing(corpus: Corpus, sampling: Sampling = EVERY, store: Store | None = None) -> pl.DataFrame:
    """The listing of a corpus, as SCHEMA. Raises SinkscopeError if the file cannot be read."""
    state = _state(corpus, sampling)
    path = store.path(corpus.name) if store else None
    kept = _kept(path, state) if path else None
    if kept is not None:
        return kept
    frame = _listed(corpus, sampling, state)
    if store and path and store.remember and (store.directory / "results").is_dir():
        with noted(), written(path) as temporary:  # not a result of the running job
            frame.write_parquet(temporary, metadata={"sinkscope_listing": state})
    return frame


def _state(corpus: Corpus, sampling: Sampling) -> str:
    status = corpus.path.stat()
    of_file = [corpus.shown_path, corpus.column, status.st_size, status.st_mtime_ns]
    return json.dumps([FORMAT, *of_file, sampling.size, sampling.seed])


def _kept(path: Path, state: str) -> pl.DataFrame | None:
    """The listing at `path`; None if there is none, or if it is of another state of the file."""
    try:
        if pl.read_parquet_metadata(path).get("sinkscope_listing") != state:
            return None
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        return None
    return frame if frame.schema == SCHEMA else None


@lru_cache(maxsize=16)
def _listed(corpus: Corpus, sampling: Sampling, state: str) -> pl.DataFrame:
    """state: as _state returns it; part of the key of the cache."""
    places = _places(corpus)
    rows = sampling.rows(corpus.name, len(places))
    is_sample = len(rows) < len(places)
    entries: list[tuple[Any, ...]] = []
    chosen = [places[row] for row in rows]
    for row, place, text in zip(rows, chosen, _texts(corpus, rows, chosen), strict=True):
        if isinstance(text, str):
            facts = hashlib.sha256(text.encode()).hexdigest(), len(text), len(text.split())
            entries.append((row, place, *facts, None, text if is_sample else None))
        else:
            entries.append((row, place, None, 0, 0, str(text), None))
    return pl.DataFrame(entries, schema=SCHEMA, orient="row")


def texts_of(corpus: Corpus, rows: Sequence[int], places: Sequence[int]) -> list[str]:
    """The texts of these rows of a corpus. places: their places, from the listing. Raises
    SinkscopeError if one is no text (any more)."""
    texts: list[str] = []
    for text in _texts(corpus, rows, places):
        if isinstance(text, SinkscopeError):
            raise text
        texts.append(text)
    return texts


def _places(corpus: Corpus) -> Sequence[int]:
    """The place of every row."""
    if corpus.path.suffix == ".parquet":
        return range(_parquet(corpus, pl.len()).item())
    places, n_kept, place = array("Q"), 0, 0
    with corpus.path.open("rb") as stream:
        for line in stream:
            places.append(place)
            place += len(line)
            if line.strip(b"\r\n"):
                n_kept = len(places)  # empty lines at the end of the file do not count
    return places[:n_kept]


def _texts(
    corpus: Corpus, rows: Sequence[int], places: Sequence[int]
) -> Iterator[str | SinkscopeError]:
    values = _of_parquet if corpus.path.suffix == ".parquet" else _of_jsonl
    for row, value in zip(rows, values(corpus, rows, places), strict=True):
        yield _as_text(value, corpus, row)


def _of_jsonl(corpus: Corpus, rows: Sequence[int], places: Sequence[int]) -> Iterator[object]:
    with corpus.path.open("rb") as stream:
        for row, place in zip(rows, places, strict=True):
            stream.seek(place)
            line = stream.readline().removeprefix(b"\xef\xbb\xbf" if place == 0 else b"")
            location = f"{corpus.shown_path} row {row}"
            try:
                yield json.loads(line.decode())[corpus.column]
            except UnicodeDecodeError as error:
                yield SinkscopeError(
                    f"{location}: not UTF-8 at byte {place + error.start} of the file; save the "
                    "file as UTF-8."
                )
            except (ValueError, KeyError, TypeError, RecursionError):
                yield SinkscopeError(
                    f"{location}: is not a JSON object with a text under '{corpus.column}'; "
                    "correct it, or name the column in text_column."
                )


def _of_parquet(corpus: Corpus, rows: Sequence[int], places: Sequence[int]) -> Iterator[object]:
    """The rows in order; blocks of the file without any of them are not read."""
    position = 0
    while position < len(rows):
        first = rows[position]
        stop = position
        while stop < len(rows) and rows[stop] < first + BLOCK:
            stop += 1
        length = rows[stop - 1] - first + 1
        block = _parquet(corpus, pl.col(corpus.column), slice_=(first, length)).to_series()
        yield from (block[rows[i] - first] for i in range(position, stop))
        position = stop


def _parquet(
    corpus: Corpus, expression: pl.Expr, slice_: tuple[int, int] | None = None
) -> pl.DataFrame:
    try:
        frame = pl.scan_parquet(corpus.path, glob=False)
        if corpus.column not in frame.collect_schema().names():
            raise pl.exceptions.ColumnNotFoundError(corpus.column)
        return (frame if slice_ is None else frame.slice(*slice_)).select(expression).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SinkscopeError(
            f"{corpus.shown_path}: is not a Parquet file with a column '{corpus.column}'; "
            "correct the file, or name the column in text_column."
        ) from error


def _as_text(value: object, corpus: Corpus, row: int) -> str | SinkscopeError:
    """The text without line ends at its end; or the error, which `value` may be already."""
    location, column = f"{corpus.shown_path} row {row}", corpus.column
    if isinstance(value, SinkscopeError):
        return value
    if not isinstance(value, str):
        return SinkscopeError(f"{location}: '{column}' is not text; correct the row.")
    try:
        value.encode()
    except UnicodeEncodeError:
        return SinkscopeError(
            f"{location}: '{column}' holds half of a surrogate pair, which is not a character; "
            "correct the row."
        )
    text = value.rstrip("\r\n")
    if not text.strip():
        name = corpus.document(row)
        return SinkscopeError(f"document '{name}': {location} is empty; add text or remove it.")
    return text
