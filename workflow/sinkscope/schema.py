"""Check a mapping against a JSON schema, and say what is wrong in one sentence."""

from __future__ import annotations

import copy
import difflib
from pathlib import Path
from typing import Any

from sinkscope.errors import SinkscopeError

SCHEMAS = Path(__file__).parents[1] / "schemas"


def checked(value: dict[str, Any], schema_name: str, where: str) -> dict[str, Any]:
    """`value` with the schema's defaults filled in; SinkscopeError names `where` and the key."""
    import yaml
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load((SCHEMAS / f"{schema_name}.schema.yaml").read_text(encoding="utf-8"))
    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: list(e.path))
    if errors:
        raise SinkscopeError(f"{where}: {_sentence(errors[0], value, schema)}")
    defaults = {
        key: copy.deepcopy(part["default"])
        for key, part in schema["properties"].items()
        if "default" in part
    }
    return defaults | value


def _sentence(error: Any, value: dict[str, Any], schema: dict[str, Any]) -> str:
    known = list(schema["properties"])
    if error.validator == "additionalProperties" and not error.path:
        key = next(key for key in value if key not in known)
        close = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known keys are {', '.join(known)}."
        return f"unknown key '{key}'; {hint}"
    if error.validator == "required":
        key = next(key for key in schema["required"] if key not in value)
        return f"'{key}' is missing; add it."
    name = ".".join(str(part) for part in error.path) or "the file"
    part = schema["properties"].get(error.path[0], {}) if error.path else {}
    allowed = ""
    if error.validator == "enum":
        allowed = f" (one of {', '.join(str(item) for item in error.validator_value)})"
    hint = part.get("description", "see config/README.md").rstrip(".")
    return f"{name} is {error.instance!r}, which it cannot be{allowed}; expected: {hint}."
