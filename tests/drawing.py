"""Figures of a section of the report, drawn in tests as its job draws them."""

import polars as pl

from sinkscope import catalogue
from sinkscope.charts import section as job


def figures_of(name, **tables):
    """The figures of a section, from its tables; without the table of documents, these have 50
    tokens each."""
    tables = {"documents": lengths(tables.values())} | tables
    place = catalogue.sections()[name]
    return job.figures_in(place.package, place.section.figures, tables)


def write_section(name, tables, out):
    """The figures of a section as files in `out`. tables: the folder of its tables."""
    place = catalogue.sections()[name]
    one = place.section
    kinds = {"every_kind": one.every_kind}
    job.write_section(place.package, one.figures, one.tables, tables, out, **kinds)


def lengths(tables, n_tokens=50):
    """The table documents of these tables, its lengths alone."""
    columns = ["model", "document"]
    rows = [table.select(columns) for table in tables if set(columns) <= set(table.columns)]
    schema = dict.fromkeys(columns, pl.String)
    every = pl.concat([pl.DataFrame(schema=schema), *rows]).unique(maintain_order=True)
    return every.with_columns(n_tokens=pl.lit(n_tokens))
