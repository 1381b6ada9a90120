"""The page of claims: every statement with its verdict and its numbers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from sinkscope import words
from sinkscope.charts.shown import ShownSection
from sinkscope.claims.measure import measures
from sinkscope.claims.measure import shown as shown_layers
from sinkscope.claims.summary import NOTES, sentence
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY, UNTESTED
from sinkscope.references import Reference, citations

# Titles of the page's parts, in order. Before them stand a project's own claims, under the name of
# their file; each work of the literature has a part of its own.
STUDIES = {
    "atlas": "Sink atlas (study 1, Pramodith 2023)",
    "second-sink": "Second sink (study 2, Wray 2023)",
    "dormant-heads": "Dormant induction heads (study 3, Adewuyi 2025)",
    "literature": "The literature",
}
KNOWN = (*STUDIES, NOTES)
LITERATURE = "literature"
DOUBT = "the interval includes the threshold"
# CSS class per verdict.
MARKS = {HOLDS: "holds", PARTLY: "partly", FAILS: "fails", UNTESTED: "untested"}


def measured_as(measure: str, options: str) -> str:
    """A measure with its options, in words."""
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
    """A number with 4 significant digits, 5 just below 1; a dash for None."""
    if value is None:
        return "\u2013"
    digits = 5 if 0.9995 <= value < 1 else 4
    return f"{value:+.3g}" if signed else f"{value:.{digits}g}"


def estimate(row: Mapping[str, Any]) -> str:
    """The measured number of a row, with its interval and number of documents."""
    documents = "" if row["low"] is None else f", {words.counted(row['n_documents'], 'document')}"
    return f"{interval(row)}{documents}"


def interval(row: Mapping[str, Any]) -> str:
    """The measured number of a row, with its interval."""
    ends = "" if row["low"] is None else f" [{number(row['low'])}, {number(row['high'])}]"
    return f"{number(row['measured'])}{ends}"


def doubt(row: Mapping[str, Any]) -> str:
    """The remark beside a verdict whose interval includes a threshold."""
    return DOUBT if row["is_clear"] is False else ""


def by_whom(study: str) -> str:
    """The word for the number that is compared with the measured one."""
    return "noted" if study == NOTES else "published"


def brief(rows: Sequence[dict[str, Any]]) -> str:
    """The numbers of the claim's models and of their relatives, with intervals; the number of
    documents; then the published (or noted) number, if there is only one."""
    subjects = [row for row in rows if row["measured"] is not None and not row["is_relative"]]
    relatives = [row for row in rows if row["measured"] is not None and row["is_relative"]]
    parts = [f"{row['model']} {interval(row)}" for row in subjects]
    parts += [row["why"].rstrip(".") for row in rows if row["verdict"] == FAILS and row["why"]]
    if relatives:
        names = {row["model"]: interval(row) for row in relatives}
        listed = ", ".join(f"{model} {value}" for model, value in names.items())
        parts.append(f"{'relative' if len(names) == 1 else 'relatives'}: {listed}")
    if n_documents := [row["n_documents"] for row in rows if row["low"] is not None]:
        plural = "s" if max(n_documents) > 1 else ""
        parts.append(f"n = {words.ranged(n_documents)} document{plural}")
    published = {row["published"] for row in rows}
    if len(published) == 1 and None not in published:
        parts.append(f"{by_whom(rows[0]['study'])}: {number(*published)}")
    return "; ".join(parts) or rows[0]["why"]


def shown(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The claim of these rows, as the page shows it: the columns that all rows share; doubt, a
    phrase if the interval of a deciding number includes a threshold; tested, how many of its models
    were; brief, what was measured and its numbers on one line; and its rows, one per model that it
    was tested on. rows: all rows of one claim."""
    is_measured = any(row["measured"] is not None for row in rows)
    what = f"{measures()[rows[0]['measure']].about} \u2013 " if is_measured else ""
    first, decided = rows[0], [row for row in rows if row["verdict"] in (HOLDS, FAILS)]
    return {
        **{name: first[name] for name in ("claim", "kind", "statement", "source")},
        "measure": measured_as(first["measure"], first["options"]),
        "condition": first["condition"].replace("published", by_whom(first["study"])),
        "verdict": first["overall"],
        "mark": MARKS[first["overall"]],
        "doubt": DOUBT if any(map(doubt, decided)) else "",
        "tested": coverage(rows),
        "brief": f"{what}{brief(rows)}",
        "rows": [
            row | {"mark": MARKS[row["verdict"]], "estimate": estimate(row), "doubt": doubt(row)}
            for row in rows
        ],
    }


def coverage(rows: Sequence[dict[str, Any]]) -> str:
    """How many of the claim's models were tested; empty for a claim about one model."""
    subjects = {row["subject"] for row in rows}
    n_tested = len({row["subject"] for row in rows if row["verdict"] != UNTESTED})
    if len(subjects) == 1:
        return ""
    text = f"{n_tested} of {len(subjects)} models tested"
    if n_tested and rows[0]["overall"] == UNTESTED:
        text += "; the claim is about encoders and decoders, and only one kind was tested"
    return text


def work(source: str) -> Reference | None:
    """The first work that a source cites."""
    return next((cited for _, cited in citations(source)), None)


def title(study: str, source: str) -> str:
    """Title of a claim's part of the page: its study, or its work of the literature."""
    if study == LITERATURE and (cited := work(source)):
        return f"{cited.label}: {cited.title}"
    return STUDIES.get(study, study)


def place(study: str, source: str) -> tuple[int, str, str]:
    """Sort key of a part: the project's claims, the three studies, works by year."""
    if study == LITERATURE and (cited := work(source)):
        return len(KNOWN), cited.year, cited.label
    return KNOWN.index(study) + 1 if study in KNOWN else 0, "", ""


def page(claims: pl.DataFrame, section: ShownSection) -> dict[str, Any]:
    """The values for the template, besides those that all pages share."""
    parts: dict[str, list[dict[str, Any]]] = {}
    notes: list[dict[str, Any]] = []
    in_order = sorted(
        claims.partition_by("number", maintain_order=True),
        key=lambda rows: place(rows["study"][0], rows["source"][0]),
    )
    for rows in in_order:
        study, claim = rows["study"][0], shown(rows.rows(named=True))
        if study == NOTES:
            notes.append(claim)
        else:
            parts.setdefault(title(study, claim["source"]), []).append(claim)
    return {
        "title": section.title,
        "section": section,
        "sentence": sentence(claims),
        "studies": parts,
        "notes": notes,
        "number": number,
        "page": {},
    }
