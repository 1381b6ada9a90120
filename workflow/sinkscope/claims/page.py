"""The page of the claims: every statement with its verdict, and the numbers behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sinkscope.charts.shown import ShownSection
from sinkscope.claims.measure import measures
from sinkscope.claims.measure import shown as shown_layers
from sinkscope.claims.summary import NOTES, sentence
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY, UNTESTED

# Titles of the page's parts, in its order; a study that is not here goes by its key.
STUDIES = {
    "atlas": "Sink atlas (study 1, Pramodith 2023)",
    "second-sink": "Second sink (study 2, \u201cAre two dummies better than one?\u201d)",
    "dormant-heads": "Dormant induction heads (study 3)",
    "literature": "The literature",
}
# What a style sheet calls each verdict.
MARKS = {HOLDS: "holds", PARTLY: "partly", FAILS: "fails", UNTESTED: "untested"}


@dataclass(frozen=True)
class ShownClaim:
    """One claim. brief: its numbers in a line. rows: of the table `claims`, one for each model
    that it was held against."""

    claim: str
    kind: str
    statement: str
    source: str
    measure: str
    condition: str
    verdict: str
    mark: str
    tested: str
    brief: str
    rows: list[dict[str, Any]]


def measured_as(measure: str, options: str) -> str:
    """A measure and its options, as a reader may take them in."""
    parts = [shown_option(key, value) for key, value in json.loads(options).items()]
    about = measures()[measure].about
    return f"{about} ({', '.join(parts)})" if parts else about


def shown_option(key: str, value: Any) -> str:
    if key in ("layers", "of_layers"):
        return f"{'of that in ' if key == 'of_layers' else ''}{shown_layers(value)}"
    if key in ("tokens", "of"):
        text = ", ".join(f"\u201c{token}\u201d" for token in value)
    elif isinstance(value, list):
        text = ", ".join(str(item) for item in value)
    elif isinstance(value, dict):
        text = ", ".join(f"{key} = {item}" for key, item in value.items())
    else:
        text = str(value).replace("_", " ")
    return f"{key.replace('_', ' ')} {text}"


def number(value: float | None, *, signed: bool = False) -> str:
    """Four significant digits, more only just below 1; a dash where there is none."""
    if value is None:
        return "\u2013"
    digits = 5 if 0.9995 <= value < 1 else 4
    return f"{value:+.3g}" if signed else f"{value:.{digits}g}"


def by_whom(study: str) -> str:
    """What a number is called that this page holds against the measured one."""
    return "noted" if study == NOTES else "published"


def brief(rows: Sequence[dict[str, Any]]) -> str:
    """The models that the claim speaks about, where they ran, else their relatives, each with
    its number; and what is published (or noted), where that is one number."""
    own = [row for row in rows if row["measured"] is not None and not row["is_relative"]]
    kin = [row for row in rows if row["measured"] is not None and row["is_relative"]]
    parts = [f"{row['model']} {number(row['measured'])}" for row in own]
    parts += [row["why"].rstrip(".") for row in rows if row["verdict"] == FAILS and row["why"]]
    if kin:
        names = {row["model"]: number(row["measured"]) for row in kin}
        listed = ", ".join(f"{model} {value}" for model, value in names.items())
        parts.append(f"{'relative' if len(names) == 1 else 'relatives'}: {listed}")
    published = {row["published"] for row in rows}
    if len(published) == 1 and None not in published:
        parts.append(f"{by_whom(rows[0]['study'])}: {number(*published)}")
    return "; ".join(parts) or rows[0]["why"]


def shown(rows: Sequence[dict[str, Any]]) -> ShownClaim:
    """rows: all of one claim."""
    first, verdict = rows[0], rows[0]["overall"]
    return ShownClaim(
        first["claim"],
        first["kind"],
        first["statement"],
        first["source"],
        measured_as(first["measure"], first["options"]),
        first["condition"].replace("published", by_whom(first["study"])),
        verdict,
        MARKS[verdict],
        coverage(rows),
        brief(rows),
        [row | {"mark": MARKS[row["verdict"]]} for row in rows],
    )


def coverage(rows: Sequence[dict[str, Any]]) -> str:
    """How many of the models that a claim speaks about were tested; nothing where it is one."""
    subjects = {row["subject"] for row in rows}
    n_tested = len({row["subject"] for row in rows if row["verdict"] != UNTESTED})
    if len(subjects) == 1:
        return ""
    text = f"{n_tested} of {len(subjects)} models tested"
    if n_tested and rows[0]["overall"] == UNTESTED:
        text += "; it speaks about encoders and decoders, and only one kind was tested"
    return text


def page(claims: pl.DataFrame, section: ShownSection) -> dict[str, Any]:
    """What the template is given beside what all pages share."""
    by_study: dict[str, list[ShownClaim]] = {study: [] for study in STUDIES}
    for _, rows in claims.group_by("number", maintain_order=True):
        by_study.setdefault(rows["study"][0], []).append(shown(rows.rows(named=True)))
    notes = by_study.pop(NOTES, [])
    return {
        "title": section.title,
        "section": section,
        "sentence": sentence(claims),
        "studies": {STUDIES.get(study, study): found for study, found in by_study.items() if found},
        "notes": notes,
        "number": number,
        "page": {},
    }
