"""The pages of docs/reference/ that are generated from the code."""

from sinkscope.catalogue import all_tables
from sinkscope.cli import app
from sinkscope.declarations.registry import statistics
from sinkscope.documentation import bibliography, commands, configuration
from sinkscope.reference import tables


def pages() -> dict[str, str]:
    """Text by file name."""
    return {
        "tables.md": tables.page(all_tables(), statistics()),
        "configuration.md": configuration.page(),
        "commands.md": commands.page(app),
        "bibliography.md": bibliography.page(),
    }
