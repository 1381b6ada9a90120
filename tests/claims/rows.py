"""Rows of the table `claims` whose numbers and verdicts are known."""

import polars as pl

from sinkscope.claims.table import TABLES
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY, UNTESTED


def claims(*rows):
    """Rows of the table, those columns given that matter."""
    plain = dict.fromkeys(TABLES["claims"].columns) | {
        "study": "atlas", "is_relative": False, "measure": "max_key_share", "options": "{}",
        "verdict": UNTESTED, "why": "",
    }  # fmt: skip
    filled = [
        plain | {"difference": row["measured"] - row["published"]} | row
        if row.get("measured") is not None and row.get("published") is not None
        else plain | row
        for row in rows
    ]
    return pl.DataFrame(filled, schema=TABLES["claims"].schema)


def row(number, subject, model=None, **values):
    return {"number": number, "claim": f"c{number}", "subject": subject, "model": model} | values


THREE = claims(
    row(0, "a", "a", published=0.5, measured=0.6, verdict=HOLDS, overall=PARTLY),
    row(0, "b", "small", published=0.7, measured=0.1, is_relative=True, overall=PARTLY),
    row(1, "a", "a", published=0.2, measured=0.5, verdict=FAILS, overall=FAILS),
    row(2, "a", "a", published=0.9, measured=0.88, verdict=HOLDS, overall=HOLDS),
    row(3, "a", "a", published=1360, measured=1360, verdict=HOLDS, overall=HOLDS),
    row(4, "b", published=0.3, overall=UNTESTED),
    row(5, "a", "a", published=1, measured=0, measure="half_peak_layer", overall=HOLDS),
)
NOTE = claims(
    row(6, "a", "a", study="design", published=0.4, measured=0.1, verdict=FAILS, overall=FAILS)
)
