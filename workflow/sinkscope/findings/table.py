"""The table `findings`: the numbers in the sentences of the figures."""

from __future__ import annotations

from sinkscope.tables.table import Column, Table

TABLES: dict[str, Table] = {
    "findings": Table(
        "one row per number or name in the sentence of a figure",
        {
            "figure": Column("String", "name of the figure, as its files are called"),
            "model": Column(
                "String", "model that the value is about; null where it is about several"
            ),
            "name": Column(
                "String",
                "name of the value in the sentence's template; in a list, the name of the list, a "
                "full stop, and the name of the value",
            ),
            "rank": Column(
                "UInt32", "place in the list, counted from 0; 0 for a value that is not in a list"
            ),
            "value": Column(
                "Float64",
                "the value, if it is a number, to 12 significant digits; truth values are 0 and 1",
                "as in the sentence",
            ),
            "text": Column("String", "the value, if it is a name: a token, a model, a document"),
        },
        sort=("figure", "model", "name", "rank"),
    ),
}
