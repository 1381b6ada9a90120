"""One model, one text, no workflow: the tables of a run as something to read."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sinkscope.config import (
    ModelRow,
    Settings,
    find_model,
    read_config,
    read_models,
    settings_of,
)
from sinkscope.documents import Document, decode, read_documents
from sinkscope.errors import SinkscopeError
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.cell import Cell
from sinkscope.extract.model import load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.printable import printable
from sinkscope.reduce.tables import tables_of_model
from sinkscope.schema import checked

# Where a clone has them; what is read where no configuration names others.
TABLES = {
    "config": "config/config.yaml",
    "models": "config/models.tsv",
    "documents": "config/documents.tsv",
}
BAR = 24  # characters of a mass of 1
WIDE = 80  # columns of a terminal that has room for bars
QUERIES, KEYS = 32, 3  # of a head, that are shown
SHOWN_SETS = {
    "first_token": "first token",
    "special": "special",
    "first_terminator": "sentence end",
    "sinks": "all sinks",
}


def text_of(text: str | None, file: Path | None) -> Document:
    """The text to look at, from an option, a file or (`-`) standard input.

    Raises SinkscopeError where none or two are given, and for an empty or unreadable one.
    """
    if (text is None) == (file is None):
        raise SinkscopeError("look: give either --text or --file.")
    if file is None:
        document = Document("text", "--text", None, as_unicode(text or ""))
    elif str(file) == "-":
        read = decode(sys.stdin.buffer.read(), "standard input")
        document = Document("text", "standard input", None, read)
    else:
        document, *others = read_documents("text", file, str(file), "text")
        if others:
            raise SinkscopeError(f"look: {file} holds several documents; give one as a text file.")
    if not document.text.strip():
        raise SinkscopeError("look: the text is empty; give some words.")
    return document


def request(
    model: str, heads: list[str], device: str | None, config: Path | None, directory: Path
) -> tuple[ModelRow, Settings, float]:
    """What a call of `look` asks for beside its text, and the epsilon of its sink rate.

    model: a name in the table of models, or a source. Raises SinkscopeError for an unknown model,
    a head that is not LAYER/HEAD, and a bad device.
    """
    raw = configuration(config, directory)
    if device is not None:
        raw = checked(raw | {"device": device}, "config", "--device")
    if ":" in model:
        name = model.partition(":")[2].rstrip("/").rpartition("/")[2].partition("@")[0]
        row = ModelRow(printable(name), model, None, raw["dtype"], raw["device"], None, "auto")
    elif (directory / raw["models"]).is_file():
        row = find_model(read_models(raw, directory), model)
    else:
        raise SinkscopeError(
            f"look: '{model}' is not a source, and {raw['models']} does not exist in {directory}; "
            "give a source (zoo:gpt2, package:NAME, path:DIR), or --directory."
        )
    row = replace(row, device=device or row.device)
    wanted = [f"{row.model}/{head}" for head in heads]
    raw = checked(raw | {"head_maps": wanted}, "config", "--head")
    return row, settings_of(raw), raw["epsilon"]


def configuration(config: Path | None, directory: Path) -> dict[str, Any]:
    """The checked configuration; where none is named and there is none, the defaults."""
    path = directory / (config or TABLES["config"])
    if config is None and not path.is_file():
        return checked({key: TABLES[key] for key in ("models", "documents")}, "config", "defaults")
    return checked(read_config(path), "config", str(path))


def as_unicode(text: str) -> str:
    """Bytes of the command line that are not UTF-8 come as halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SinkscopeError(
            f"look: --text is not UTF-8 at character {error.start}; save it in a file as UTF-8 and "
            "give --file."
        ) from error
    return text


def look_at(
    row: ModelRow,
    document: Document,
    settings: Settings,
    epsilon: float,
    directory: Path,
) -> tuple[Cell, dict[str, pl.DataFrame]]:
    """The cell of one text, and every table reduced from it alone."""
    with threads(settings.threads):
        loaded = load_model(row, directory)
        cell = Analyser(loaded, settings, Workspace(loaded.device)).analyse(document)
    entry = {
        "path": document.path,
        "document": document.name,
        "row": None,
        "n_characters": len(document.text),
        "n_words": len(document.text.split()),
        "sha256": document.sha256,
    }
    parts = tables_of_model(loaded.facts(), [cell], [entry], epsilon)
    return cell, {name: frame.collect() for name, frame in parts.items()}


def print_look(console: Console, cell: Cell, tables: dict[str, pl.DataFrame]) -> None:
    """Top max keys, sink mass by layer, best heads, and the heads whose maps the cell keeps."""
    model = tables["models"].row(0, named=True)
    plain = console.options.ascii_only
    console.print(
        f"[bold]{escape(model['model'])}[/]: {model['architecture']}, {model['n_layers']} layers x "
        f"{model['n_heads']} heads, {cell.n_tokens} tokens",
        highlight=False,
    )
    parts = [
        top_keys(tables, plain=plain),
        mass_by_layer(tables, None if console.width < WIDE else "#" if plain else "\u2588"),
        best_heads(tables),
        *(head_queries(cell, head, plain=plain) for head in cell.meta["heads"]),
    ]
    for table in parts:
        table.padding = (0, 2) if console.width >= WIDE else (0, 1)
        # Over a table, its title would be folded to the table's width.
        title, table.title = str(table.title), None
        console.print()
        console.print(Text(title, style="bold"))
        console.print(table)


def shown(token: str, *, plain: bool) -> Text:
    """A token on a terminal; plain: one that shows ASCII alone.

    A Text, not a string: a token such as [SEP] is no mark-up.
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


def mass_by_layer(tables: dict[str, pl.DataFrame], mark: str | None) -> Table:
    """mark: what bars of the mass of all sinks are made of; None for no bars."""
    there = tables["sink_mass"].filter(pl.col("n_keys") > 0)
    masses = there.pivot("key_set", index="layer", values="mass").sort("layer")
    sets = [name for name in SHOWN_SETS if name in masses.columns]
    table = _table("Sink mass by layer: mean attention to a set of keys")
    table.add_column("layer", justify="right")
    for name in sets:
        table.add_column(SHOWN_SETS[name], justify="right", min_width=5, overflow="fold")
    if mark:
        table.add_column("", no_wrap=True, overflow="crop")
    for row in masses.iter_rows(named=True):
        bar = [mark * round(BAR * row["sinks"])] if mark else []
        table.add_row(str(row["layer"]), *(f"{row[name]:.3f}" for name in sets), *bar)
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
    """Where the queries of one head (LAYER/HEAD) look; of many, QUERIES spread over the text.

    Of a text that is too long for an exact map, rows and keys are blocks of tokens, each named by
    its first token, and attention is the mean over a block.
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
