"""The configuration: settings, the table of models, the table of documents."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from sinkscope.documents import Document, check_distinct, read_documents
from sinkscope.errors import SinkscopeError
from sinkscope.files import inside
from sinkscope.schema import checked


@dataclass(frozen=True)
class ModelRow:
    """A row of models.tsv, defaults of the configuration filled in.

    n_gpus: over how many GPUs the model is split. mem_mb: memory that its jobs ask for, None
    where that of the configuration does.
    """

    model: str
    source: str
    family: str | None
    dtype: str
    device: str
    max_length: int | None
    add_special_tokens: str
    n_gpus: int = 1
    mem_mb: int | None = None

    def identity(self) -> dict[str, Any]:
        """What results depend on: all but what a job asks a scheduler for."""
        return {key: value for key, value in asdict(self).items() if key != "mem_mb"}


@dataclass(frozen=True)
class Settings:
    """What extraction depends on beside its model and its documents.

    threads: processor threads. They are fixed, not what a scheduler allots: the order in which
    float32 numbers are added depends on them.
    """

    threads: int
    truncate: bool
    window: int
    map_exact: int
    map_cells: int
    head_maps: tuple[str, ...]


@dataclass(frozen=True)
class Config:
    """Everything of one run, checked. raw: the merged mapping it came from, with defaults."""

    raw: dict[str, Any]
    models: tuple[ModelRow, ...]
    documents: tuple[Document, ...]

    @property
    def settings(self) -> Settings:
        return settings_of(self.raw)

    def settings_of(self, model: str) -> Settings:
        """The settings that concern one model."""
        own = tuple(head for head in self.settings.head_maps if head.split("/")[0] == model)
        return replace(self.settings, head_maps=own)

    def model(self, name: str) -> ModelRow:
        return find_model(self.models, name)


def settings_of(raw: dict[str, Any]) -> Settings:
    values = {key: raw[key] for key in Settings.__dataclass_fields__}
    return Settings(**(values | {"head_maps": tuple(values["head_maps"])}))


def find_model(models: Sequence[ModelRow], name: str) -> ModelRow:
    for row in models:
        if row.model == name:
            return row
    known = ", ".join(row.model for row in models)
    raise SinkscopeError(f"unknown model '{name}'; the table of models has {known}.")


def read_config(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file. Raises SinkscopeError where there is none."""
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SinkscopeError(f"{path}: {error.strerror}; name an existing file.") from error
    except (ValueError, TypeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SinkscopeError(f"{path}: is no YAML mapping ({reason}); correct it.") from error


def load(mapping: dict[str, Any], directory: Path) -> Config:
    """Check the merged configuration and read its tables and documents from `directory`.

    Raises SinkscopeError with one sentence (one line each where several documents are bad).
    """
    raw = checked(mapping, "config", "config")
    models = read_models(raw, directory)
    names = [row.model for row in models]
    for wanted in raw["head_maps"]:
        if wanted.split("/")[0] not in names:
            raise SinkscopeError(
                f"config: head_maps names '{wanted}', but there is no such model; "
                f"models are {', '.join(names)}."
            )
    return Config(raw, models, read_document_table(raw["documents"], directory))


def read_models(raw: dict[str, Any], directory: Path) -> tuple[ModelRow, ...]:
    """The rows of the groups that are wanted, or (groups: []) all of them."""
    rows: list[ModelRow] = []
    groups: dict[str, list[str]] = {}
    for where, row in read_tsv(raw["models"], directory):
        for key in ("max_length", "n_gpus", "mem_mb"):
            if re.fullmatch("[0-9]+", row.get(key, "")):
                row[key] = int(row[key])
        row = checked(row, "models", where)
        if any(other.model == row["model"] for other in rows):
            raise SinkscopeError(
                f"{where}: a second model is named '{row['model']}'; give every row its own name."
            )
        if row["source"].startswith("path:"):
            inside(row["source"].removeprefix("path:"), directory, where)
        groups[row["model"]] = row.pop("groups").split(",")
        defaults = {"family": None, "max_length": None}
        rows.append(ModelRow(**(defaults | {k: raw[k] for k in ("dtype", "device")} | row)))
    known = dict.fromkeys(group for of_row in groups.values() for group in of_row if group)
    for wanted in raw["groups"]:
        if wanted not in known:
            raise SinkscopeError(
                f"config: groups names '{wanted}', but {raw['models']} has no such group; "
                f"groups are {', '.join(known) or 'not given there'}."
            )
    if not raw["groups"]:
        return tuple(rows)
    return tuple(row for row in rows if set(groups[row.model]) & set(raw["groups"]))


def read_document_table(table: str, directory: Path) -> tuple[Document, ...]:
    """All documents, in order; every bad one is named before any job starts."""
    documents: list[Document] = []
    problems: list[str] = []
    for where, row in read_tsv(table, directory):
        try:
            row = checked(row, "documents", where)
            path = inside(row["path"], directory, where)
            documents += read_documents(row["document"], path, row["path"], row["text_column"])
        except SinkscopeError as error:
            problems.append(str(error) if str(error).startswith(where) else f"{where}: {error}")
    problems += [f"{table}: {sentence}" for sentence in check_distinct(documents)]
    if problems:
        raise SinkscopeError("\n".join(problems))
    return tuple(documents)


def read_tsv(table: str, directory: Path) -> list[tuple[str, dict[str, Any]]]:
    """(file and line, row without empty fields) of a tab-separated table with a header."""
    path = inside(table, directory, "config")
    if not path.is_file():
        raise SinkscopeError(f"{table} does not exist in {directory}; create it or correct config.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SinkscopeError(f"{table}: not UTF-8; save the table as UTF-8.") from error
    numbered = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]
    if len(numbered) < 2:
        raise SinkscopeError(f"{table}: has no rows; add a header line and at least one row.")
    reader = csv.reader((line for _, line in numbered), delimiter="\t", quoting=csv.QUOTE_NONE)
    header, *rows = [[cell.strip() for cell in row] for row in reader]
    found = []
    for (number, _), row in zip(numbered[1:], rows, strict=True):
        if len(row) > len(header):
            raise SinkscopeError(
                f"{table} line {number}: {len(row)} fields, but the header has {len(header)}; "
                "separate fields with single tabs."
            )
        cells = {key: cell for key, cell in zip(header, row, strict=False) if cell}
        found.append((f"{table} line {number}", cells))
    return found
