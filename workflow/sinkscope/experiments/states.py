"""How alike the states of one token are across documents, for any number of documents."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.experiments.passes import unit


class Convergence:
    """Fed with one state a document, it gives the mean cosine over all pairs of documents.

    The sum of unit vectors is enough for that: |sum u|^2 = n + 2 (sum over pairs of the cosine).
    Of the documents in `wanted` the vectors themselves are kept too.
    """

    def __init__(self, wanted: Container[str]) -> None:
        self.wanted = wanted
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.kept: dict[str, dict[str, Tensor]] = {}

    def add(self, kind: str, states: Tensor, document: str) -> None:
        """states: [layer, d] of one document."""
        units = unit(states)
        self.sums[kind] = self.sums[kind] + units if kind in self.sums else units
        self.counts[kind] = self.counts.get(kind, 0) + 1
        kept = self.kept.setdefault(kind, {})
        if document in self.wanted:
            kept[document] = units

    def means(self) -> pl.DataFrame:
        """mark, layer, n_documents; cosine, mean over pairs; unit_distance, the root of the mean
        squared distance of unit vectors over pairs. Missing where there is but one document."""
        frames = []
        for kind, total in self.sums.items():
            n = self.counts[kind]
            known = n > 1
            cosine = (total.square().sum(-1).numpy() - n) / max(n * (n - 1), 1)
            frame = pl.DataFrame({"layer": np.arange(len(total)), "cosine": cosine})
            frames.append(
                frame.with_columns(
                    pl.when(known).then("cosine").alias("cosine"),
                    mark=pl.lit(kind),
                    n_documents=pl.lit(n),
                ).with_columns(unit_distance=(2 - 2 * pl.col("cosine")).clip(0).sqrt())
            )
        return pl.concat(frames)

    def pairs(self, kind: str) -> pl.DataFrame:
        """document, other, layer, cosine: of the documents that are kept, each with each."""
        names = list(self.kept[kind])
        if not names:
            return pl.DataFrame()
        units = torch.stack(list(self.kept[kind].values()), 1)  # [layer, document, d]
        cosine = (units @ units.transpose(1, 2)).numpy()
        layer, one, other = np.indices(cosine.shape).reshape(3, -1)
        return pl.DataFrame(
            {
                "document": np.array(names)[one],
                "other": np.array(names)[other],
                "layer": layer,
                "cosine": cosine.ravel(),
            }
        )
