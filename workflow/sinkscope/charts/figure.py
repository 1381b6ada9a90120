"""A figure: a chart with its finding, its caption and the data it draws."""

import hashlib
import inspect
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from sinkscope.charts.theme import CONFIG, DATA_NAME, SVG_FONT, data_source, rounded
from sinkscope.files import sha256_of, write_json
from sinkscope.findings.finding import Finding
from sinkscope.tables.contract import as_csv

PICTURES = ("svg", "png")

Tables = Mapping[str, pl.DataFrame]
AltairChart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart | alt.ConcatChart


@dataclass(frozen=True)
class Figure:
    """chart: has no data of its own; it draws `data`, rounded, under the name DATA_NAME. subject:
    the model, if the figure is about one; part of the title.

    finding: a sentence about the data, with its numbers. caption: n, unit and formula. table: its
    cells with the headings first, if pages show a table in place of the chart.
    """

    name: str
    title: str
    finding: Finding
    caption: str
    chart: AltairChart
    data: pl.DataFrame
    subject: str = ""
    table: Sequence[Sequence[str]] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", rounded(self.data))

    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification; the data are inside, as CSV."""
        title = f"{self.title}: {self.subject}" if self.subject else self.title
        spec: dict[str, Any] = self.chart.properties(
            title=title, data=data_source(self.data)
        ).to_dict()
        # Altair leaves parameters of a faceted chart inside, where its own filter cannot see them.
        inside = spec.get("spec", {}).pop("params", [])
        spec["params"] = spec.get("params", []) + inside
        spec["config"] = CONFIG
        spec["datasets"] = {
            DATA_NAME: self.data.write_csv()
        }  # not escaped for spreadsheets: it is drawn
        return spec

    def csv(self) -> str:
        """The drawn data as CSV, safe to open in a spreadsheet."""
        return as_csv(self.data)

    def words(self) -> dict[str, Any]:
        """The texts of the figure; facts: its rows of the table `findings`."""
        return {
            "name": self.name,
            "title": self.title,
            "finding": self.finding.text,
            "caption": self.caption,
            "facts": self.finding.rows(self.name, self.subject),
        } | ({"table": self.table} if self.table else {})


def as_svg(spec: dict[str, Any]) -> str:
    """The drawn figure; ids inside count from 0 in every figure."""
    spec = spec | {"config": spec["config"] | {"font": SVG_FONT}}
    svg = vl_convert.vegalite_to_svg(json.dumps(spec, allow_nan=False))
    numbers: dict[str, int] = {}

    def renumbered(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]}{numbers.setdefault(match[3], len(numbers))}"

    return re.sub(r'( id="|url\(#)(gradient_|clip)(\d+)', renumbered, svg)


def write_figure(
    figure: Figure,
    folder: Path,
    before: Path | None = None,
    drawn: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Write NAME.json, .svg, .png and .csv into an existing folder. Returns the hash of what the
    pictures are drawn from, and the hashes of the pictures.

    before: a folder whose pictures of the figure are reused, if `drawn` shows that they are the
    same.
    """
    spec, name = figure.spec(), figure.name
    write_json(folder / f"{name}.json", spec)
    (folder / f"{name}.csv").write_text(figure.csv(), encoding="utf-8")
    pictures = [f"{name}.{ending}" for ending in PICTURES]
    drawn_of = hashlib.sha256((folder / f"{name}.json").read_bytes() + drawn_by()).hexdigest()
    has_pictures = before is not None and all((before / picture).is_file() for picture in pictures)
    if before and has_pictures and drawn == {"of": drawn_of, **hashes(before, pictures)}:
        for picture in pictures:
            shutil.copyfile(before / picture, folder / picture)
    else:
        svg = as_svg(spec)
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=2))
    return {"of": drawn_of, **hashes(folder, pictures)}


def drawn_by() -> bytes:
    """What pictures depend on besides their specification."""
    return f"{version('vl-convert-python')} {SVG_FONT} {inspect.getsource(as_svg)}".encode()


def hashes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in names}
