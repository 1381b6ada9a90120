"""What a job is asked for: all that its result depends on, as data, and the file that says so.

A job's result has a stamp beside it: a JSON file that states the request it was made from. The
name of the stamp ends in a hash of the request (`0000.3fa9c1d2e4b5.json`). That file is the output
that Snakemake looks for, so that a result counts as finished only if it was made from exactly what
is wanted now, whoever made it and whatever Snakemake has recorded.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DIGEST = "[0-9a-f]{12}"


def digest_of(value: Any) -> str:
    """12 hexadecimal digits that are the same for equal JSON values only."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Request:
    """job: its name, as in results/logs (`extract/minilm/0000`). place: path of its stamp without
    the digest and the suffix. content: what the result depends on; JSON."""

    job: str
    place: str
    content: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def stamp(self) -> str:
        """Path of the stamp, from the folder of the run."""
        return f"{self.place}.{self.digest}.json"

    @property
    def log(self) -> str:
        """Path of the log below results/logs, without its suffix."""
        return f"{self.job}.{self.digest}"

    @property
    def json(self) -> str:
        """The content on one line, for a command."""
        return json.dumps(self.content, sort_keys=True, ensure_ascii=False)


def place_of(stamp: Path) -> str:
    """File name of a stamp without the digest and the suffix."""
    return re.sub(rf"\.{DIGEST}\.json$", "", stamp.name)


def stamps_of(place: Path) -> list[Path]:
    """Stamps of a job in the file system, whatever they were made from."""
    found = place.parent.glob(f"{place.name}.*.json") if place.parent.is_dir() else ()
    return sorted(path for path in found if path != place and place_of(path) == place.name)


def changes(before: dict[str, Any], now: dict[str, Any], inside: str = "") -> list[str]:
    """What differs between two requests, in words: `window: 64, now 32`."""
    found: list[str] = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            found += changes(old, new, f"{inside}{key}.")
        elif isinstance(old, (list, dict)) or isinstance(new, (list, dict)) or key in HASHES:
            found.append(f"{inside}{key}")
        else:
            found.append(f"{inside}{key}: {json.dumps(old)}, now {json.dumps(new)}")
    return found


# Keys whose values say nothing to a reader.
HASHES = ("code", "weights", "documents", "sha256", "tables", "parts", "commit")
