"""`sinkscope.look`: a view of the attention of one model on one text."""

import html
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, overload

import polars as pl
import torch
from rich.console import Console

from sinkscope.api.model import observable, through_sdpa
from sinkscope.api.request import TABLES, configuration, request, text_of
from sinkscope.api.statistics import AttentionStatistics
from sinkscope.api.terminal import print_look
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.limits import Limits, limits_of
from sinkscope.config import ModelRow, Settings, settings_of
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.architecture import detect_family, positions
from sinkscope.extract.cell import Cell
from sinkscope.extract.model import Loaded, load_model, threads
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.tokenizer import check_fits
from sinkscope.files import write_text
from sinkscope.shipped import SHIPPED

BASE = '<base href="about:srcdoc">'
HEIGHT = 800  # pixels of the page in a notebook
TERMINAL = 100  # width of the tables in columns, if the width of the terminal is unknown


class Look(AttentionStatistics):
    """The attention of one model on one text. Jupyter shows the page of `sinkscope look --html`;
    printing it gives the tables of `sinkscope look`. cell: all statistics. tables: of this cell, by
    name."""

    def __init__(self, cell: Cell, tables: dict[str, pl.DataFrame]) -> None:
        facts = tables["models"].row(0, named=True)
        super().__init__(facts["model"], facts["n_layers"], has_classes=True)
        self.add([cell])
        self.cell, self.tables = cell, tables

    def page(self) -> str:
        """The page of `sinkscope look --html`: HTML that needs no other file."""
        from sinkscope.report.page import single_page

        return single_page(self.cell, self.tables)

    def save(self, path: str | Path) -> None:
        """Write the page to a file. Raises SinkscopeError if it cannot be written."""
        write_text(Path(path), self.page())

    def print(self, console: Console) -> None:
        """Print the tables to a terminal, in its width."""
        print_look(console, self.cell, self.tables)

    def __repr__(self) -> str:
        console = Console(file=io.StringIO(), width=TERMINAL, color_system=None, highlight=False)
        self.print(console)
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().rstrip("\n")

    def _repr_html_(self) -> str:
        """The page in an iframe: notebook and page do not affect each other."""
        # Without the base, links within the page would lead to the notebook's address.
        page = self.page().replace("<head>", f"<head>{BASE}", 1)
        return (
            f'<iframe title="Attention of {html.escape(self.model, quote=True)}" width="100%" '
            f'height="{HEIGHT}" style="border: 0" sandbox="allow-scripts allow-downloads" '
            f'srcdoc="{html.escape(page, quote=True)}"></iframe>'
        )


@overload
def look(
    model: str,
    text: str,
    /,
    *,
    heads: Sequence[tuple[int, int]] = (),
    device: str | None = None,
    directory: str | Path | None = None,
) -> Look: ...


@overload
def look(
    model: torch.nn.Module,
    tokenizer: Any,
    text: str,
    /,
    *,
    heads: Sequence[tuple[int, int]] = (),
) -> Look: ...


def look(
    model: Any,
    *rest: Any,
    heads: Sequence[tuple[int, int]] = (),
    device: str | None = None,
    directory: str | Path | None = None,
) -> Look:
    """Run one text through a model: look(NAME, text) or look(model, tokenizer, text).

    NAME is a model of config/models.tsv in the directory (default: the current one), or, if that
    file does not exist, of the table that comes with the package. It may also be a source:
    zoo:gpt2, package:NAME, path:DIR, hub:ID. A model object runs once in evaluation mode and is
    left unchanged.

    - heads: (layer, head) pairs whose maps are kept too.
    - device: overrides the table's.
    - directory: whose config/ is read.

    Raises SinkscopeError for an unknown model, an empty text, and what `sinkscope look` refuses.
    """
    if len(rest) != (1 if isinstance(model, str) else 2):
        raise SinkscopeError("look: give a model's name and a text, or model, tokenizer and text.")
    *tokenizer, text = rest
    if not isinstance(text, str):
        raise SinkscopeError(f"look: the text is a {type(text).__name__}; give a string.")
    document = text_of(text, None)
    if tokenizer:
        return look_with(model, tokenizer[0], document, heads)
    here = Path.cwd() if directory is None else Path(directory)
    has_table = (here / TABLES["models"]).is_file()
    table = here if has_table or ":" in model else SHIPPED
    head_maps = [f"{layer}/{head}" for layer, head in heads]
    row, settings, limits = request(model, head_maps, device, None, table)
    return look_at(row, document, settings, limits, table)


def look_at(
    row: ModelRow, document: Document, settings: Settings, limits: Limits, directory: Path
) -> Look:
    """The Look of one text. Raises SinkscopeError like load_model and Analyser."""
    with threads(settings.threads):
        loaded = load_model(row, directory)
    return look_of(loaded, document, settings, limits)


def look_of(loaded: Loaded, document: Document, settings: Settings, limits: Limits) -> Look:
    """The Look of one text: its cell, and every table reduced from it."""
    with threads(settings.threads):
        cell = Analyser(loaded, settings, Workspace(loaded.device)).analyse(document)
    parts = tables_of_model(loaded.facts(), [cell], [document.facts], limits)
    return Look(cell, {name: frame.collect() for name, frame in parts.items()})


def look_with(
    model: torch.nn.Module, tokenizer: Any, document: Document, heads: Sequence[tuple[int, int]]
) -> Look:
    """The Look of one text with model and tokenizer objects, without the output head."""
    network: Any = getattr(model, "base_model", model)
    target = observable(network)
    check_fits(target.name, tokenizer, int(network.config.get_text_config().vocab_size))
    source = str(network.config.name_or_path or "in memory")
    row = ModelRow(target.name, source, None, target.dtype, str(target.device), None, "auto")
    family = detect_family(target.name, network.config)
    loaded = Loaded(row, network, tokenizer, family, positions(network), None)
    raw = configuration(None, SHIPPED)
    head_maps = tuple(f"{target.name}/{layer}/{head}" for layer, head in heads)
    settings = settings_of(raw | {"head_maps": head_maps})
    with evaluating(network), through_sdpa(target):
        return look_of(loaded, document, settings, limits_of(raw))


@contextmanager
def evaluating(network: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; each module is restored afterwards."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, was_training in before:
            module.training = was_training
