"""Verdicts of a run on the claims of the studies. Verdicts are computed, never typed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.claims.file import Claim, Subject, read_claims
from sinkscope.claims.measure import AbsentError, Tables, measures
from sinkscope.claims.table import TABLES
from sinkscope.errors import SinkscopeError
from sinkscope.tables.contract import write_table
from sinkscope.tables.read import read_tables

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not tested here"
# For a claim as a whole: it holds for every tested model, but not every model was tested.
PARTLY = "holds where tested"
TESTS = {
    "above": (lambda x, limit: x > limit, "above {}"),
    "below": (lambda x, limit: x < limit, "below {}"),
    "at_least": (lambda x, limit: x >= limit, "at least {}"),
    "at_most": (lambda x, limit: x <= limit, "at most {}"),
}


def condition_text(condition: Mapping[str, float]) -> str:
    parts = [TESTS[key][1].format(f"{limit:g}") for key, limit in condition.items() if key in TESTS]
    if condition.get("within") == 0:
        parts.append("equal to the published number")
    elif "within" in condition:
        parts.append(f"within {condition['within']:g} of the published number")
    return " and ".join(parts)


def meets(claim: Claim, subject: Subject, measured: float) -> bool:
    in_limits = all(
        TESTS[key][0](measured, limit) for key, limit in claim.condition.items() if key in TESTS
    )
    if "within" not in claim.condition:
        return in_limits
    return in_limits and abs(measured - claim.published[subject.name]) <= claim.condition["within"]


def number_of(claim: Claim, tables: Tables, model: str) -> float | None:
    """The claim's number for one model of the run, if all tables that it needs exist."""
    try:
        return measures()[claim.measure].compute(tables, model, **claim.options)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise SinkscopeError(
            f"claim '{claim.claim}': its measure {claim.measure} cannot be taken with "
            f"{json.dumps(claim.options)} ({reason}); correct `with`."
        ) from error


def models_like(subject: Subject, models: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Models of the run that are the subject, and its relatives: other softmax models of the same
    architecture, the largest first."""
    source = pl.col("source").str.split("@").list.first()
    subjects = models.filter(source.is_in(list(subject.sources)))["model"].to_list()
    relatives = models.filter(
        pl.col("architecture") == subject.architecture,
        pl.col("attention") == "softmax",
        ~pl.col("model").is_in(subjects),
    ).sort("n_parameters", "model", descending=[True, False])
    return subjects, relatives["model"].to_list()


@dataclass(frozen=True)
class Measurement:
    """The number of a claim for one model of the run, and whether it meets the condition. Both are
    None if it could not be measured. why: a sentence if number is None."""

    number: float | None
    meets: bool | None
    why: str = ""


def measure_model(claim: Claim, subject: Subject, tables: Tables, model: str) -> Measurement:
    try:
        number = number_of(claim, tables, model)
    except AbsentError as absent:
        return Measurement(None, False, str(absent))
    if number is None:
        names = " and ".join(claim.tables())
        return Measurement(
            None, None, f"The run does not have what this needs of {model} in {names}."
        )
    return Measurement(number, meets(claim, subject, number))


def rows_about(claim: Claim, subject: Subject, tables: Tables) -> list[dict[str, Any]]:
    """The claim's rows about one published model: its own rows if it ran, else those of its
    relatives, else one row without a number."""
    subjects, relatives = models_like(subject, tables["models"])
    missing = [name for name in claim.tables() if name not in tables]
    if missing:
        return [row(claim, subject, why=f"This run has no table {missing[0]}.")]
    if subjects:
        return [row_of_subject(claim, subject, tables, model) for model in subjects]
    absent = f"{subject.name} was not in this run"
    if not relatives:
        why = f"{absent}, nor was another model of its architecture ({subject.architecture})."
        return [row(claim, subject, why=why)]
    return [row_of_relative(claim, subject, tables, model) for model in relatives]


def row_of_subject(claim: Claim, subject: Subject, tables: Tables, model: str) -> dict[str, Any]:
    measurement = measure_model(claim, subject, tables, model)
    verdict = UNTESTED if measurement.meets is None else HOLDS if measurement.meets else FAILS
    return row(claim, subject, model, measurement, why=measurement.why, verdict=verdict)


def row_of_relative(claim: Claim, subject: Subject, tables: Tables, model: str) -> dict[str, Any]:
    """The row of a relative, which decides nothing."""
    measurement = measure_model(claim, subject, tables, model)
    outcome = {True: "would meet", False: "would not meet", None: "does not test"}[
        measurement.meets
    ]
    why = f"{subject.name} was not in this run; its relative {model} {outcome} the condition."
    return row(
        claim, subject, model, measurement, why=f"{why} {measurement.why}".strip(), is_relative=True
    )


def row(
    claim: Claim,
    subject: Subject,
    model: str | None = None,
    measurement: Measurement = Measurement(None, None),
    *,
    why: str,
    verdict: str = UNTESTED,
    is_relative: bool = False,
) -> dict[str, Any]:
    published, measured = claim.published.get(subject.name), measurement.number
    both = published is not None and measured is not None
    return {
        "number": claim.number,
        "claim": claim.claim,
        "study": claim.study,
        "kind": claim.kind,
        "statement": claim.statement,
        "source": claim.source,
        "subject": subject.name,
        "model": model,
        "is_relative": is_relative,
        "measure": claim.measure,
        "options": json.dumps(claim.options, ensure_ascii=False, sort_keys=True),
        "condition": condition_text(claim.condition),
        "published": published,
        "measured": measured,
        "difference": measured - published if both else None,  # type: ignore[operator]
        "meets": measurement.meets,
        "verdict": verdict,
        "why": why,
    }


def evaluate(claims: Sequence[Claim], tables: Tables) -> pl.DataFrame:
    """The table `claims`. tables: the tables of this run by name, including `models`."""
    rows = []
    for claim in claims:
        of_claim = [
            entry for subject in claim.subjects for entry in rows_about(claim, subject, tables)
        ]
        verdict = overall(claim, of_claim)
        rows += [entry | {"overall": verdict} for entry in of_claim]
    return pl.DataFrame(rows, schema=TABLES["claims"].schema)


def overall(claim: Claim, rows: Sequence[Mapping[str, Any]]) -> str:
    """The verdict over all models that a claim speaks about: it fails if it fails for one model. A
    claim about encoders and decoders is untested until at least one of each was tested.

    rows: all rows of the claim.
    """
    by_verdict = {
        verdict: {entry["subject"] for entry in rows if entry["verdict"] == verdict}
        for verdict in (HOLDS, FAILS)
    }
    if by_verdict[FAILS]:
        return FAILS
    kinds = {subject.kind for subject in claim.subjects}
    tested = [subject for subject in claim.subjects if subject.name in by_verdict[HOLDS]]
    if kinds != {subject.kind for subject in tested}:
        return UNTESTED
    return HOLDS if len(tested) == len(claim.subjects) else PARTLY


def write_claims(path: Path, tables: Path, names: Sequence[str], out: Path) -> None:
    """Evaluate the claims of a file on these tables of a folder; write the table `claims`."""
    tables_of_run = read_tables(tables, names)
    rows = evaluate(read_claims(path), tables_of_run)
    write_table(rows.lazy(), "claims", TABLES["claims"], out)
