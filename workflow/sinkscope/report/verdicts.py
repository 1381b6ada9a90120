"""One sentence per experiment, from the values of its figures' findings."""

from collections.abc import Sequence
from typing import Any

import jinja2
import polars as pl

from sinkscope.charts.shown import ShownFigure
from sinkscope.findings.finding import sentences


def verdict(template: str, figures: Sequence[ShownFigure], findings: pl.DataFrame) -> str:
    """The sentence of a section's template; the finding of its first figure if the section has no
    template, or if a figure that the template needs has nothing to show.

    findings: the table of that name. Whole numbers are integers, as they were in the findings.
    """
    facts = {figure.name: facts_of(findings, figure.name) for figure in figures}
    try:
        text = sentences().from_string(template).render(facts).strip()
    except jinja2.UndefinedError:
        text = ""
    return text or (figures[0].finding if figures else "")


def facts_of(findings: pl.DataFrame, figure: str) -> dict[str, Any]:
    """The values of a finding as its template gets them: by name, lists as lists of mappings."""
    facts: dict[str, Any] = {}
    rows = findings.filter(pl.col("figure") == figure).sort("name", "rank")
    for row in rows.iter_rows(named=True):
        value = row["value"] if row["text"] is None else row["text"]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        name, _, key = row["name"].partition(".")
        if not key and row["model"] is None:
            facts[name] = value
            continue
        entries = facts.setdefault(name, [])
        while len(entries) <= row["rank"]:
            entries.append({})
        entries[row["rank"]]["model"] = row["model"]
        if key:
            entries[row["rank"]][key] = value
    return facts
