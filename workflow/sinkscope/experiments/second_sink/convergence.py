"""Similarity of one token's states across documents, from the sums of all shards."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from sinkscope.experiments.second_sink.constants import OWN, STEPS
from sinkscope.intervals import draws, interval

PAIR_STEPS = 2.0**30  # per unit of a cosine: sums over pairs of 2,000 documents are exact
LEAST_DOCUMENTS = 3  # two have one pair

Sums = dict[tuple[str, str, int], tuple[int, np.ndarray]]


def summed(parts: Iterable[pl.DataFrame]) -> Sums:
    """(model, mark, layer) to the number of documents and the sum of their unit vectors, in steps.

    parts: model, mark, layer, n_documents, total, one frame per shard. They are read one at a time,
    since all frames of a large grid may not fit into memory.
    """
    sums: Sums = {}
    for part in parts:
        if part.is_empty():
            continue
        for row in part.iter_slices(1):
            key = (row["model"][0], row["mark"][0], row["layer"][0])
            n, total = sums.get(key, (0, np.int64(0)))
            sums[key] = n + row["n_documents"][0], total + row["total"][0].to_numpy()
    return sums


def convergence(sums: Sums) -> pl.DataFrame:
    """model, mark, layer, n_documents; cosine, mean over pairs of documents; unit_distance, root
    mean square distance of unit vectors over pairs. Null if there is only one document.

    The sum of unit vectors is enough: |sum u|^2 = n + 2 (sum over pairs of the cosine).
    """
    rows = [
        (
            model,
            mark,
            layer,
            n,
            float((np.square(total / STEPS).sum() - n) / (n * (n - 1))) if n > 1 else None,
        )
        for (model, mark, layer), (n, total) in sorted(sums.items())
    ]
    schema = {
        "model": pl.String, "mark": pl.String, "layer": pl.Int64, "n_documents": pl.Int64,
        "cosine": pl.Float64,
    }  # fmt: skip
    table = pl.DataFrame(rows, schema=schema, orient="row")
    return table.with_columns(unit_distance=(2 - 2 * pl.col("cosine")).clip(0).sqrt())


def pairs(units: pl.DataFrame) -> pl.DataFrame:
    """model, document, other, layer, cosine: all ordered pairs of documents.

    units: model, document, layer, unit.
    """
    frames = []
    by = ["model", "layer"]
    for (model, layer), rows in units.sort(*by, "document").group_by(by, maintain_order=True):
        names = rows["document"].to_numpy()
        vectors = np.stack(rows["unit"].to_list())  # [document, d]
        one, other = np.indices((len(names), len(names))).reshape(2, -1)
        columns = {"document": names[one], "other": names[other]}
        frames.append(
            pl.DataFrame(columns | {"cosine": (vectors @ vectors.T).ravel()}).with_columns(
                model=pl.lit(model), layer=pl.lit(layer)
            )
        )
    return pl.concat(frames)


def pair_intervals(cosines: pl.DataFrame) -> pl.DataFrame:
    """model, mark (OWN), layer, n_documents, convergence_low, convergence_high: the interval of the
    mean cosine over pairs of documents. cosines: returned by pairs. Layers of fewer than
    LEAST_DOCUMENTS have no row."""
    rows, by = [], ["model", "layer"]
    ordered = cosines.sort(*by, "document", "other")
    for (model, layer), part in ordered.group_by(by, maintain_order=True):
        n = part["document"].n_unique()
        if n >= LEAST_DOCUMENTS:
            low, high = interval(mean_over_pairs(part["cosine"].to_numpy().reshape(n, n))[:, None])
            rows.append((model, OWN, layer, n, low.item(), high.item()))
    schema = {
        "model": pl.String, "mark": pl.String, "layer": pl.Int64, "n_documents": pl.Int64,
        "convergence_low": pl.Float64, "convergence_high": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def mean_over_pairs(cosines: np.ndarray) -> np.ndarray:
    """[1 + RESAMPLES]: mean over the pairs of different documents of each resample; NaN where one
    document was drawn alone. cosines: [document, document]."""
    weights = draws(len(cosines))
    same = np.square(weights).sum(1)  # pairs of a document with itself, or drawn twice
    others = np.rint(cosines * PAIR_STEPS) / PAIR_STEPS
    np.fill_diagonal(others, 0)
    sums, n_pairs = ((weights @ others) * weights).sum(1), len(cosines) ** 2 - same
    return np.divide(sums, n_pairs, out=np.full_like(sums, np.nan), where=n_pairs > 0)
