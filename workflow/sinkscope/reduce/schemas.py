"""The tables people rely on: columns, types and order of rows. Changing one is a break."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from sinkscope.files import written
from sinkscope.keys import LOCAL_WIDTHS
from sinkscope.reduce.experiments import EXPERIMENTS
from sinkscope.reduce.table import Table
from sinkscope.spreadsheet import as_csv

HISTOGRAM = Table(
    {
        "model": pl.String,
        "token": pl.String,
        "key_class": pl.String,
        "count": pl.UInt64,
        "share": pl.Float64,
        "n_ties": pl.UInt64,
    },
    sort=("model", "token", "key_class"),
)

TABLES = {
    "max_attention_tokens": HISTOGRAM,
    "max_attention_tokens_padded": HISTOGRAM,
    "sink_mass": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "key_set": pl.String,
            "n_keys": pl.UInt32,
            "mass": pl.Float64,
            "strict_mass": pl.Float64,
        },
        sort=("model", "document", "layer", "key_set"),
    ),
    "sink_rate": Table(
        {
            "model": pl.String,
            "layer": pl.UInt16,
            "key_set": pl.String,
            "epsilon": pl.Float64,
            "window": pl.UInt32,
            "n_documents": pl.UInt32,
            "rate": pl.Float64,
        },
        sort=("model", "layer", "key_set", "window"),
    ),
    "heads": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "head": pl.UInt16,
            "n_queries": pl.UInt32,
            "sink_score": pl.Float64,
            "entropy": pl.Float64,
            "row_sum": pl.Float64,
            "over_half": pl.Float64,
            **{f"local_{width}": pl.Float64 for width in LOCAL_WIDTHS},
            **{f"local_{width}_no_sinks": pl.Float64 for width in LOCAL_WIDTHS},
        },
        sort=("model", "document", "layer", "head"),
        csv=False,
    ),
    "last_layer_keys": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "key": pl.UInt32,
            "token": pl.String,
            "key_class": pl.String,
            "n_queries": pl.UInt32,
            "received": pl.Float64,
            "share": pl.Float64,
        },
        sort=("model", "document", "layer", "key"),
        csv=False,
    ),
    "documents": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "path": pl.String,
            "row": pl.UInt32,
            "n_characters": pl.UInt64,
            "n_words": pl.UInt64,
            "n_tokens": pl.UInt32,
            "n_tokens_full": pl.UInt32,
            "truncated": pl.Boolean,
            "sha256": pl.String,
        },
        sort=("model", "document"),
    ),
    "models": Table(
        {
            "model": pl.String,
            "source": pl.String,
            "revision": pl.String,
            "architecture": pl.String,
            "attention": pl.String,
            "family": pl.String,
            "dtype": pl.String,
            "n_parameters": pl.UInt64,
            "n_layers": pl.UInt16,
            "n_heads": pl.UInt16,
            "n_key_value_heads": pl.UInt16,
            "hidden_size": pl.UInt32,
            "max_length": pl.UInt32,
        },
        sort=("model",),
    ),
}

# The tables that a model's cells are reduced to.
OF_MODEL = tuple(name for name in TABLES if name != "max_attention_tokens_padded")
SMALL_TABLES = [name for name, table in TABLES.items() if table.csv]


def conform(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """`frame` with exactly the table's columns, types and order of rows; NaN becomes null."""
    table = (TABLES | EXPERIMENTS)[name]
    floats = [column for column, kind in table.columns.items() if kind == pl.Float64]
    return (
        frame.select(pl.col(column).cast(kind) for column, kind in table.columns.items())
        .with_columns(pl.col(floats).fill_nan(None))
        .sort(table.sort, nulls_last=False)
    )


def write_table(frame: pl.LazyFrame, name: str, folder: Path) -> None:
    """Write `folder`/NAME.parquet, and .csv where the table is small, as the contract says."""
    complete = conform(frame, name).collect()
    with written(folder / f"{name}.parquet") as temporary:
        complete.write_parquet(temporary)
    if (TABLES | EXPERIMENTS)[name].csv:
        with written(folder / f"{name}.csv") as temporary:
            temporary.write_text(as_csv(complete), encoding="utf-8")
