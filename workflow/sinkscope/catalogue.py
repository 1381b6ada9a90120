"""All tables and report sections that a run can have, by the experiment they belong to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sinkscope.atlas.sections import FRONT, SECTIONS
from sinkscope.claims import SECTION
from sinkscope.claims.table import TABLES as CLAIMS
from sinkscope.declarations.experiment import Section
from sinkscope.declarations.registry import experiments
from sinkscope.findings.table import TABLES as FINDINGS
from sinkscope.measured_tables import measured_tables
from sinkscope.tables.table import Table


def tables_of(experiment: str) -> Mapping[str, Table]:
    """Tables of an experiment, or of the claims."""
    return CLAIMS if experiment == "claims" else experiments()[experiment].tables


def all_tables() -> dict[str, Table]:
    """All tables by name, in the order of the reference."""
    return {**measured_tables(), **CLAIMS, **FINDINGS}


# Pages of every report beside those of models and sections: the front page, the models side by
# side, and what was run.
OWN_PAGES = ("index", "compared", "reader", "run")


@dataclass(frozen=True)
class ReportSection:
    """A section and its experiment, or `atlas`. package: the package of its figure modules."""

    experiment: str
    section: Section
    package: str


def sections(names: Iterable[str] | None = None) -> dict[str, ReportSection]:
    """Sections by name; the name is also their folder and their address.

    names: experiments (and claims), in the order of the report; None for all. The sections of the
    atlas come first."""
    entries = {
        name: ReportSection("atlas", one, f"sinkscope.atlas.figures.{one.package}")
        for name, one in SECTIONS.items()
    }
    for name in (*experiments(), "claims") if names is None else names:
        if name == "claims":
            entries[name] = ReportSection(name, SECTION, "sinkscope.claims.figures")
        else:
            for section, one in experiments()[name].sections.items():
                entries[section] = ReportSection(
                    name, one, f"sinkscope.experiments.{name}.{one.package}"
                )
    return entries


def pages_of(names: Iterable[str]) -> list[str]:
    """Sections with a page of their own: all except that of the front page."""
    return [name for name in names if name != FRONT]
