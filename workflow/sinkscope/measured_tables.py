"""The tables that a run measures: those of the atlas and of every experiment."""

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.declarations.registry import experiments
from sinkscope.tables.table import Table


def measured_tables() -> dict[str, Table]:
    """Tables by name, in the order of the reference."""
    tables = tables_of_atlas()
    for one in experiments().values():
        if not one.feeds_atlas:
            tables |= one.tables
    return tables
