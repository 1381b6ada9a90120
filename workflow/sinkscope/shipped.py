"""Files that come with the package: the zoo, the corpus, the default configuration, the workflow.
In a clone they are in the folders of the repository, in a wheel inside the package, in `data/`."""

from pathlib import Path

PACKAGE = Path(__file__).parent
_IN_WHEEL = PACKAGE / "data"
# The folder that holds zoo/, corpus/, config/ and workflow/.
SHIPPED = _IN_WHEEL if _IN_WHEEL.is_dir() else PACKAGE.parents[1]


def snakefile() -> str:
    """Path of the workflow's Snakefile, for use as a Snakemake module."""
    return str(SHIPPED / "workflow" / "Snakefile")
