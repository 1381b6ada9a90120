"""The tables of one text for a terminal."""

from __future__ import annotations

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sinkscope import words
from sinkscope.extract.cell import Cell

BAR = 24  # characters of a mass of 1
WIDE = 80  # smallest width of a terminal with bars, in columns
QUERIES, KEYS = 32, 3  # numbers that are shown per head
SHOWN_SETS = {
    "first_token": "first token",
    "special": "special",
    "first_terminator": "sentence end",
    "sinks": "all sinks",
}


def print_look(console: Console, cell: Cell, tables: dict[str, pl.DataFrame]) -> None:
    """Print top max keys, sink mass by layer, best heads, and the heads with maps in the cell."""
    model = tables["models"].row(0, named=True)
    plain = console.options.ascii_only
    console.print(
        f"[bold]{escape(model['model'])}[/]: {model['architecture']}, {model['n_layers']} layers x "
        f"{model['n_heads']} heads, {cell.n_tokens} tokens",
        highlight=False,
    )
    parts = [
        top_keys(tables, plain=plain),
        sinks(tables, plain=plain),
        mass_by_layer(tables, None if console.width < WIDE else "#" if plain else "\u2588"),
        best_heads(tables),
        *(head_queries(cell, head, plain=plain) for head in cell.meta["heads"]),
    ]
    for table in parts:
        table.padding = (0, 2) if console.width >= WIDE else (0, 1)
        # As a title of the table, rich would fold it to the table's width.
        title, table.title = str(table.title), None
        console.print()
        console.print(Text(title, style="bold"))
        console.print(table)


def shown(token: str, *, plain: bool) -> Text:
    """A token for a terminal. plain: the terminal shows only ASCII.

    It is a Text, because rich would read a token such as [SEP] as markup in a string.
    """
    if plain:
        token = token.replace("\u2581", "_").replace("\u23ce", "\\n")
        token = token.encode("ascii", "backslashreplace").decode()
    return Text(token)


def top_keys(tables: dict[str, pl.DataFrame], n: int = 10, *, plain: bool) -> Table:
    top = tables["max_attention_tokens"].sort("count", descending=True, maintain_order=True)
    table = _table("Max keys: where a query looks most")
    table.add_column("token", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("count", justify="right", overflow="fold")
    table.add_column("share", justify="right", no_wrap=True)
    for row in top.head(n).iter_rows(named=True):
        token, share = shown(row["token"], plain=plain), f"{row['share']:.1%}"
        table.add_row(token, row["key_class"], str(row["count"]), share)
    return table


def sinks(tables: dict[str, pl.DataFrame], n: int = 10, *, plain: bool) -> Table:
    """The keys that are sinks of at least one layer, the largest mass first."""
    lives = tables["sink_lives"].sort("peak_mass", "key", descending=[True, False]).head(n)
    table = _table("Sinks: keys that receive much attention from most queries")
    table.add_column("key", justify="right", overflow="fold")
    table.add_column("token", overflow="fold")
    for name in ("layers", "peak layer", "mass there"):
        table.add_column(name, justify="right", overflow="fold")
    for row in lives.iter_rows(named=True):
        layers = words.ranged([row["first_layer"], row["last_layer"]])
        values = (layers, str(row["peak_layer"]), f"{row['peak_mass']:.3f}")
        table.add_row(str(row["key"]), shown(row["token"], plain=plain), *values)
    if lives.is_empty():
        table.add_row("", "none; the text may be too short for the sink rule", "", "", "")
    return table


def mass_by_layer(tables: dict[str, pl.DataFrame], mark: str | None) -> Table:
    """Sink mass by layer. mark: character of the bars of the mass of all sinks; None: no bars."""
    has_keys = (pl.col("n_keys").max() > 0).over("key_set")  # sinks may be in some layers only
    masses = tables["sink_mass"].filter(has_keys | (pl.col("key_set") == "sinks"))
    masses = masses.pivot("key_set", index="layer", values="mass").sort("layer")
    sets = [name for name in SHOWN_SETS if name in masses.columns]
    table = _table("Sink mass by layer: mean attention to a set of keys")
    table.add_column("layer", justify="right")
    for name in sets:
        table.add_column(SHOWN_SETS[name], justify="right", min_width=5, overflow="fold")
    if mark:
        table.add_column("", no_wrap=True, overflow="crop")
    for row in masses.iter_rows(named=True):
        bar = [mark * round(BAR * (row["sinks"] or 0))] if mark else []
        values = ("-" if row[name] is None else f"{row[name]:.3f}" for name in sets)
        table.add_row(str(row["layer"]), *values, *bar)
    return table


def best_heads(tables: dict[str, pl.DataFrame], n: int = 10) -> Table:
    best = tables["heads"].sort("sink_score", descending=True, maintain_order=True).head(n)
    table = _table("Best heads: highest sink score at key 0")
    for name in ("layer", "head", "sink score", "entropy", "local mass (5), no sinks"):
        table.add_column(name, justify="right", overflow="fold")
    for row in best.iter_rows(named=True):
        values = (row["sink_score"], row["entropy"], row["local_5_no_sinks"])
        shown_values = ("-" if value is None else f"{value:.3f}" for value in values)
        table.add_row(str(row["layer"]), str(row["head"]), *shown_values)
    return table


def head_queries(cell: Cell, head: str, *, plain: bool) -> Table:
    """The keys with the most attention per query of one head (LAYER/HEAD).

    At most QUERIES queries, spread over the text, are shown. If the text is too long for an exact
    map, queries and keys are blocks of tokens, named after their first token, and attention is the
    mean over a block.
    """
    matrix = cell["head_map"][cell.meta["heads"].index(head)].astype(np.float32)
    n = len(matrix)
    starts = [block * cell.n_tokens // n for block in range(n)]
    names = [f"{start} {cell.meta['tokens'][start]}" for start in starts]
    rows = np.unique(np.linspace(0, n - 1, min(n, QUERIES)).round().astype(int))
    some = f" ({len(rows)} of {n} queries)" if len(rows) < n else ""
    blocks = f", in blocks of {-(-cell.n_tokens // n)} tokens" if n < cell.n_tokens else ""
    table = _table(f"Head {head}: the keys that queries look at most{some}{blocks}")
    table.add_column("query", overflow="fold")
    table.add_column("keys", overflow="fold")
    for row in rows:
        keys = [key for key in np.argsort(-matrix[row], kind="stable")[:KEYS] if matrix[row, key]]
        text = ", ".join(f"{names[key]} {matrix[row, key]:.2f}" for key in keys)
        table.add_row(shown(names[row], plain=plain), shown(text, plain=plain))
    return table


def _table(title: str) -> Table:
    return Table(title=title, box=None)
