"""Measures of max keys: the key of each query with the most attention, mean over heads."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from sinkscope.claims.measure import AbsentError, Measure, Tables, number
from sinkscope.keys import KEY_CLASSES

COUNTINGS = {"tokens": "max_attention_tokens", "padded": "max_attention_tokens_padded"}


def histogram(tables: Tables, model: str, counting: str) -> pl.DataFrame:
    """Counts of max keys. counting: tokens, or padded (queries at padding counted too)."""
    return tables[COUNTINGS[counting]].filter(pl.col("model") == model)


def chosen(tokens: Sequence[str], key_classes: Sequence[str]) -> pl.Expr:
    """Rows of a histogram with these tokens (a leading space does not count) or these classes.
    Raises ValueError for an unknown class, and if neither tokens nor classes are given."""
    unknown = [name for name in key_classes if name not in KEY_CLASSES]
    if unknown:
        raise ValueError(f"no key class '{unknown[0]}'; they are {', '.join(KEY_CLASSES)}")
    if not tokens and not key_classes:
        raise ValueError("neither tokens nor key_classes are given")
    bare = pl.col("token").str.strip_chars_start("▁")
    return bare.is_in(list(tokens)) | pl.col("key_class").is_in(list(key_classes))


def max_key_share(
    tables: Tables, model: str, *, counting: str = "tokens",
    tokens: Sequence[str] = (), key_classes: Sequence[str] = (),
) -> float | None:  # fmt: skip
    """Fraction of all max keys that are one of these tokens or classes."""
    count = pl.col("count")
    share = count.filter(chosen(tokens, key_classes)).sum() / count.sum()
    return number(histogram(tables, model, counting), share)


def lead(counts: pl.DataFrame, inside: pl.Expr) -> float | None:
    """Fraction of the rows `inside`, minus that of the most frequent other token. counts: token,
    key_class, count."""
    count = pl.col("count").cast(pl.Float64)
    others = count.filter(~inside).max().fill_null(0)
    return number(counts, (count.filter(inside).sum() - others) / count.sum())


def max_key_lead(
    tables: Tables, model: str, *, tokens: Sequence[str] = (), key_classes: Sequence[str] = ()
) -> float | None:
    """Fraction of all max keys that are one of these tokens or classes, minus the fraction of the
    most frequent other token; above 0 if they lead."""
    return lead(histogram(tables, model, "tokens"), chosen(tokens, key_classes))


def last_layer_lead(tables: Tables, model: str, *, tokens: Sequence[str]) -> float | None:
    """The same lead, over the queries of the last layer only."""
    counts = (
        tables["last_layer_keys"]
        .filter(pl.col("model") == model)
        .with_columns(count=pl.col("share") * pl.len().over("document"))
        .group_by("token", "key_class")
        .agg(pl.col("count").sum())
    )
    return lead(counts, chosen(tokens, ()))


def max_key_ratio(
    tables: Tables, model: str, *, tokens: Sequence[str], of: Sequence[str],
    counting: str = "tokens",
) -> float | None:  # fmt: skip
    """Ratio of the counts of max keys: those among `tokens` over those among `of`."""
    counts, count = histogram(tables, model, counting), pl.col("count")
    if counts.height and not counts.filter(chosen(of, ())).height:
        raise AbsentError(f"{' and '.join(of)} is the max key of no query of {model}.")
    return number(
        counts, count.filter(chosen(tokens, ())).sum() / count.filter(chosen(of, ())).sum()
    )


HISTOGRAMS = ("max_attention_tokens", "max_attention_tokens_padded")

MEASURES = {
    "max_key_share": Measure(max_key_share, "share of all max keys", HISTOGRAMS),
    "max_key_lead": Measure(max_key_lead, "share of max keys above the next token", HISTOGRAMS),
    "max_key_ratio": Measure(max_key_ratio, "ratio of counts of max keys", HISTOGRAMS, False),
    "last_layer_lead": Measure(
        last_layer_lead,
        "share of the last layer's max keys above the next token",
        ("last_layer_keys",),
    ),
}
