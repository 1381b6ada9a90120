"""Corpora: .jsonl and .parquet files of which each row is a document; and samples of their rows.
`listings`, which needs Polars, reads them."""

import hashlib
import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = (".jsonl", ".parquet")


@dataclass(frozen=True)
class Corpus:
    """One row of the table of documents. shown_path: as it is written there. column: of texts."""

    name: str
    path: Path
    shown_path: str
    column: str

    def document(self, row: int) -> str:
        """The name of the document of a row."""
        return f"{self.name}-{row:06d}"


@dataclass(frozen=True)
class Sampling:
    """The sampled rows of each corpus: the `size` rows (0: all) with the smallest hashes of seed,
    name of the corpus and row number. A row added to a file displaces at most one other."""

    size: int = 0
    seed: int = 0

    def rows(self, name: str, n_rows: int) -> Sequence[int]:
        """The rows of a corpus of n_rows rows, in order."""
        if not self.size or self.size >= n_rows:
            return range(n_rows)

        def rank(row: int) -> bytes:
            return hashlib.sha256(f"{self.seed} {name} {row}".encode()).digest()

        return sorted(heapq.nsmallest(self.size, range(n_rows), key=rank))


EVERY = Sampling()


@dataclass(frozen=True)
class Store:
    """Where listings are kept: the folder of the run. remember: whether new ones are written."""

    directory: Path
    remember: bool = False

    def path(self, name: str) -> Path:
        return self.directory / "results" / "documents" / f"{name}.parquet"
