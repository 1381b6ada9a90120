"""One model, one text, no workflow: the tables of a run as something to read."""

from __future__ import annotations

from pathlib import Path

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
from sinkscope.documents import Document, read_documents
from sinkscope.errors import SinkscopeError
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.cell import Cell
from sinkscope.extract.model import load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.printable import printable
from sinkscope.reduce.tables import tables_of_model
from sinkscope.schema import checked

BAR = 24  # characters of a mass of 1
SHOWN_SETS = {
    "first_token": "first token",
    "special": "special",
    "first_terminator": "sentence end",
    "sinks": "all sinks",
}


def request(
    model: str,
    text: str | None,
    file: Path | None,
    heads: list[str],
    config: Path,
    directory: Path,
) -> tuple[ModelRow, Document, Settings, float]:
    """What a call of `look` asks for, and the epsilon of its sink rate.

    model: a name in the table of models, or a source.
    Raises SinkscopeError for an unknown model, for no text and for an empty one.
    """
    if (text is None) == (file is None):
        raise SinkscopeError("look: give either --text or --file.")
    if file is not None:
        document, *others = read_documents("text", file, str(file), "text")
        if others:
            raise SinkscopeError(f"look: {file} holds several documents; give one as a text file.")
    else:
        document = Document("text", "--text", None, as_unicode(text or ""))
    if not document.text.strip():
        raise SinkscopeError("look: the text is empty; give some words.")
    raw = checked(read_config(config), "config", str(config))
    if ":" in model:
        name = model.partition(":")[2].rstrip("/").rpartition("/")[2].partition("@")[0]
        row = ModelRow(printable(name), model, None, raw["dtype"], raw["device"], None, "auto")
    else:
        row = find_model(read_models(raw, directory), model)
    wanted = [f"{row.model}/{head}" for head in heads]
    raw = checked(raw | {"head_maps": wanted}, "config", "--head")
    return row, document, settings_of(raw), raw["epsilon"]


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
    """Top max keys, sink mass by layer, best heads."""
    model = tables["models"].row(0, named=True)
    console.print(
        f"[bold]{escape(model['model'])}[/]: {model['architecture']}, {model['n_layers']} layers x "
        f"{model['n_heads']} heads, {cell.n_tokens} tokens",
        highlight=False,
    )
    for table in (top_keys(tables), mass_by_layer(tables), best_heads(tables)):
        console.print()
        console.print(table)


def top_keys(tables: dict[str, pl.DataFrame], n: int = 10) -> Table:
    top = tables["max_attention_tokens"].sort("count", descending=True, maintain_order=True)
    table = _table("Max keys: where a query looks most")
    table.add_column("token")
    table.add_column("class")
    table.add_column("count", justify="right")
    table.add_column("share", justify="right")
    for row in top.head(n).iter_rows(named=True):
        # Text, not a string: a token such as [SEP] is no mark-up.
        token, share = Text(row["token"]), f"{row['share']:.1%}"
        table.add_row(token, row["key_class"], str(row["count"]), share)
    return table


def mass_by_layer(tables: dict[str, pl.DataFrame]) -> Table:
    there = tables["sink_mass"].filter(pl.col("n_keys") > 0)
    masses = there.pivot("key_set", index="layer", values="mass").sort("layer")
    sets = [name for name in SHOWN_SETS if name in masses.columns]
    table = _table("Sink mass by layer: mean attention to a set of keys")
    table.add_column("layer", justify="right")
    for name in sets:
        table.add_column(SHOWN_SETS[name], justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in masses.iter_rows(named=True):
        bar = "\u2588" * round(BAR * row["sinks"])
        table.add_row(str(row["layer"]), *(f"{row[name]:.3f}" for name in sets), bar)
    return table


def best_heads(tables: dict[str, pl.DataFrame], n: int = 10) -> Table:
    best = tables["heads"].sort("sink_score", descending=True, maintain_order=True).head(n)
    table = _table("Best heads: highest sink score at key 0")
    for name in ("layer", "head", "sink score", "entropy", "local mass (5), no sinks"):
        table.add_column(name, justify="right")
    for row in best.iter_rows(named=True):
        values = (row["sink_score"], row["entropy"], row["local_5_no_sinks"])
        shown = ("-" if value is None else f"{value:.3f}" for value in values)
        table.add_row(str(row["layer"]), str(row["head"]), *shown)
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2))
