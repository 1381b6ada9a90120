"""Figures of a section of the report, drawn in tests as its job draws them."""

from sinkscope import catalogue
from sinkscope.charts import section as job


def figures_of(name, **tables):
    """The figures of a section, from its tables."""
    place = catalogue.sections()[name]
    return job.figures_in(place.package, place.section.figures, tables)


def write_section(name, tables, out):
    """The figures of a section as files in `out`. tables: the folder of its tables."""
    place = catalogue.sections()[name]
    job.write_section(place.package, place.section.figures, place.section.tables, tables, out)
