"""The table `findings`: the numbers in the sentences of the figures."""

from sinkscope.tables.columns import number, position, text
from sinkscope.tables.table import Table

TABLES: dict[str, Table] = {
    "findings": Table(
        "one row per number or name in the sentence of a figure",
        {
            "figure": text("name of the figure, as its files are called"),
            "model": text("model that the value is about; null where it is about several"),
            "name": text(
                "name of the value in the sentence's template; in a list, the name of the list, a "
                "full stop, and the name of the value"
            ),
            "rank": position(
                "place in the list, counted from 0; 0 for a value that is not in a list"
            ),
            "value": number(
                "the value, if it is a number, to 12 significant digits; truth values are 0 and 1",
                "as in the sentence",
            ),
            "text": text("the value, if it is a name: a token, a model, a document"),
        },
        sort=("figure", "model", "name", "rank"),
    ),
}
