"""Measures of max keys: the key of each query with the most attention, mean over heads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from sinkscope import means
from sinkscope.claims.measure import AbsentError, Number, Tables, estimate, measure, rows_of
from sinkscope.claims.measures.sink_mass import divided
from sinkscope.keys import KEY_CLASSES

COUNTINGS = {"tokens": "max_attention_tokens", "padded": "max_attention_tokens_padded"}
DOCUMENTS = {"tokens": "max_attention_documents", "padded": "max_attention_documents_padded"}
HISTOGRAMS = tuple(COUNTINGS.values())
LEGAL: dict[str, Any] = {"counting": tuple(COUNTINGS), "key_classes": KEY_CLASSES}
Counts = tuple[pl.DataFrame, np.ndarray, int] | None
Names = Sequence[str]


def chosen(tokens: Names, key_classes: Names) -> pl.Expr:
    """Rows of a histogram with these tokens (a leading space does not count) or these classes.
    Raises ValueError for an unknown class, and if neither tokens nor classes are given."""
    unknown = [name for name in key_classes if name not in KEY_CLASSES]
    if unknown:
        raise ValueError(f"no key class '{unknown[0]}'; they are {', '.join(KEY_CLASSES)}")
    if not tokens and not key_classes:
        raise ValueError("neither tokens nor key_classes are given")
    bare = pl.col("token").str.strip_chars_start("▁")
    return bare.is_in(list(tokens)) | pl.col("key_class").is_in(list(key_classes))


def counts_of(tables: Tables, model: str, counting: str = "tokens") -> Counts:
    """token, key_class; [1 + RESAMPLES, token], their counts over the documents of each resample;
    and the number of documents. None without rows. If the run has no counts per document, a single
    row (the sample) and the number 0. counting: tokens, or padded (queries at padding counted
    too)."""
    if (name := DOCUMENTS[counting]) in tables:
        columns = ["document", "token", "key_class", "count"]
        return resampled_counts(rows_of(tables, name, model, columns))
    keys = ["token", "key_class"]
    count = pl.col("count").sum().cast(pl.Float64)
    whole = tables[COUNTINGS[counting]].filter(model=model).group_by(keys).agg(count).sort(keys)
    return None if whole.is_empty() else (whole, whole["count"].to_numpy()[None], 0)


def resampled_counts(documents: pl.DataFrame) -> Counts:
    """As counts_of. documents: document, token, key_class, count."""
    if documents.is_empty():
        return None
    # Not as one matrix: most tokens are in few documents.
    keys, sums = zip(*means.sums(documents, ["token", "key_class"], "count"), strict=True)
    return pl.concat(keys), np.concatenate(sums, axis=1), documents["document"].n_unique()


def inside(keys: pl.DataFrame, tokens: Names, key_classes: Names) -> np.ndarray:
    return keys.select(chosen(tokens, key_classes)).to_series().to_numpy()


@measure("share of all max keys", *HISTOGRAMS, **LEGAL)
def max_key_share(
    tables: Tables, model: str, *, counting: str = "tokens", tokens: Names = (),
    key_classes: Names = (),
) -> Number:  # fmt: skip
    """Fraction of all max keys that are one of these tokens or classes."""
    if (counted := counts_of(tables, model, counting)) is None:
        return None
    keys, counts, n_documents = counted
    share = counts[:, inside(keys, tokens, key_classes)].sum(1) / counts.sum(1)
    return estimate(share, n_documents)


def lead(counts: np.ndarray, is_inside: np.ndarray) -> np.ndarray:
    """[1 + RESAMPLES]: fraction of the tokens inside, minus that of the most frequent other one."""
    others = np.where(is_inside, 0.0, counts).max(1)
    return (counts[:, is_inside].sum(1) - others) / counts.sum(1)


@measure("share of max keys above the next token", *HISTOGRAMS, **LEGAL)
def max_key_lead(
    tables: Tables, model: str, *, tokens: Names = (), key_classes: Names = ()
) -> Number:
    """Fraction of all max keys that are one of these tokens or classes, minus the fraction of the
    most frequent other token; above 0 if they lead."""
    if (counted := counts_of(tables, model)) is None:
        return None
    keys, counts, n_documents = counted
    return estimate(lead(counts, inside(keys, tokens, key_classes)), n_documents)


@measure("share of the last layer's max keys above the next token", "last_layer_keys")
def last_layer_lead(tables: Tables, model: str, *, tokens: Names) -> Number:
    """The same lead, over the queries of the last layer only."""
    columns = ["document", "token", "key_class", "share"]
    rows = rows_of(tables, "last_layer_keys", model, columns)
    rows = rows.with_columns(count=pl.col("share") * pl.len().over("document"))
    by_token = rows.group_by("document", "token", "key_class").agg(pl.col("count").sum())
    if (counted := resampled_counts(by_token)) is None:
        return None
    keys, counts, n_documents = counted
    return estimate(lead(counts, inside(keys, tokens, ())), n_documents)


@measure("ratio of counts of max keys", *HISTOGRAMS, is_part=False, **LEGAL)
def max_key_ratio(
    tables: Tables, model: str, *, tokens: Names, of: Names, counting: str = "tokens"
) -> Number:
    """Ratio of the counts of max keys: those among `tokens` over those among `of`."""
    if (counted := counts_of(tables, model, counting)) is None:
        return None
    keys, counts, n_documents = counted
    above, below = (counts[:, inside(keys, names, ())].sum(1) for names in (tokens, of))
    if not below[0]:
        raise AbsentError(f"{' and '.join(of)} is the max key of no query of {model}.")
    return estimate(divided(above, below), n_documents)
