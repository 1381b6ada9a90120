"""CITATION.cff in a run's folder: title, authors and licence of its archive.

Source: Citation File Format 1.2.0, https://citation-file-format.github.io.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.errors import SinkscopeError
from sinkscope.mapping import read_mapping
from sinkscope.schema import checked, properties

NAME = "CITATION.cff"
PARTS = ("given-names", "name-particle", "family-names", "name-suffix")


@dataclass(frozen=True)
class Author:
    """url: an ORCID or a website; None without one. is_person: else a group or an institution."""

    name: str
    is_person: bool
    url: str | None = None
    affiliation: str | None = None


@dataclass(frozen=True)
class Citation:
    """licences: SPDX identifiers."""

    title: str
    authors: tuple[Author, ...]
    licences: tuple[str, ...]
    abstract: str
    keywords: tuple[str, ...]
    doi: str | None


def read_citation(directory: Path) -> Citation:
    """The citation of a run. Raises SinkscopeError with one sentence per problem."""
    path = directory / NAME
    if not path.is_file():
        raise SinkscopeError(
            f"{path}: is missing; it names title, authors and licence of the archive, and "
            "docs/how-to/archive.md has one to copy."
        )
    known = properties("citation")
    given = {key: value for key, value in read_mapping(path)[0].items() if key in known}
    values = checked(given, "citation", str(path))
    licences = values["license"]
    return Citation(
        values["title"],
        tuple(author(entry) for entry in values["authors"]),
        (licences,) if isinstance(licences, str) else tuple(licences),
        " ".join(values.get("abstract", "").split()),
        tuple(values["keywords"]),
        values.get("doi"),
    )


def author(entry: dict[str, Any]) -> Author:
    parts = [entry[part] for part in PARTS if part in entry]
    return Author(
        entry.get("name") or " ".join(parts),
        bool(parts),
        entry.get("orcid") or entry.get("website"),
        entry.get("affiliation"),
    )
