"""Measures of the effects of text length and of special tokens."""

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AbsentError,
    Number,
    Tables,
    estimate,
    mean_of,
    measure,
    of_length,
    per_document,
    rows_of,
)
from sinkscope.claims.measures.sink_mass import SINK


@measure(
    "sink mass of whole documents over that of their beginnings",
    "sink_lengths",
    is_part=False,
    key_set=("first_token", "listed_sinks"),
)
def mass_by_length(tables: Tables, model: str, *, key_set: str = "first_token") -> Number:
    """Mass of a key set in whole documents, as a fraction of that in their first 16 to 32 tokens,
    in the layer where the latter is strongest."""
    rows = tables["sink_lengths"].filter(model=model, key_set=key_set)
    n, of_document = pl.col("n_tokens"), pl.col("n_tokens").max().over("document")
    short, whole = rows.filter(n.is_between(16, 32)), rows.filter(n == of_document, n > 32)
    shared = set(short["document"]) & set(whole["document"])
    if not shared:
        return None
    (begin, end) = (
        per_document(part.filter(pl.col("document").is_in(list(shared))), ["layer"], ["mass"])[1][0]
        for part in (short, whole)
    )
    layer = int(np.nanargmax(np.nanmean(begin, axis=0)))
    below = intervals.means(begin[:, [layer]])[:, 0]
    if below[0] < SINK:
        raise AbsentError(f"The key set {key_set} is not a sink of {model} in short texts.")
    return estimate(intervals.means(end[:, [layer]])[:, 0] / below, len(begin))


@measure(
    "sink rate of whole documents over that of their beginnings",
    *("sink_rate_documents", "documents"),
    is_part=False,
)
def sink_rate_left(tables: Tables, model: str, *, window: int) -> Number:
    """Sink rate over whole documents, as a fraction of that over their first `window` queries, for
    documents of at least 2 * window tokens."""
    kept = of_length(tables, model, 2 * window)
    where = pl.col("document").is_in(kept.implode()) & (pl.col("key_set") == "first_token")
    rows = rows_of(tables, "sink_rate_documents", model, where=where)
    counts = rows.group_by("document", "window").agg(pl.col("n_above", "n_heads").sum())
    whole, first = counts.filter(pl.col("window").is_null()), counts.filter(window=window)
    both = whole.join(first, on="document", suffix="_first").sort("document")
    if both.is_empty() or not both["n_above_first"].sum():
        return None
    values = both.select(pl.col("^n_(above|heads).*$").cast(pl.Float64))
    above, heads, above_first, heads_first = (
        values.select(name).to_numpy()
        for name in ("n_above", "n_heads", "n_above_first", "n_heads_first")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        left = intervals.ratios(above, heads) / intervals.ratios(above_first, heads_first)
    return estimate(left[:, 0], both.height)


@measure("attention to the first token without special tokens", "bos", input=("with", "without"))
def first_without_special(tables: Tables, model: str, *, input: str = "without") -> Number:
    """Attention on key 0 of texts without (or with) special tokens, in the layer with the most."""
    rows = tables["bos"].filter(model=model, input=input)
    return mean_of(rows, ["layer"], "first_token", "max")


@measure(
    "attention to the first token of a changed beginning, over that of the unchanged text",
    "position_content",
    is_part=False,
    input=("other_first_word", "filler", "filler_comma"),
)
def first_of_text(tables: Tables, model: str, *, input: str) -> Number:
    """Attention on key 0 of texts with a changed beginning, as a fraction of that of the unchanged
    text, in the layer where the latter is largest."""
    rows = tables["position_content"].filter(model=model, role="first_token")
    parts = [rows.filter(input=name).drop_nulls("mass") for name in ("text", input)]
    if any(part.is_empty() for part in parts):
        return None
    own, other = (per_document(part, ["layer"], ["mass"])[1][0] for part in parts)
    layer = int(np.nanargmax(np.nanmean(own, axis=0)))
    below = intervals.means(own[:, [layer]])[:, 0]
    if below[0] < SINK:
        raise AbsentError(f"The first token is not a sink of {model}.")
    if len(own) != len(other):
        return float(np.nanmean(other[:, layer]) / below[0])
    return estimate(intervals.means(other[:, [layer]])[:, 0] / below, len(own))
