"""The summary of all claims in a sentence. Notes of this project (the study `design`) are counted
separately.
"""

import polars as pl

from sinkscope import words
from sinkscope.claims.file import STUDIES
from sinkscope.claims.measure import measures
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY

NOTES = "design"
# A verdict over all models, for one claim and for several.
VERBS = {
    HOLDS: ("holds", "hold"),
    PARTLY: (
        "holds for its models that were tested",
        "hold for their models that were tested",
    ),
    FAILS: ("does not hold", "do not hold"),
}

SHORT = VERBS | {PARTLY: ("holds where tested", "hold where tested")}


def sentence(claims: pl.DataFrame) -> str:
    """The verdicts on a project's own claims, on those of the studies, then on the notes of this
    project."""
    is_note, is_own = pl.col("study") == NOTES, ~pl.col("study").is_in(STUDIES)
    own = claims.filter(is_own)
    groups = [
        *((rows, "statement", f"of {name}") for (name,), rows in own.group_by("study")),
        (claims.filter(~is_note, ~is_own), "statement", "of the studies"),
        (claims.filter(is_note), "note", "of this project itself, measured when it was designed"),
    ]
    return " ".join(tested(*group) for group in groups if group[0].height)


def brief(claims: pl.DataFrame) -> str:
    """The verdicts on the studies' claims, in one line; without notes of this project."""
    of_studies = claims.filter(pl.col("study") != NOTES).unique("number")
    verdicts = of_studies["overall"].to_list()
    counts = {verdict: verdicts.count(verdict) for verdict in VERBS}
    phrases = [f"{words.integer(n)} {SHORT[verdict][n != 1]}" for verdict, n in counts.items() if n]
    n_tested = sum(counts.values())
    text = f"{words.integer(n_tested)} of {words.counted(len(verdicts), 'claim')} "
    text += "could be tested on these models"
    return f"{text}: {words.listed(phrases)}." if phrases else f"{text}."


def tested(claims: pl.DataFrame, noun: str, whose: str) -> str:
    """How many of these claims were tested, and their verdicts over all models."""
    verdicts = claims.unique("number")["overall"].to_list()
    counts = {verdict: verdicts.count(verdict) for verdict in VERBS}
    n_tested, n_claims = sum(counts.values()), len(verdicts)
    phrases = [f"{words.integer(n)} {VERBS[verdict][n != 1]}" for verdict, n in counts.items() if n]
    verb = "was" if n_tested == 1 else "were"
    text = f"Of {words.counted(n_claims, noun)} {whose}, {words.integer(n_tested)} {verb} tested"
    text += f" by this run: {words.listed(phrases)}." if phrases else " by this run."
    if n_unclear := unclear(claims)["number"].n_unique():
        text += (
            f" For {words.integer(n_unclear)} of them the interval over documents includes the "
            "threshold: the verdict may differ on other documents."
        )
    if n_tested == n_claims:
        return text
    rest = "The others" if n_tested else "They"
    return f"{text} {rest} are about models or tables that this run lacks."


def unclear(claims: pl.DataFrame) -> pl.DataFrame:
    """Rows that decide a claim with an interval that includes a threshold of its condition."""
    return claims.filter(pl.col("verdict").is_in([HOLDS, FAILS]), ~pl.col("is_clear"))


def parts(claims: pl.DataFrame) -> pl.DataFrame:
    """Rows of measures that are fractions, with a printed number from 0 to 1."""
    names = [name for name, measure in measures().items() if measure.is_part]
    return claims.filter(pl.col("measure").is_in(names), pl.col("published").is_between(0, 1))
