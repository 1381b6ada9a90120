"""Verdicts of a run on the claims of the studies."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.claims.file import Claim, Subject, read_claims
from sinkscope.claims.measure import Tables
from sinkscope.claims.measured import NOT_MEASURED, Measurement, condition_text, measure_model
from sinkscope.claims.table import TABLES
from sinkscope.declarations.registry import experiments
from sinkscope.tables.contract import write_table
from sinkscope.tables.read import StoredTables

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not tested here"
# For a claim as a whole: it holds for every tested model, but not every model was tested.
PARTLY = "holds where tested"
# Columns of the table that have these names in Claim and in Measurement.
OF_CLAIM = ("number", "claim", "study", "kind", "statement", "source", "measure")
OF_MEASUREMENT = ("meets", "is_clear", "sensitivity", "ablation")


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


def rows_about(claim: Claim, subject: Subject, tables: Tables) -> list[dict[str, Any]]:
    """The claim's rows about one published model: its own rows if it ran, else those of its
    relatives, else one row without a number."""
    subjects, relatives = models_like(subject, tables["models"])
    missing = [name for name in claim.tables() if name not in tables]
    if missing:
        return [row(claim, subject, why=no_table(missing[0]))]
    if subjects:
        return [row_of_subject(claim, subject, tables, model) for model in subjects]
    if not relatives:
        why = f"nor was another model of its architecture ({subject.architecture})"
        return [row(claim, subject, why=f"{absent(subject)}, {why}.")]
    return [row_of_relative(claim, subject, tables, model) for model in relatives]


def no_table(name: str) -> str:
    """Why a claim is not tested, and the experiment that makes the missing table."""
    listed = ((experiment, one) for experiment, one in experiments().items() if one.sections)
    makers = [experiment for experiment, one in listed if name in one.tables]
    by_whom = f"; the experiment {makers[0]} makes it" if makers else ""
    return f"This run has no table {name}{by_whom}."


def absent(subject: Subject) -> str:
    """The sentence for a model that did not run, with the grid that has it."""
    grid = f" (the grid of {subject.grid} has it)" if subject.grid else ""
    return f"{subject.name} was not in this run{grid}"


def row_of_subject(claim: Claim, subject: Subject, tables: Tables, model: str) -> dict[str, Any]:
    measurement = measure_model(claim, subject, tables, model)
    verdict = UNTESTED if measurement.meets is None else HOLDS if measurement.meets else FAILS
    return row(claim, subject, model, measurement, why=measurement.why, verdict=verdict)


def row_of_relative(claim: Claim, subject: Subject, tables: Tables, model: str) -> dict[str, Any]:
    """The row of a relative, which does not affect the verdict."""
    measurement = measure_model(claim, subject, tables, model)
    outcome = {True: "would meet", False: "would not meet", None: "does not test"}[
        measurement.meets
    ]
    why = f"{absent(subject)}; its relative {model} {outcome} the condition."
    return row(
        claim, subject, model, measurement, why=f"{why} {measurement.why}".strip(), is_relative=True
    )


def row(
    claim: Claim,
    subject: Subject,
    model: str | None = None,
    measurement: Measurement = NOT_MEASURED,
    *,
    why: str,
    verdict: str = UNTESTED,
    is_relative: bool = False,
) -> dict[str, Any]:
    estimate = measurement.estimate
    published, measured = claim.published.get(subject.name), estimate.number if estimate else None
    both = published is not None and measured is not None
    return {
        **{name: getattr(claim, name) for name in OF_CLAIM},
        "subject": subject.name,
        "model": model,
        "is_relative": is_relative,
        "options": json.dumps(claim.options, ensure_ascii=False, sort_keys=True),
        "condition": condition_text(claim.condition),
        "published": published,
        "measured": measured,
        **{name: getattr(estimate, name, None) for name in ("low", "high", "n_documents")},
        "difference": measured - published if both else None,  # type: ignore[operator]
        "verdict": verdict,
        "why": why,
        **{name: getattr(measurement, name) for name in OF_MEASUREMENT},
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
    """The verdict over all models of a claim: it fails if it fails for one model. A claim about
    encoders and decoders is untested until at least one of each was tested.

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
    tables_of_run = StoredTables(tables, names)
    rows = evaluate(read_claims(path), tables_of_run)
    write_table(rows.lazy(), "claims", TABLES["claims"], out)
