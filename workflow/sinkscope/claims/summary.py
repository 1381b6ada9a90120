"""What a run says of the claims together, in a sentence, and which of them print a part of 1.

Notes of this project (the study `design`) are not claims of a study: they are counted apart.
"""

from __future__ import annotations

import polars as pl

from sinkscope import words
from sinkscope.claims.measure import measures
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY

NOTES = "design"
# A verdict over all models, of one claim and of several.
SAID = {
    HOLDS: ("holds", "hold"),
    PARTLY: (
        "holds for those of its models that were tested",
        "hold for those of their models that were tested",
    ),
    FAILS: ("does not hold", "do not hold"),
}


def sentence(claims: pl.DataFrame) -> str:
    """What this run says of the studies' claims together, and of the notes of this project."""
    is_note = pl.col("study") == NOTES
    groups = [
        (claims.filter(~is_note), "statement", "of the studies"),
        (claims.filter(is_note), "note", "of this project itself, measured when it was designed"),
    ]
    return " ".join(tested(*group) for group in groups if group[0].height)


def tested(claims: pl.DataFrame, noun: str, whose: str) -> str:
    """How many of these claims were tested, and their verdicts over all models."""
    verdicts = claims.unique("number")["overall"].to_list()
    counts = {verdict: verdicts.count(verdict) for verdict in SAID}
    n_tested, n_claims = sum(counts.values()), len(verdicts)
    said = [f"{words.integer(n)} {SAID[verdict][n != 1]}" for verdict, n in counts.items() if n]
    verb = "was" if n_tested == 1 else "were"
    text = f"Of {words.counted(n_claims, noun)} {whose}, {words.integer(n_tested)} {verb} tested"
    text += f" by this run: {words.listed(said)}." if said else " by this run."
    if n_tested == n_claims:
        return text
    rest = "The others" if n_tested else "They"
    return f"{text} {rest} speak about models or tables that were not in it."


def parts(claims: pl.DataFrame) -> pl.DataFrame:
    """Rows about a share, or a part of attention, that is printed: from 0 to 1."""
    wanted = [name for name, measure in measures().items() if measure.is_part]
    return claims.filter(pl.col("measure").is_in(wanted), pl.col("published").is_between(0, 1))
