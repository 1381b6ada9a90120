"""A claim's number for a model of the run, its verdict, and how that depends on the claim's
definition."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sinkscope.claims.file import Claim, Subject
from sinkscope.claims.measure import EACH, AbsentError, Estimate, Tables, measures, of_length
from sinkscope.errors import SinkscopeError
from sinkscope.tables.read import Query, queried

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


def thresholds(claim: Claim, subject: Subject) -> list[float]:
    """The numbers that bound the condition."""
    limits = [limit for key, limit in claim.condition.items() if key in TESTS]
    if "within" in claim.condition:
        published, distance = claim.published[subject.name], claim.condition["within"]
        limits += [published - distance, published + distance]
    return limits


def is_clear(claim: Claim, subject: Subject, measured: Estimate) -> bool | None:
    """Whether the whole interval gives the same answer as the number: it includes no threshold of
    the condition. None without an interval."""
    if measured.low is None or measured.high is None:
        return None
    answers = {
        meets(claim, subject, value) for value in (measured.low, measured.number, measured.high)
    }
    inside = any(measured.low < limit < measured.high for limit in thresholds(claim, subject))
    return len(answers) == 1 and not inside


def number_of(
    claim: Claim, tables: Tables, model: str, options: Mapping[str, Any], measure: str = ""
) -> Estimate | None:
    """The claim's number for one model of the run, if all tables that it needs exist. measure:
    replaces the claim's."""
    measure = measure or claim.measure
    try:
        number = measures()[measure].compute(tables, model, **options)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise SinkscopeError(
            f"claim '{claim.claim}': its measure {measure} fails with {json.dumps(options)} "
            f"({reason}); correct `with`, `sensitivity` or `ablation`."
        ) from error
    return Estimate(number) if isinstance(number, (int, float)) else number


@dataclass(frozen=True)
class Measurement:
    """The number of a claim for one model of the run, and whether it meets the condition. Both are
    None if it could not be measured. why: a sentence if estimate is None. is_clear: as the function
    of this name. sensitivity: the numbers of other definitions, in words. ablation: the number
    without a cause that could explain the disagreement, in words."""

    estimate: Estimate | None
    meets: bool | None
    why: str = ""
    is_clear: bool | None = None
    sensitivity: str = ""
    ablation: str = ""


NOT_MEASURED = Measurement(None, None)


def measure_model(claim: Claim, subject: Subject, tables: Tables, model: str) -> Measurement:
    try:
        estimate = number_of(claim, tables, model, claim.options)
    except AbsentError as absent:
        return Measurement(
            None, False, str(absent), ablation=ablation(claim, subject, tables, model)
        )
    if estimate is None:
        names = " and ".join(claim.tables())
        return Measurement(
            None, None, f"The run lacks values that this needs of {model} in {names}."
        )
    is_met = meets(claim, subject, estimate.number)
    return Measurement(
        estimate,
        is_met,
        is_clear=is_clear(claim, subject, estimate),
        sensitivity=sensitivity(claim, subject, tables, model, is_met=is_met),
        ablation="" if is_met else ablation(claim, subject, tables, model),
    )


def ablation(claim: Claim, subject: Subject, tables: Tables, model: str) -> str:
    """The number without the cause that the claim names; empty if it names none, or if the run
    lacks the data."""
    if not (named := claim.ablation) or any(
        table not in tables for table in measures()[named.measure].tables
    ):
        return ""
    if named.at_most_tokens is not None:
        tables = OfShort(tables, model, named.at_most_tokens)
    number = number_or_none(claim, tables, model, named.options, named.measure)
    if number is None:
        return ""
    is_met = meets(claim, subject, number)
    answer = "meets the condition" if is_met else "does not meet the condition either"
    return f"{named.cause} ({named.name}: {number:.3g}, which {answer})"


class OfShort(Tables):
    """The tables of a run restricted to documents of at most this many tokens. Tables without
    documents have no rows here, except models."""

    def __init__(self, tables: Tables, model: str, at_most_tokens: int) -> None:
        self.tables = tables
        self.kept = of_length(tables, model, at_most_tokens=at_most_tokens).implode()

    def __getitem__(self, name: str) -> pl.DataFrame:
        return self.queried(name, lambda rows: rows, streaming=False)

    def queried(self, name: str, query: Query, *, streaming: bool = True) -> pl.DataFrame:
        def of_short(rows: pl.LazyFrame) -> pl.LazyFrame:
            if "document" in rows.collect_schema():
                return query(rows.filter(pl.col("document").is_in(self.kept)))
            return query(rows if name == "models" else rows.clear())

        return queried(self.tables, name, of_short, streaming=streaming)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


def sensitivity(claim: Claim, subject: Subject, tables: Tables, model: str, *, is_met: bool) -> str:
    """The number with each other definition of the claim, and whether the answer changes with it;
    empty if the claim names none."""
    phrases = []
    for name, changes in claim.sensitivity.items():
        every = alternatives(claim.options | changes, tables, model)
        numbers = [number_or_none(claim, tables, model, options) for options in every]
        phrases.append(f"{name}: {phrase(claim, subject, numbers, is_met=is_met)}")
    return "; ".join(phrases)


def alternatives(options: dict[str, Any], tables: Tables, model: str) -> list[dict[str, Any]]:
    """The options; where a range of layers is EACH, once for every layer of the model except the
    first and the last."""
    ranges = [name for name, value in options.items() if value == EACH]
    if not ranges:
        return [options]
    n_layers = tables["models"].filter(pl.col("model") == model)["n_layers"][0]
    return [options | {name: [layer, layer] for name in ranges} for layer in range(1, n_layers - 1)]


def number_or_none(
    claim: Claim, tables: Tables, model: str, options: Mapping[str, Any], measure: str = ""
) -> float | None:
    """As number_of; None also if the model lacks what the claim is about."""
    try:
        estimate = number_of(claim, tables, model, options, measure)
    except AbsentError:
        return None
    return None if estimate is None else estimate.number


def phrase(claim: Claim, subject: Subject, numbers: Sequence[float | None], *, is_met: bool) -> str:
    """'0.377 (does not meet the condition)', '0.36 to 0.60 (3 of 4 meet the condition)'. Without a
    remark if the answer is the claim's."""
    known = sorted(value for value in numbers if value is not None)
    if not known:
        return "no number"
    n_meet = sum(meets(claim, subject, value) for value in known)
    shown = " to ".join(dict.fromkeys(f"{value:.3g}" for value in (known[0], known[-1])))
    if n_meet == (len(known) if is_met else 0):
        return shown
    if len(known) == 1:
        return f"{shown} ({'meets' if n_meet else 'does not meet'} the condition)"
    return f"{shown} ({n_meet} of {len(known)} meet the condition)"
