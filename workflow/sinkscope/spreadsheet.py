"""Tables as CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import polars as pl

# First characters that make a spreadsheet run a text as a formula, or skip to such a character:
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = r"^[=+\-@\t\r]"


def as_csv(frame: pl.DataFrame, *, header: bool = True) -> str:
    """`frame` as CSV. A text that a spreadsheet would run as a formula, such as the token `=1+1`,
    gets a leading apostrophe. Numbers are unchanged."""
    text = pl.col(pl.String)
    safe = pl.when(text.str.contains(FORMULA)).then(pl.lit("'") + text).otherwise(text)
    return frame.with_columns(safe.name.keep()).write_csv(include_header=header)
