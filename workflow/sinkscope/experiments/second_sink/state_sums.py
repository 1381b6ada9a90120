"""Sums of the residual states of one token over the documents of a shard; sums of shards add up."""

from __future__ import annotations

from collections.abc import Container

import polars as pl
from torch import Tensor

from sinkscope.experiments.second_sink.constants import STEPS
from sinkscope.measure.passes import unit


class States:
    """Takes one state per document. Sums the unit vectors, and keeps those of the documents in
    `documents`.

    Sums are integers, in steps of 1 / STEPS, so that they do not depend on the order of documents
    or on their division into shards.
    """

    def __init__(self, documents: Container[str]) -> None:
        self.documents = documents
        self._sums: dict[str, Tensor] = {}  # kind to int64 [layer, d]
        self._counts: dict[str, int] = {}
        self._units: dict[str, dict[str, Tensor]] = {}

    def add(self, kind: str, states: Tensor, document: str) -> None:
        """states: [layer, d] of one document."""
        units = unit(states)
        steps = (units * STEPS).round().long()
        self._sums[kind] = self._sums[kind] + steps if kind in self._sums else steps
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if document in self.documents:
            self._units.setdefault(kind, {})[document] = units

    def sums(self) -> pl.DataFrame:
        """mark, layer, n_documents, total (a list of d steps)."""
        return pl.concat(
            pl.DataFrame(
                {"layer": range(len(total)), "total": total.tolist()},
                schema_overrides={"total": pl.List(pl.Int64)},
            ).with_columns(mark=pl.lit(kind), n_documents=pl.lit(self._counts[kind]))
            for kind, total in self._sums.items()
        )

    def units(self, kind: str) -> pl.DataFrame:
        """document, layer, unit (a list of d numbers), of the documents in `documents`."""
        parts = [
            pl.DataFrame({"layer": range(len(units)), "unit": units.tolist()}).with_columns(
                document=pl.lit(document)
            )
            for document, units in self._units.get(kind, {}).items()
        ]
        return pl.concat(parts) if parts else pl.DataFrame()
