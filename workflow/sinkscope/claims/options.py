"""The options of measures, checked when a file of claims is read, without any table.

A measure's options are the keyword arguments of its function. Their legal values are those that the
measure declares (Measure.legal), and for some names the same in every measure: ranges of layers,
lists of tokens, tables and their columns.
"""

import inspect
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sinkscope.claims.measure import EACH, Measure, measures
from sinkscope.measured_tables import measured_tables

LAYERS = ("layers", "of_layers")
TOKENS = ("tokens", "of")


def problems(name: str, options: Mapping[str, Any], *, each: bool = False) -> list[str]:
    """One sentence per wrong option of a measure. each: whether EACH is a range of layers."""
    if name not in measures():
        return [f"measure '{name}' does not exist; measures are {', '.join(sorted(measures()))}."]
    measure = measures()[name]
    parameters = list(inspect.signature(measure.compute).parameters.values())[2:]
    known = [parameter.name for parameter in parameters]
    listed = ", ".join(known) or "none"
    errors = [
        f"the measure {name} has no option '{key}'; its options are {listed}."
        for key in options
        if key not in known
    ]
    errors += [
        f"the measure {name} needs the option '{one.name}'; its options are {listed}."
        for one in parameters
        if one.default is inspect.Parameter.empty and one.name not in options
    ]
    if not errors:
        errors = [text for key in options for text in wrong(measure, key, options, each=each)]
    return errors


def wrong(
    measure: Measure, key: str, options: Mapping[str, Any], *, each: bool = False
) -> Iterator[str]:
    """A sentence if the value of an option is not legal."""
    value = options[key]
    if key in LAYERS:
        if not (is_range(value) or value == "all" or (each and value == EACH)):
            yield (
                f"{key} is {value!r}; it must be two layers such as [0, 1] or [2, -1], or all"
                f"{', or each' if each else ''}."
            )
    elif key in TOKENS:
        if not (isinstance(value, list) and all(isinstance(token, str) for token in value)):
            yield f"{key} is {value!r}; it must be a list of tokens, such as ['.']."
    elif key == "table":
        yield from illegal(key, value, measured_tables())
    elif key == "column" and (table := options.get("table", measure.columns_of)):
        yield from illegal(key, value, columns(table))
    elif key == "where":
        if not isinstance(value, dict):
            yield f"where is {value!r}; it must be a mapping of columns to values."
        else:
            table = options.get("table", measure.columns_of)
            yield from (text for name in value for text in illegal(key, name, columns(table)))
    elif key in measure.legal:
        for item in value if isinstance(value, list) else [value]:
            yield from illegal(key, item, measure.legal[key])


def columns(table: str) -> Collection[str]:
    """Columns of a table; none of one that does not exist, which is a problem of its own."""
    return measured_tables()[table].columns if table in measured_tables() else ()


def illegal(key: str, value: Any, legal: Collection[Any]) -> Iterator[str]:
    if legal and (isinstance(value, (list, dict)) or value not in legal):
        words = ", ".join("null" if item is None else str(item) for item in legal)
        yield f"{key} is {value!r}; it must be one of {words}."


def is_range(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(layer, int) and not isinstance(layer, bool) for layer in value)
    )
