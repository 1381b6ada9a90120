"""Mappings written in YAML, and the line of every key."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from sinkscope.errors import SinkscopeError

MOST_NESTED = 2_000  # levels that the loader in C may meet; many more crash it


class _UniqueKeys:
    """Refuses duplicate keys: a parser would silently keep the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        first_line: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in first_line and isinstance(key.value, str) and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"the key '{key.value}' is there already, in line "
                    f"{first_line[key.value]}",
                    problem_mark=key.start_mark,
                )
            if isinstance(key.value, str):
                first_line[key.value] = line
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return mapping


class _InPython(_UniqueKeys, yaml.SafeLoader):
    pass


class _InC(_UniqueKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Ten times as fast."""


def composed(text: str) -> tuple[Any, yaml.Node | None]:
    """A loader of the text, and the node of its document."""
    # A level takes a column more of its line, or a bracket.
    longest = max(map(len, text.splitlines()), default=0)
    if longest + text.count("[") + text.count("{") < MOST_NESTED:
        loader: Any = _InC(text)
        with suppress(yaml.YAMLError):  # Python's loader says more clearly what is wrong
            return loader, loader.get_single_node()
    loader = _InPython(text)
    return loader, loader.get_single_node()


def read_mapping(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The mapping of a YAML file, and the line of each of its keys. Raises SinkscopeError for a
    file that does not exist, is not a mapping, or has a duplicate key."""
    try:
        loader, node = composed(path.read_text(encoding="utf-8-sig"))
        if not isinstance(node, yaml.MappingNode):
            raise SinkscopeError(f"{path}: is not a YAML mapping; write `key: value` lines.")
        return dict(loader.construct_document(node)), {
            str(key.value): key.start_mark.line + 1 for key, _ in node.value
        }
    except UnicodeDecodeError as error:
        raise SinkscopeError(f"{path}: not UTF-8; save the file as UTF-8.") from error
    except OSError as error:
        raise SinkscopeError(f"{path}: {error.strerror}; name an existing file.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise SinkscopeError(f"{path}{line}: {error.problem or error}; correct it.") from error
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SinkscopeError(f"{path}: is not a YAML mapping ({reason}); correct it.") from error


def key_locations(mapping: dict[str, Any], files: Sequence[Path]) -> dict[str, str]:
    """Key to "FILE line N", for the keys of a merged mapping whose value comes from a file. files:
    in increasing precedence, also missing ones. Raises SinkscopeError like read_mapping."""
    locations: dict[str, str] = {}
    for path in files:
        if path.is_file():
            values, lines = read_mapping(path)
            for key in values.keys() & mapping.keys():
                locations.pop(key, None)
                if repr(values[key]) == repr(mapping[key]):
                    locations[key] = f"{path} line {lines[str(key)]}"
    return locations
