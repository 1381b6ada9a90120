"""What the figures of the small site say and draw, as their files hold it."""

import polars as pl

from report.made import strict_json
from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.tables.read import read_tables


def tables_of(site):
    return read_tables(site.folder / "results" / "tables", tables_of_atlas())


def drawn(site, model, name):
    """The CSV beside a figure, as it is drawn and offered."""
    return pl.read_csv(site.results / "figures" / model / f"{name}.csv", infer_schema_length=None)


def listed(site, model):
    return strict_json((site.results / "figures" / model / "figures.json").read_text())


def sentence(site, model, name):
    return next(entry["finding"] for entry in listed(site, model) if entry["name"] == name)
