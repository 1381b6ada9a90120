"""What sinks receive in each layer, as a fraction of all attention of the layer.

Rows of attention other than softmax need not sum to 1. A mass is therefore divided by the mean sum
of a row, which is 1 for softmax.
"""

import polars as pl

from sinkscope import means
from sinkscope.charts.figure import Tables
from sinkscope.keys import SPECIAL_CLASSES
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

# The parts of a bar, from below: key 0; other special tokens; other tokens of the text.
FIRST, SPECIAL, TEXT = PARTS = ("first", "special", "text")
BY = ["model", "document", "layer"]


def blocks_of(tables: Tables) -> Blocks:
    """Of each document what of_documents returns."""
    return Blocks(tables, "heads", of_documents)


def of_documents(tables: Tables) -> pl.DataFrame:
    """model, document, layer, and parts of the layer's attention: first (key 0), special and text
    (the other sinks; null in documents too short for the sink rule), and uniform, what key 0 would
    get under uniform attention."""
    masses = [*BY, "mass", "uniform_mass"]
    first = selected(tables, "sink_mass", masses, pl.col("key_set") == "first_token")
    of_sinks = selected(tables, "sink_mass", masses, pl.col("key_set") == "sinks")
    judged = of_sinks.drop_nulls("mass").select(BY)
    is_other = pl.col("is_sink") & (pl.col("key") > 0)
    per_sink = selected(tables, "found_sinks", [*BY, "key_class", "mass"], is_other)
    others = per_sink.with_columns(
        part=pl.when(pl.col("key_class").is_in(SPECIAL_CLASSES))
        .then(pl.lit(SPECIAL))
        .otherwise(pl.lit(TEXT))
    )
    sums = others.group_by(*BY, "part").agg(pl.col("mass").sum())
    parts = {
        part: judged.join(
            sums.filter(pl.col("part") == part).select(*BY, pl.col("mass").alias(part)),
            on=BY,
            how="left",
        ).with_columns(pl.col(part).fill_null(0.0))
        for part in (SPECIAL, TEXT)
    }
    shares = first.select(*BY, pl.col("mass").alias(FIRST), uniform="uniform_mass")
    for part in parts.values():
        shares = shares.join(part, on=BY, how="left")
    return (
        shares.join(row_sums(tables), on=BY, how="left")
        .with_columns(pl.col(*PARTS) / pl.col("row_sum"))
        .drop("row_sum")
        .sort(BY)
    )


def row_sums(tables: Tables) -> pl.DataFrame:
    """model, document, layer, row_sum: mean sum of the rows; exactly 1 for softmax."""
    heads = selected(tables, "heads", [*BY, "row_sum"])
    sums = heads.group_by(BY).agg(pl.col("row_sum").mean())
    kinds = tables["models"].select("model", "attention")
    is_softmax = pl.col("attention") == "softmax"
    return sums.join(kinds, on="model").select(
        *BY, row_sum=pl.when(is_softmax).then(1.0).otherwise("row_sum")
    )


def over_documents(shares: means.Rows) -> pl.DataFrame:
    """model, layer, and the mean over documents of each part and of uniform, with its interval."""
    return means.over_documents(shares, ["model", "layer"], [*PARTS, "uniform"])


def of_words(tables: Tables) -> pl.DataFrame:
    """One row per model, layer and token of the text that is a sink of the layer in more than half
    of the judged documents that hold the token: token, key_class, share (mean over these documents
    of what its occurrences that are sinks receive together), its interval, n (documents in which it
    is a sink) and n_documents (judged documents with the token)."""
    is_text = (pl.col("key") > 0) & ~pl.col("key_class").is_in(SPECIAL_CLASSES)
    held = tables["sink_tokens"].select("model", "token", "key_class", "n_documents")
    token = ["model", "layer", "token", "key_class"]

    def shares(of: Tables) -> pl.DataFrame:
        columns = ["document", *token, "mass"]
        per_sink = selected(of, "found_sinks", columns, pl.col("is_sink") & is_text)
        sums = per_sink.group_by("document", *token).agg(pl.col("mass").sum())
        sums = sums.join(row_sums(of), on=BY)
        return sums.with_columns(share=pl.col("mass") / pl.col("row_sum"))

    mean = means.over_documents(Blocks(tables, "heads", shares), token, ["share"])
    joined = mean.join(held, on=["model", "token", "key_class"])
    return joined.rename({"share_n": "n"}).filter(pl.col("n") * 2 > pl.col("n_documents"))
