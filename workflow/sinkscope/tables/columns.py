"""Columns that many tables share, and kinds of columns, each declared once."""

from collections.abc import Mapping, Sequence

from sinkscope.tables.table import Column

RATIO = "ratio"


def number(meaning: str, unit: str) -> Column:
    return Column("Float64", meaning, unit)


def fraction(meaning: str) -> Column:
    """Attention, or another part of 1."""
    return number(meaning, SHARE)


def ratio(meaning: str) -> Column:
    return number(meaning, RATIO)


def count(meaning: str) -> Column:
    return Column("UInt32", meaning, "count")


def flag(meaning: str) -> Column:
    return Column("Boolean", meaning)


def layer(meaning: str) -> Column:
    """The number of a layer, or of a head in its layer."""
    return Column("UInt16", meaning)


def position(meaning: str) -> Column:
    """A position in the text, a rank, or another number that counts from 0."""
    return Column("UInt32", meaning)


def text(meaning: str) -> Column:
    """A name, a token, or one of the words that the meaning lists."""
    return Column("String", meaning)


def shared(*names: str) -> dict[str, Column]:
    """Several of the columns of BY_NAME under their usual names."""
    return {name: BY_NAME[name] for name in names}


MODEL = text("name of the model in the table of models")
DOCUMENT = text("name of the document")
LAYER = Column("UInt16", "layer, counted from 0")
HEAD = Column("UInt16", "head of the layer, counted from 0")
QUERY = Column("UInt32", "position of the query, counted from 0")
KEY = Column("UInt32", "position of the key, counted from 0")
TOKEN = text("the token as displayed; ▁ is a space in front of it, ⏎ a line end")
KEY_CLASS = text(
    "class of the token: bos, cls, sep, eos, mask, first, terminator, punctuation, newline, space, "
    "number or word"
)

BY_NAME = {
    "model": MODEL,
    "document": DOCUMENT,
    "layer": LAYER,
    "head": HEAD,
    "query": QUERY,
    "key": KEY,
    "token": TOKEN,
    "key_class": KEY_CLASS,
}

SHARE = "part of 1"  # unit of attention, and of fractions

# How tables describe the interval of a mean over documents.
INTERVAL = "95 % bootstrap interval over documents (percentiles of 1,000 resamples; Efron 1979)"


def interval_columns(name: str, unit: str = SHARE, prefix: str | None = None) -> dict[str, Column]:
    """NAME_low and NAME_high of a mean over documents, or low and high with the prefix ''."""
    prefix = f"{name}_" if prefix is None else prefix
    return {
        f"{prefix}low": Column(
            "Float64",
            f"low end of the {INTERVAL} of {name}; null if fewer than two documents have a value",
            unit,
        ),
        f"{prefix}high": Column("Float64", f"high end of the same interval of {name}", unit),
    }


def estimated(
    columns: Mapping[str, Column], names: Sequence[str], counted: Sequence[str] = ()
) -> dict[str, Column]:
    """The columns, with the interval behind each of `names`, which are means over documents.
    counted: those that also get NAME_n, the number of documents with a value."""
    with_intervals: dict[str, Column] = {}
    for name, column in columns.items():
        with_intervals[name] = column
        if name in names:
            with_intervals |= interval_columns(name, column.unit)
        if name in counted:
            with_intervals[f"{name}_n"] = Column(
                "UInt32", f"number of documents that {name} is the mean of", "count"
            )
    return with_intervals
