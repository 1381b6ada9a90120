"""The tables people rely on: columns, types and order of rows. Changing one is a break."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from sinkscope.files import written
from sinkscope.keys import LOCAL_WIDTHS


@dataclass(frozen=True)
class Table:
    """columns: name and type, in order. sort: columns that order, and identify, the rows.

    csv: small enough to be written as CSV too.
    """

    columns: dict[str, type[pl.DataType]]
    sort: tuple[str, ...]
    csv: bool = True


_HISTOGRAM = Table(
    {
        "model": pl.String,
        "token": pl.String,
        "key_class": pl.String,
        "count": pl.UInt64,
        "share": pl.Float64,
    },
    sort=("model", "token", "key_class"),
)

TABLES = {
    "max_attention_tokens": _HISTOGRAM,
    "max_attention_tokens_padded": _HISTOGRAM,
    "sink_mass": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "key_set": pl.String,
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

# Tables of experiments: there where the grid has what an experiment is about.
EXPERIMENTS = {
    "emergence": Table(
        {
            "model": pl.String,
            "family": pl.String,
            "attention": pl.String,
            "step": pl.UInt32,
            "tokens": pl.UInt64,
            "train_loss": pl.Float64,
            "heldout_loss": pl.Float64,
            "window": pl.UInt32,
            "layer": pl.UInt16,
            "head": pl.UInt16,
            "first_token": pl.Float64,
            "first_and_special": pl.Float64,
            "row_sum": pl.Float64,
        },
        sort=("model", "step", "window", "layer", "head"),
    ),
    "attachment": Table(
        {
            "model": pl.String,
            "family": pl.String,
            "attention": pl.String,
            "input": pl.String,
            "window": pl.UInt32,
            "layer": pl.UInt16,
            "first_token": pl.Float64,
            "first_and_special": pl.Float64,
            "moved": pl.Float64,
            "uniform": pl.Float64,
            "loss": pl.Float64,
        },
        sort=("model", "input", "window", "layer"),
    ),
    "induction": Table(
        {
            "model": pl.String,
            "layer": pl.UInt16,
            "head": pl.UInt16,
            "induction_score": pl.Float64,
            "duplicate_score": pl.Float64,
            "is_induction": pl.Boolean,
            "threshold": pl.Float64,
            "first_token": pl.Float64,
            "over_half": pl.Float64,
            "first_token_peers": pl.Float64,
            "over_half_peers": pl.Float64,
        },
        sort=("model", "layer", "head"),
    ),
    "induction_patterns": Table(
        {
            "model": pl.String,
            "layer": pl.UInt16,
            "head": pl.UInt16,
            "input": pl.String,
            "query": pl.UInt32,
            "key": pl.UInt32,
            "attention": pl.Float64,
        },
        sort=("model", "layer", "head", "input", "query", "key"),
        csv=False,
    ),
    "second_sink": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "mark": pl.String,
            "is_own": pl.Boolean,
            "layer": pl.UInt16,
            "key": pl.UInt32,
            "n_queries": pl.UInt32,
            "first_token": pl.Float64,
            "second_sink": pl.Float64,
            "ratio": pl.Float64,
            "next_terminator": pl.Float64,
            "first_token_before": pl.Float64,
            "strongest_key": pl.UInt32,
            "strongest_token": pl.String,
            "strongest": pl.Float64,
            "cosine": pl.Float64,
            "unit_distance": pl.Float64,
            "cosine_others": pl.Float64,
        },
        sort=("model", "document", "mark", "layer"),
    ),
    "second_sink_local": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "query": pl.UInt32,
            "key": pl.UInt32,
            "first_token": pl.Float64,
            "second_sink": pl.Float64,
            "local": pl.Float64,
            "local_no_first": pl.Float64,
        },
        sort=("model", "document", "layer", "query"),
        csv=False,
    ),
    "second_sink_layers": Table(
        {
            "model": pl.String,
            "mark": pl.String,
            "layer": pl.UInt16,
            "n_documents": pl.UInt32,
            "first_token": pl.Float64,
            "second_sink": pl.Float64,
            "ratio": pl.Float64,
            "next_terminator": pl.Float64,
            "strongest": pl.Float64,
            "threshold": pl.Float64,
            "is_second_sink": pl.Boolean,
            "cosine": pl.Float64,
            "unit_distance": pl.Float64,
            "cosine_others": pl.Float64,
            "n_states": pl.UInt32,
            "convergence": pl.Float64,
            "convergence_distance": pl.Float64,
        },
        sort=("model", "mark", "layer"),
    ),
    "second_sink_states": Table(
        {
            "model": pl.String,
            "layer": pl.UInt16,
            "document": pl.String,
            "other": pl.String,
            "cosine": pl.Float64,
        },
        sort=("model", "layer", "document", "other"),
    ),
    "second_sink_maps": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "second_sink": pl.UInt32,
            "query": pl.UInt32,
            "key": pl.UInt32,
            "token": pl.String,
            "attention": pl.Float64,
        },
        sort=("model", "layer", "query", "key"),
        csv=False,
    ),
    "bos": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "input": pl.String,
            "is_usual": pl.Boolean,
            "layer": pl.UInt16,
            "first_token": pl.Float64,
            "first_word": pl.Float64,
        },
        sort=("model", "document", "input", "layer"),
    ),
    "position_content": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "input": pl.String,
            "layer": pl.UInt16,
            "role": pl.String,
            "mass": pl.Float64,
        },
        sort=("model", "document", "input", "layer", "role"),
    ),
    "norms": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "position": pl.UInt32,
            "token": pl.String,
            "key_class": pl.String,
            "state": pl.Float64,
            "key": pl.Float64,
            "value": pl.Float64,
        },
        sort=("model", "document", "layer", "position"),
        csv=False,
    ),
    "norm_ratios": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "sink": pl.String,
            "position": pl.UInt32,
            "state": pl.Float64,
            "key": pl.Float64,
            "value": pl.Float64,
        },
        sort=("model", "document", "layer", "sink"),
    ),
    "norm_weighted": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "key_set": pl.String,
            "mass": pl.Float64,
            "norm_mass": pl.Float64,
        },
        sort=("model", "document", "layer", "key_set"),
    ),
    "activations": Table(
        {
            "model": pl.String,
            "document": pl.String,
            "layer": pl.UInt16,
            "rank": pl.UInt32,
            "dimension": pl.UInt32,
            "position": pl.UInt32,
            "token": pl.String,
            "key_class": pl.String,
            "activation": pl.Float64,
            "median": pl.Float64,
            "is_massive": pl.Boolean,
        },
        sort=("model", "document", "layer", "rank"),
    ),
}

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
            complete.write_csv(temporary)
