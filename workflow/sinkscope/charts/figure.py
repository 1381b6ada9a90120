"""A figure: a chart with its sentence, its caption and the very data it draws."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from sinkscope.charts.theme import CONFIG, DATA_NAME
from sinkscope.files import write_json

Tables = Mapping[str, pl.DataFrame]
AltairChart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart | alt.HConcatChart


@dataclass(frozen=True)
class Figure:
    """chart: without data of its own; it draws `data` under the name DATA_NAME.

    finding: one sentence computed from the data. caption: n, unit and formula.
    """

    name: str
    title: str
    finding: str
    caption: str
    chart: AltairChart
    data: pl.DataFrame

    def spec(self) -> dict[str, Any]:
        """The Vega-Lite specification; the data are inside, as the text of the CSV file."""
        spec: dict[str, Any] = self.chart.properties(title=self.title).to_dict()
        # Altair leaves parameters of a faceted chart inside, where its own filter cannot see them.
        inside = spec.get("spec", {}).pop("params", [])
        spec["params"] = spec.get("params", []) + inside
        spec["config"] = CONFIG
        spec["datasets"] = {DATA_NAME: self.csv()}
        return spec

    def csv(self) -> str:
        return self.data.write_csv()

    def words(self) -> dict[str, str]:
        return {
            "name": self.name,
            "title": self.title,
            "finding": self.finding,
            "caption": self.caption,
        }


def write_figure(figure: Figure, folder: Path) -> None:
    """NAME.json, .svg, .png and .csv in a folder that exists."""
    spec = figure.spec()
    svg = vl_convert.vegalite_to_svg(json.dumps(spec, allow_nan=False))
    write_json(folder / f"{figure.name}.json", spec)
    (folder / f"{figure.name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{figure.name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=2))
    (folder / f"{figure.name}.csv").write_text(figure.csv(), encoding="utf-8")
