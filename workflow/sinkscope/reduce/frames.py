"""One cell's arrays as long frames, one row an entry. Pure functions, no files."""

from __future__ import annotations

import numpy as np
import polars as pl

from sinkscope.extract.cell import Cell
from sinkscope.keys import LOCAL_WIDTHS


def _indices(shape: tuple[int, ...], *names: str) -> dict[str, np.ndarray]:
    """Index columns of an array of this shape, flattened with the last axis fastest."""
    grids = np.indices(shape, dtype=np.uint32).reshape(len(shape), -1)
    return dict(zip(names, grids, strict=True))


def max_key_counts(cell: Cell, padded_to: int | None = None) -> pl.LazyFrame:
    """token, key_class, count of the max keys of all layers and queries of one document.

    padded_to: count the queries at padding up to this length as well (encoders only).
    """
    keys = cell["max_key"] if padded_to is None else cell["padded_max_key"][:, :padded_to]
    names = pl.DataFrame({"token": cell.meta["tokens"], "key_class": cell.meta["classes"]})
    names = names.with_row_index("key")
    return (
        pl.LazyFrame({"key": keys.ravel().astype(np.uint32)})
        .group_by("key")
        .len(name="count")
        .join(names.lazy(), on="key")
        .group_by("token", "key_class")
        .agg(pl.col("count").sum().cast(pl.UInt64))
    )


def masses(cell: Cell) -> pl.LazyFrame:
    """layer, key_set, mass, strict_mass."""
    index = _indices(cell["mass"].shape, "layer", "key_set")
    names = np.array(cell.meta["key_sets"])
    return pl.LazyFrame(
        {
            "layer": index["layer"],
            "key_set": names[index["key_set"]],
            "mass": cell["mass"].ravel(),
            "strict_mass": cell["strict_mass"].ravel(),
        }
    )


def heads(cell: Cell) -> pl.LazyFrame:
    """layer, head, sink_score at key 0, entropy, sum of a row, over_half, and local masses."""
    columns = {
        "sink_score": cell["sink_score"][:, :, 0],
        "entropy": cell["entropy"],
        "row_sum": cell["row_sum"],
        "over_half": cell["over_half"],
    }
    for i, width in enumerate(LOCAL_WIDTHS):
        columns[f"local_{width}"] = cell["local"][:, :, i]
        columns[f"local_{width}_no_sinks"] = cell["local_no_sinks"][:, :, i]
    index = _indices(cell["entropy"].shape, "layer", "head")
    return pl.LazyFrame(index | {name: values.ravel() for name, values in columns.items()})


def best_sink_scores(cell: Cell) -> pl.LazyFrame:
    """layer, head, key_set, window, score: key 0, and the best key of every key class.

    window: null for all queries, else the number of first tokens; absent where the document
    is shorter. Of a class only keys count that at least half of the queries see: under a
    causal mask the last keys are seen by a few queries, the last one by itself alone, and
    would look like sinks.
    """
    window, n_tokens = cell.meta["window"], cell.n_tokens
    parts = [_best(cell["sink_score"], cell, n_tokens, None)]
    if n_tokens >= window:
        # An encoder's window has all keys of the document; a decoder's, those of the window.
        n_keys = window if cell.meta["is_causal"] else n_tokens
        parts.append(_best(cell["window_score"], cell, n_keys, window))
    return pl.concat(parts)


def _best(scores: np.ndarray, cell: Cell, n_keys: int, window: int | None) -> pl.LazyFrame:
    counted = -(-n_keys // 2) if cell.meta["is_causal"] else n_keys
    scores = scores[..., :counted]
    index = _indices(scores.shape, "layer", "head", "key")
    classes = np.array(cell.meta["classes"][:counted])
    frame = pl.LazyFrame(index | {"score": scores.ravel(), "class": classes[index["key"]]})
    by_class = frame.group_by("layer", "head", pl.col("class").alias("key_set"))
    first = frame.filter(pl.col("key") == 0).with_columns(key_set=pl.lit("first_token"))
    best = [by_class.agg(pl.col("score").max()), first.select("layer", "head", "key_set", "score")]
    return pl.concat(best).with_columns(window=pl.lit(window, dtype=pl.UInt32))


def last_layer_keys(cell: Cell) -> pl.LazyFrame:
    """layer, key, token, key_class, received, share, of the last layer.

    received: head mean of the sink score; share: the part of all max keys of the layer.
    """
    layer = len(cell["max_key"]) - 1
    received = cell["sink_score"][layer].mean(0, dtype=np.float64)  # [key]
    counts = np.bincount(cell["max_key"][layer], minlength=cell.n_tokens)
    return pl.LazyFrame(
        {
            "key": np.arange(cell.n_tokens, dtype=np.uint32),
            "token": cell.meta["tokens"],
            "key_class": cell.meta["classes"],
            "received": received,
            "share": counts / cell.n_tokens,
        }
    ).with_columns(layer=pl.lit(layer, dtype=pl.UInt16))
