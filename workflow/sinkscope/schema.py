"""Check a mapping against a JSON schema, with one sentence per wrong key."""

import copy
import difflib
import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sinkscope.declarations.registry import experiments, settings
from sinkscope.errors import SinkscopeError

SCHEMAS = Path(__file__).parent / "schemas"
BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
SHOWN = 60  # characters of a value


def checked(value: Mapping[str, Any], schema_name: str, where: str) -> dict[str, Any]:
    """`value` with the schema's defaults, and other notations of whole numbers and booleans
    converted. Raises SinkscopeError with one sentence per wrong key, each beginning with
    `where`."""
    filled, problems = check(value, schema_name, where, {})
    if problems:
        raise SinkscopeError("\n".join(problems))
    return filled


def check(
    value: Mapping[str, Any], schema_name: str, where: str, locations: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """`value` without the wrong keys, and a sentence about each, with its location or `where`."""
    known = properties(schema_name)
    value = {key: converted(item, known.get(key, {})) for key, item in value.items()}
    problems = [
        f"{locations.get(key, where)}: {sentence}"
        for key in value
        for sentence in unknown("key", [key], known)
    ]
    problems += [
        f"{where}: '{key}' is missing; add it." for key in required(schema_name) if key not in value
    ]
    wrong: dict[str, str] = {}
    errors = sorted(_validator(schema_name).iter_errors(value), key=lambda e: list(e.path))
    for error in errors:
        if error.path:
            wrong.setdefault(str(error.path[0]), _sentence(error, known))
    for path, number in not_finite(value):
        expected = kind_of(known.get(path[0], {})) if len(path) == 1 else ""
        sentence = f"{'.'.join(path)} is {number}; it must be {expected or 'a finite number'}."
        wrong.setdefault(path[0], sentence)
    problems += [f"{locations.get(key, where)}: {sentence}" for key, sentence in wrong.items()]
    right = {key: item for key, item in value.items() if key in known and key not in wrong}
    defaults = {k: copy.deepcopy(part["default"]) for k, part in known.items() if "default" in part}
    return defaults | right, problems


@functools.cache
def _schema(name: str) -> dict[str, Any]:
    import yaml

    schema = yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))
    return with_experiments(schema) if name == "config" else schema


@functools.cache
def _validator(name: str) -> Any:
    """The validator of a schema; cached, because a table has many rows."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(_schema(name))


def with_experiments(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the configuration, completed with the experiments' names and settings."""
    declared = {
        key: {**setting.schema, "default": setting.default, "description": setting.about}
        for key, setting in settings().items()
    }
    names = [name for name, one in experiments().items() if one.sections]
    listed = schema["properties"]["experiments"]
    items = {"enum": [*listed["default"], *(n for n in names if n not in listed["default"])]}
    return schema | {
        "properties": schema["properties"] | declared | {"experiments": listed | {"items": items}}
    }


def properties(schema_name: str) -> dict[str, Any]:
    return _schema(schema_name)["properties"]


def required(schema_name: str) -> list[str]:
    return _schema(schema_name)["required"]


def unknown(what: str, names: Iterable[Any], known: Iterable[str]) -> Iterator[str]:
    """One sentence per unknown name. what: a key or a column."""
    known = list(known)
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}."
            yield f"unknown {what} '{name}'; {hint}"


def converted(value: Any, part: Mapping[str, Any]) -> Any:
    """Whole numbers and booleans that are written as text or as 8.0, as tables and --config do."""
    kind = part.get("type")
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if kind == "integer" and isinstance(value, str) and WHOLE.fullmatch(value):
        return int(value)
    if (kind == "boolean" or True in part.get("enum", ())) and isinstance(value, str):
        return BOOLEANS.get(value.lower(), value)
    return value


def not_finite(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Paths of the numbers that are nan or infinite; comparisons with nan are silently false."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from not_finite(item, (*path, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from not_finite(item, (*path, str(index)))


def _sentence(error: Any, known: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in error.path)
    if error.validator == "additionalProperties":
        return f"{name}: {next(unknown('key', error.instance, error.schema['properties']))}"
    if kind := kind_of(error.schema):
        return f"{name} is {shown(error.instance)}; it must be {kind}."
    hint = known[error.path[0]].get("description", "see config/README.md").rstrip(".")
    return f"{name} is {shown(error.instance)}, which it cannot be; expected: {hint}."


def shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def kind_of(part: Mapping[str, Any]) -> str:
    """What a value must be: its type and range; "" if its description says it better."""
    if "title" in part:
        return part["title"]
    if "enum" in part:
        return f"one of {', '.join(part['enum'])}"
    kind = part.get("type")
    if kind == "array":
        unique = ", each at most once" if part.get("uniqueItems") else ""
        return f"a list [...] in which each entry is {kind_of(part['items'])}{unique}"
    if kind == "integer" or kind == "number":
        return f"{'an integer' if kind == 'integer' else 'a number'}{_range(part)}"
    if kind == "string" and "pattern" not in part:
        return "text that is not empty" if part.get("minLength") else "text"
    return "true or false" if kind == "boolean" else ""


def _range(part: Mapping[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    words = {
        "minimum": "of at least", "exclusiveMinimum": "above",
        "maximum": "of at most", "exclusiveMaximum": "below",
    }  # fmt: skip
    bounds = [f"{word} {part[key]:,}" for key, word in words.items() if key in part]
    return f" {' and '.join(bounds)}" if bounds else ""
