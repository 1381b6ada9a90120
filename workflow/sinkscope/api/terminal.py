"""The tables of one text for a terminal."""

from collections.abc import Iterable, Sequence

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
MOST_ROWS = 10  # of the other tables, but that of the layers
TEXTS = ("token", "class", "query", "keys", "")  # columns that are aligned to the left
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
    """A Text, since rich would read [SEP] as markup in a string. plain: the terminal has only
    ASCII."""
    if plain:
        token = token.replace("\u2581", "_").replace("\u23ce", "\\n")
        token = token.encode("ascii", "backslashreplace").decode()
    return Text(token)


def top_keys(tables: dict[str, pl.DataFrame], *, plain: bool) -> Table:
    top = tables["max_attention_tokens"].sort("count", descending=True, maintain_order=True)
    rows = [
        (
            shown(row["token"], plain=plain),
            row["key_class"],
            str(row["count"]),
            f"{row['share']:.1%}",
        )
        for row in top.head(MOST_ROWS).iter_rows(named=True)
    ]
    columns = ("token", "class", "count", "share")
    return _table("Max keys: where a query looks most", columns, rows)


def sinks(tables: dict[str, pl.DataFrame], *, plain: bool) -> Table:
    """The keys that are sinks of at least one layer, the largest mass first."""
    lives = tables["sink_lives"].sort("peak_mass", "key", descending=[True, False])
    rows: list[tuple[str | Text, ...]] = []
    for row in lives.head(MOST_ROWS).iter_rows(named=True):
        layers = words.ranged([row["first_layer"], row["last_layer"]])
        values = (layers, str(row["peak_layer"]), f"{row['peak_mass']:.3f}")
        rows.append((str(row["key"]), shown(row["token"], plain=plain), *values))
    nothing = [("", "none; the text may be too short for the sink rule", "", "", "")]
    columns = ("key", "token", "layers", "peak layer", "mass there")
    title = "Sinks: keys that receive much attention from most queries"
    return _table(title, columns, rows or nothing)


def mass_by_layer(tables: dict[str, pl.DataFrame], mark: str | None) -> Table:
    """Sink mass by layer. mark: character of the bars of the mass of all sinks; None: no bars."""
    has_keys = (pl.col("n_keys").max() > 0).over("key_set")  # sinks may be in some layers only
    masses = tables["sink_mass"].filter(has_keys | (pl.col("key_set") == "sinks"))
    masses = masses.pivot("key_set", index="layer", values="mass").sort("layer")
    sets = [name for name in SHOWN_SETS if name in masses.columns]
    rows = [
        (str(row["layer"]), *("-" if row[name] is None else f"{row[name]:.3f}" for name in sets))
        for row in masses.iter_rows(named=True)
    ]
    columns = ("layer", *(SHOWN_SETS[name] for name in sets))
    if mark:
        bars = [mark * round(BAR * (mass or 0)) for mass in masses["sinks"]]
        rows = [(*row, bar) for row, bar in zip(rows, bars, strict=True)]
        columns = (*columns, "")
    return _table("Sink mass by layer: mean attention to a set of keys", columns, rows)


def best_heads(tables: dict[str, pl.DataFrame]) -> Table:
    best = tables["heads"].sort("sink_score", descending=True, maintain_order=True).head(MOST_ROWS)
    rows = [
        (str(layer), str(head), *("-" if value is None else f"{value:.3f}" for value in values))
        for layer, head, *values in best.select(
            "layer", "head", "sink_score", "entropy", "local_5_no_sinks"
        ).iter_rows()
    ]
    columns = ("layer", "head", "sink score", "entropy", "local mass (5), no sinks")
    return _table("Best heads: highest sink score at key 0", columns, rows)


def head_queries(cell: Cell, head: str, *, plain: bool) -> Table:
    """The keys with the most attention of at most QUERIES queries of one head (LAYER/HEAD). If the
    text is too long for an exact map, queries and keys are blocks of tokens, named after their
    first one."""
    matrix = cell["head_map"][cell.meta["heads"].index(head)].astype(np.float32)
    n = len(matrix)
    starts = [block * cell.n_tokens // n for block in range(n)]
    names = [f"{start} {cell.meta['tokens'][start]}" for start in starts]
    rows = np.unique(np.linspace(0, n - 1, min(n, QUERIES)).round().astype(int))
    some = f" ({len(rows)} of {n} queries)" if len(rows) < n else ""
    blocks = f", in blocks of {-(-cell.n_tokens // n)} tokens" if n < cell.n_tokens else ""
    cells = []
    for row in rows:
        keys = [key for key in np.argsort(-matrix[row], kind="stable")[:KEYS] if matrix[row, key]]
        text = ", ".join(f"{names[key]} {matrix[row, key]:.2f}" for key in keys)
        cells.append((shown(names[row], plain=plain), shown(text, plain=plain)))
    title = f"Head {head}: the keys that queries look at most{some}{blocks}"
    return _table(title, ("query", "keys"), cells)


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    table = Table(title=title, box=None)
    for name in columns:
        table.add_column(name, justify="left" if name in TEXTS else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
