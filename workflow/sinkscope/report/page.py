"""One self-contained page of one cell: `sinkscope look --html`."""

import polars as pl

from sinkscope.atlas.figures.job import figures_of_model
from sinkscope.atlas.maps import data_file, entry_of, heads_file
from sinkscope.charts.figure import Figure
from sinkscope.charts.palette import model_colour
from sinkscope.charts.shown import ShownFigure
from sinkscope.extract.cell import Cell
from sinkscope.report import findings, site
from sinkscope.report.terms import Terms


def single_page(cell: Cell, tables: dict[str, pl.DataFrame]) -> str:
    """A page of HTML that needs no other file. tables: the collected tables of the cell."""
    model, document = cell.meta["model"], cell.meta["document"]
    figures = [shown(figure) for figure in figures_of_model(tables, model)]
    facts = tables["models"].row(0, named=True)
    sizes = {"n_documents": 1, "n_tokens": cell.n_tokens}
    entry = entry_of(cell, every_head=True)
    template = site.environment().get_template("cell.html.j2")
    return template.render(
        title=f"{model}, {document}",
        name="",
        pages=[],
        lacks=None,
        about=None,
        terms=Terms(),
        inline={
            "styles": [site.style(name) for name in site.STYLES],
            "scripts": {name: site.script(name) for name in site.SCRIPTS},
            "data": [data_file(cell), heads_file(cell)],
        },
        models=[model],
        model=model,
        document=document,
        facts=facts | sizes,
        colour=model_colour([model], model),
        sentences=findings.of_model(figures),
        figures=figures,
        documents=[document],
        maps=[entry],
        page={
            "model": model,
            "first_document": document,
            "maps": site.map_data({model: [entry]}, ""),
            "n_see": cell.meta["sink_rule"]["n_queries"],
        },
    )


def shown(figure: Figure) -> ShownFigure:
    words = figure.words()
    del words["facts"]
    return ShownFigure(**words, spec=figure.spec())
