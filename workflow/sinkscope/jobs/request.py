"""The request of a job: everything that its result depends on, as data.

A stamp, the output that Snakemake looks for, lies beside the result: a JSON file with the request,
whose hash ends its name (`0000.3fa9c1d2e4b5.json`). A result therefore counts as finished only if
its request equals the current one, whoever computed it."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DIGEST = "[0-9a-f]{12}"
# One encoder for all: a large grid has tens of thousands of requests.
ONE_LINE = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """Hash of a JSON value, 12 hexadecimal digits; equal values have equal hashes."""
    return hashlib.sha256(ONE_LINE.encode(value).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Request:
    """The request of one job.

    job: name of the job, as in results/logs (`extract/minilm/0000`). prefix: path of the stamp
    without the digest and the suffix. content: everything that the result depends on (JSON).
    command: the arguments of `sinkscope` that run the job.
    """

    job: str
    prefix: str
    content: dict[str, Any]
    command: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def stamp(self) -> str:
        """Path of the stamp, from the folder of the run."""
        return f"{self.prefix}.{self.digest}.json"

    @property
    def log(self) -> str:
        """Path of the log below results/logs, without its suffix."""
        return f"{self.job}.{self.digest}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a rule passes to `sinkscope`: the content on one line, and the command."""
        return ("--request", ONE_LINE.encode(self.content), *self.command)


def prefix_of(stamp: Path) -> str:
    """File name of a stamp without the digest and the suffix."""
    return re.sub(rf"\.{DIGEST}\.json$", "", stamp.name)


def stamps_of(prefix: Path) -> list[Path]:
    """Existing stamps of a job, for any request. prefix: path of its stamp, as in Request."""
    return stamps_in(prefix.parent).get(prefix.name, [])


def stamps_in(folder: Path) -> dict[str, list[Path]]:
    """The same for all jobs of a folder, by the last part of their prefix."""
    by_name: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.json")):
        if (name := prefix_of(path)) != path.name:
            by_name.setdefault(name, []).append(path)
    return by_name


def changes(before: dict[str, Any], now: dict[str, Any], inside: str = "") -> list[str]:
    """The differences of two requests, in words: `window: 64, now 32`."""
    differences: list[str] = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            differences += changes(old, new, f"{inside}{key}.")
        elif isinstance(old, (list, dict)) or isinstance(new, (list, dict)) or key in HASHES:
            differences.append(f"{inside}{key}")
        else:
            differences.append(f"{inside}{key}: {json.dumps(old)}, now {json.dumps(new)}")
    return differences


# Keys whose values are not readable: hashes, or lists of hashes.
HASHES = ("code", "weights", "documents", "sha256", "tables", "parts", "commit")
