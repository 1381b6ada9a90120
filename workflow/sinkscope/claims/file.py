"""The file of claims: statements of the studies as data, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from sinkscope.claims.measure import measures
from sinkscope.config import read_config
from sinkscope.errors import SinkscopeError
from sinkscope.schema import checked

KINDS = ("encoder", "decoder")


@dataclass(frozen=True)
class Subject:
    """A published model that claims speak about. sources: the sources that a row of the table of
    models may have for it, without a revision. architecture: shared with its relatives. kind:
    encoder or decoder."""

    name: str
    sources: tuple[str, ...]
    architecture: str
    kind: str


@dataclass(frozen=True)
class Claim:
    """A claim. number: its position in the file. published: printed numbers by model name.
    sensitivity: by name, options with which the measure is taken beside its own."""

    number: int
    claim: str
    study: str
    kind: str
    statement: str
    source: str
    subjects: tuple[Subject, ...]
    measure: str
    options: dict[str, Any]
    condition: dict[str, float]
    published: dict[str, float]
    sensitivity: dict[str, dict[str, Any]]

    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the measure reads."""
        table = self.options.get("table")
        return (*measures()[self.measure].tables, *([table] if table else []))


def read_claims(path: Path) -> list[Claim]:
    """The claims of a YAML file, checked. Raises SinkscopeError naming file and claim."""
    raw = read_config(path)
    subjects = read_subjects(raw.get("models"), path.name)
    claims: list[Claim] = []
    for number, entry in enumerate(raw.get("claims") or []):
        if not isinstance(entry, dict):
            raise SinkscopeError(
                f"{path.name}, claim {number + 1}: is {entry!r}, not a mapping of keys to values; "
                "write it as the other claims are."
            )
        where = f"{path.name}, claim '{entry.get('claim', number + 1)}'"
        claim = read_claim(number, checked(entry, "claims", where), subjects, where)
        if any(other.claim == claim.claim for other in claims):
            raise SinkscopeError(f"{where}: a second claim has this name; give it another.")
        claims.append(claim)
    if not claims:
        raise SinkscopeError(f"{path.name}: has no claims; add one under 'claims'.")
    return claims


def read_subjects(models: Any, file: str) -> dict[str, Subject]:
    """The models of a file of claims, by name. Raises SinkscopeError naming file and model."""
    if not isinstance(models, dict):
        raise SinkscopeError(
            f"{file}: has no mapping 'models'; add it, with the models of the claims."
        )
    subjects = {}
    for name, entry in models.items():
        fields = entry if isinstance(entry, dict) else {}
        sources, architecture, kind = (
            fields.get(key) for key in ("sources", "architecture", "kind")
        )
        if (
            not isinstance(sources, list)
            or not all(isinstance(text, str) for text in [*sources, architecture])
            or kind not in KINDS
        ):
            raise SinkscopeError(
                f"{file}, model '{name}': is {entry!r}; give it sources (a list of texts), "
                f"architecture (a text) and kind ({' or '.join(KINDS)})."
            )
        subjects[name] = Subject(name, tuple(sources), str(architecture), kind)
    return subjects


def read_claim(
    number: int, entry: dict[str, Any], subjects: Mapping[str, Subject], where: str
) -> Claim:
    unknown = [name for name in entry["models"] if name not in subjects]
    if unknown:
        raise SinkscopeError(
            f"{where}: models names '{unknown[0]}', which is not in the file's list of models; "
            "add it there, with its sources and its architecture."
        )
    if entry["measure"] not in measures():
        raise SinkscopeError(
            f"{where}: there is no measure '{entry['measure']}'; measures are "
            f"{', '.join(measures())}."
        )
    published = entry.get("published", {})
    by_model = (
        published if isinstance(published, dict) else dict.fromkeys(entry["models"], published)
    )
    try:
        numbers = {name: float(Fraction(str(value))) for name, value in by_model.items()}
    except (ValueError, ZeroDivisionError) as error:
        raise SinkscopeError(
            f"{where}: published is {published!r}; write a number or a fraction of two."
        ) from error
    if "within" in entry["condition"] and set(numbers) != set(entry["models"]):
        raise SinkscopeError(
            f"{where}: its condition is within a distance of the published number, but a model "
            "has no such number; give published for every model."
        )
    return Claim(
        number, entry["claim"], entry["study"], entry["kind"], entry["statement"], entry["source"],
        tuple(subjects[name] for name in entry["models"]), entry["measure"], entry["with"],
        entry["condition"], numbers, entry["sensitivity"],
    )  # fmt: skip
