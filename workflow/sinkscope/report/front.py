"""The front page: its sentence, its picture of all models, and one text to read."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.front.by_layer import LABELS, OPENING
from sinkscope.atlas.figures.shares import FIRST, PARTS
from sinkscope.charts.figure import Tables
from sinkscope.charts.palette import PART_COLOURS
from sinkscope.charts.shown import ShownFigure
from sinkscope.charts.theme import DATA_NAME
from sinkscope.extract.cell import read_cell
from sinkscope.findings.finding import Finding
from sinkscope.report.text_view import Part, shaded

LONGEST = 160  # tokens of the text that the front page shows, if there is one as short


@dataclass(frozen=True)
class Bar:
    """A layer of a model. tops: upper ends of its parts, in percent; about: the layer in words."""

    layer: int
    tops: tuple[float, ...]
    about: str


@dataclass(frozen=True)
class Row:
    """A model. answer: the most that its first token gets, and where."""

    model: str
    bars: list[Bar]
    uniform: float
    share: float | None
    layer: int | None


@dataclass(frozen=True)
class Opening:
    figure: ShownFigure
    headline: str
    rows: list[Row]
    legend: list[tuple[str, str]]  # label, colour
    facts: Mapping[str, Any]


def opening(figure: ShownFigure, facts: Mapping[str, Any]) -> Opening:
    """The picture, from the data that the figure draws. facts: the values of its finding."""
    data = pl.read_csv(io.StringIO(figure.spec["datasets"][DATA_NAME]))
    rows = [row_of(part) for part in data.partition_by("model", maintain_order=True)]
    legend = [(LABELS[part], PART_COLOURS[part]) for part in PARTS]
    defaults: dict[str, Any] = {"first": [], "text": [], "others": []}
    known = defaults | dict(facts)
    return Opening(figure, Finding(OPENING, known).text, rows, legend, known)


def of_model(picture: Opening | None, model: str) -> Opening | None:
    """The picture with the row of one model alone; None if it has no result."""
    if picture is None:
        return None
    rows = [row for row in picture.rows if row.model == model]
    return replace(picture, rows=rows) if rows else None


def row_of(bars: pl.DataFrame) -> Row:
    best = bars.drop_nulls(FIRST).sort(FIRST, "layer", descending=[True, False]).head(1)
    known = {bar["layer"]: bar_of(bar) for bar in bars.iter_rows(named=True)}
    return Row(
        model=bars["model"][0],
        bars=[known.get(layer, without_attention(layer)) for layer in range(max(known) + 1)],
        uniform=round(100 * float(bars["uniform"].mean() or 0), 2),  # type: ignore[arg-type]
        share=best[FIRST][0] if best.height else None,
        layer=best["layer"][0] if best.height else None,
    )


def without_attention(layer: int) -> Bar:
    """A layer of a hybrid model that has no attention."""
    return Bar(layer, (0.0, 0.0, 0.0), f"layer {layer}: no attention")


def bar_of(bar: dict[str, Any]) -> Bar:
    parts = [f"{LABELS[part]} {bar[part]:.0%}" for part in PARTS if bar[part]]
    interval = (
        ""
        if bar[f"{FIRST}_low"] is None
        else (
            f" (95 % interval {bar[f'{FIRST}_low']:.0%} to {bar[f'{FIRST}_high']:.0%}, "
            f"{bar[f'{FIRST}_n']} documents)"
        )
    )
    about = f"layer {bar['layer']}: {', '.join(parts) or 'no sink'}{interval}"
    return Bar(bar["layer"], tuple(round(100 * bar[f"{part}_top"], 1) for part in PARTS), about)


# ---- The text ----


@dataclass(frozen=True)
class Layer:
    """One layer of the text view. why: the reason to show it."""

    layer: int
    why: str
    parts: list[Part]


@dataclass(frozen=True)
class Reading:
    model: str
    document: str
    n_tokens: int
    layers: list[Layer]


def reading(
    shown: Opening | None,
    tables: Tables,
    texts: Mapping[str, str],
    manifests: Mapping[tuple[str, str], dict[str, Any]],
    directory: Path,
) -> Reading | None:
    """The document to read, in the model of the headline: in the layer in which its first token
    gets most, and in the layer in which an ordinary token does, if one is a sink.

    texts: by document. manifests: of the finished extraction jobs.
    """
    if shown is None or not shown.facts["first"]:
        return None
    first = shown.facts["first"][0]
    model = first["model"]
    others = [row for row in shown.facts["text"] if row["model"] == model]
    cells = {
        entry["document"]: entry["cell"]
        for (name, _), manifest in manifests.items()
        if name == model
        for entry in manifest["cells"]
    }
    document = to_read(tables, model, others[0] if others else None, set(cells) & set(texts))
    if document is None:
        return None
    cell = read_cell(directory / cells[document], ["sink_score", "n_queries", "row_sum"])
    chosen = (
        [(others[0]["layer"], f"where “{words.bare(others[0]['token'])}” gets most")]
        if others
        else []
    )
    chosen.append((first["layer"], "where the first token gets most"))
    layers = [
        Layer(layer, why, shaded(cell, layer, texts[document]))
        for layer, why in dict(sorted(chosen)).items()
    ]
    return Reading(model, document, cell.n_tokens, layers)


def to_read(
    tables: Tables, model: str, token: Mapping[str, Any] | None, known: set[str]
) -> str | None:
    """The longest document of at most LONGEST tokens, else the shortest; among those in which the
    token is a sink, if there are any."""
    lengths = tables["documents"].filter(
        pl.col("model") == model, pl.col("document").is_in(list(known))
    )
    if token is not None:
        at = tables["found_sinks"].filter("is_sink", model=model, layer=token["layer"])
        at = at.filter(pl.col("token") == token["token"])
        with_token = lengths.join(at, on="document", how="semi")
        lengths = with_token if with_token.height else lengths
    is_short = pl.col("n_tokens") <= LONGEST
    distance = pl.when(is_short).then(-pl.col("n_tokens").cast(pl.Int64)).otherwise("n_tokens")
    ordered = lengths.sort(~is_short, distance, "document")
    return ordered["document"][0] if ordered.height else None
