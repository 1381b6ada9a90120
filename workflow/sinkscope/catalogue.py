"""Every table and every section of the report that a run can have, by what makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.claims import SECTION
from sinkscope.claims.table import TABLES as CLAIMS
from sinkscope.declarations.experiment import Section
from sinkscope.declarations.found import experiments
from sinkscope.findings.table import TABLES as FINDINGS
from sinkscope.tables.table import Table


def tables_of(experiment: str) -> Mapping[str, Table]:
    """Tables of an experiment, or of the claims."""
    return CLAIMS if experiment == "claims" else experiments()[experiment].tables


def all_tables() -> dict[str, Table]:
    """By name, in the order of the reference."""
    own = [one.tables for one in experiments().values() if not one.feeds_atlas]
    of_experiments = {name: table for tables in own for name, table in tables.items()}
    return {**tables_of_atlas(), **of_experiments, **CLAIMS, **FINDINGS}


@dataclass(frozen=True)
class Place:
    """Where a section belongs. experiment: whose it is. package: of the modules of its figures."""

    experiment: str
    section: Section
    package: str


def sections(names: Iterable[str] | None = None) -> dict[str, Place]:
    """Sections by name, which is their folder and address. names: experiments (and claims), in
    the order of the report; None for all."""
    found: dict[str, Place] = {}
    for name in (*experiments(), "claims") if names is None else names:
        if name == "claims":
            found[name] = Place(name, SECTION, "sinkscope.claims.figures")
        else:
            for section, one in experiments()[name].sections.items():
                found[section] = Place(name, one, f"sinkscope.experiments.{name}.{one.package}")
    return found
