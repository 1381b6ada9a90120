"""One self-contained page of one cell: `sinkscope look --html`."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import polars as pl
import vl_convert

from sinkscope.atlas.figures.job import figures_of_model
from sinkscope.atlas.maps import entry_of, named_maps, packed, script, thumbnail, tokens_of
from sinkscope.charts.figure import Figure, as_svg
from sinkscope.charts.palette import model_colour
from sinkscope.charts.shown import ShownFigure
from sinkscope.extract.cell import Cell
from sinkscope.report import findings, site
from sinkscope.report.terms import Terms


def single_page(cell: Cell, tables: dict[str, pl.DataFrame]) -> str:
    """A page of HTML that needs no other file. tables: the collected tables of the cell."""
    model, document = cell.meta["model"], cell.meta["document"]
    figures = [inlined(figure) for figure in figures_of_model(tables, model)]
    facts = tables["models"].row(0, named=True)
    sizes = {"n_documents": 1, "n_tokens": cell.n_tokens}
    maps = site.map_data([entry_of(cell)], "")
    maps["images"] = {name: data_uri("image/png", thumbnail(m)) for name, m in named_maps(cell)}
    template = site.environment().get_template("cell.html.j2")
    return template.render(
        title=f"{model}, {document}",
        name="",
        pages=[],
        lacks=None,
        terms=Terms(),
        inline={
            "styles": [site.style(name) for name in site.STYLES],
            "scripts": {name: site.script(name) for name in site.SCRIPTS},
            "data": data_scripts(cell),
        },
        models=[model],
        model=model,
        document=document,
        facts=facts | sizes,
        colour=model_colour([model], model),
        sentences=findings.of_model(figures),
        figures=figures,
        documents=[document],
        maps=[entry_of(cell)],
        page={"model": model, "first_document": document, "maps": maps},
    )


def inlined(figure: Figure) -> ShownFigure:
    """A figure whose downloads are embedded in the page as data URIs."""
    spec = figure.spec()
    text = json.dumps(spec, allow_nan=False)
    svg = as_svg(spec)
    links = {
        "CSV": data_uri("text/csv", figure.csv().encode()),
        "SVG": data_uri("image/svg+xml", svg.encode()),
        "PNG": data_uri("image/png", vl_convert.svg_to_png(svg, scale=2)),
        "Vega-Lite": data_uri("application/json", text.encode()),
    }
    words = figure.words()
    del words["facts"]
    return ShownFigure(**words, spec=spec, links=links, image=links["SVG"])


def data_uri(kind: str, content: bytes) -> str:
    if kind.startswith("text/"):
        return f"data:{kind};charset=utf-8,{quote(content)}"
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def data_scripts(cell: Cell) -> list[str]:
    """The calls in the data files of a report, for a page that embeds them."""
    prefix = f"{cell.meta['model']}/{cell.meta['document']}"
    maps = [script(f"{prefix}/{name}", packed(matrix)) for name, matrix in named_maps(cell)]
    return [script(f"{prefix}/tokens", tokens_of(cell)), *maps]
