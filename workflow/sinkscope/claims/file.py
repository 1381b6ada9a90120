"""Files of claims: statements of the studies as data, read and checked.

A project's file adds its claims to the shipped ones, in front of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from sinkscope.claims.measure import measures
from sinkscope.claims.options import problems
from sinkscope.errors import SinkscopeError
from sinkscope.mapping import read_mapping
from sinkscope.schema import checked, unknown
from sinkscope.shipped import SHIPPED

KINDS = ("encoder", "decoder")
# Studies of the shipped claims, in the order of the page; `design` are notes of this project.
STUDIES = ("atlas", "second-sink", "dormant-heads", "literature", "design")
KEYS = ("name", "shipped", "models", "claims")
SHIPPED_CLAIMS = SHIPPED / "config" / "claims.yaml"


@dataclass(frozen=True)
class Subject:
    """A published model that claims speak about. sources: the sources that a row of the table of
    models may have for it, without a revision. architecture: shared with its relatives. kind:
    encoder or decoder. grid: the configuration that runs it; empty if the claims name none."""

    name: str
    sources: tuple[str, ...]
    architecture: str
    kind: str
    grid: str = ""


@dataclass(frozen=True)
class Ablation:
    """What could explain a disagreement: a cause, and a measurement without it. name: the measure
    in words. at_most_tokens: length of the longest document measured; None for all.
    """

    cause: str
    name: str
    measure: str
    options: dict[str, Any]
    at_most_tokens: int | None = None


@dataclass(frozen=True)
class Claim:
    """A claim. number: its position among all claims. published: printed numbers by model name.
    sensitivity: other options by name, reported beside the claim's. ablation: measured if the claim
    does not hold."""

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
    ablation: Ablation | None = None

    def tables(self) -> tuple[str, ...]:
        """Names of the tables that the measure reads."""
        table = self.options.get("table")
        return (*measures()[self.measure].tables, *([table] if table else []))


def claims_files(path: Path) -> list[Path]:
    """The files to read: this one, and the shipped one unless this says `shipped: false` or is a
    copy of it."""
    if path.resolve() == SHIPPED_CLAIMS.resolve() or path.read_bytes() == (
        SHIPPED_CLAIMS.read_bytes()
    ):
        return [SHIPPED_CLAIMS]
    return [path, SHIPPED_CLAIMS] if adds(read_mapping(path)[0], path.name) else [path]


def adds(raw: Mapping[str, Any], file: str) -> bool:
    """Whether a file of claims adds to the shipped ones."""
    if not isinstance(shipped := raw.get("shipped", True), bool):
        raise SinkscopeError(
            f"{file}: shipped is {shipped!r}; it must be true (test the shipped claims too) "
            "or false (only the claims of this file)."
        )
    return shipped


def read_claims(path: Path) -> list[Claim]:
    """The claims of a YAML file, then the shipped ones that it adds to, checked. Raises
    SinkscopeError naming file and claim."""
    first, *others = claims_files(path)
    shipped = [claim for file in others for claim in read_file(file, {})]
    subjects = {subject.name: subject for claim in shipped for subject in claim.subjects}
    own = read_file(first, subjects)
    if twice := sorted({one.claim for one in own} & {one.claim for one in shipped}):
        raise SinkscopeError(
            f"{path.name}: the claims shipped with Sinkscope have the same names as "
            f"{len(twice)} of its own ({', '.join(twice[:5])}{', ...' if twice[5:] else ''}). "
            "Rename yours, or write 'shipped: false' at the top to leave out the shipped ones."
        )
    return [replace(claim, number=number) for number, claim in enumerate([*own, *shipped])]


def read_file(path: Path, subjects: Mapping[str, Subject]) -> list[Claim]:
    """The claims of one file. subjects: models that its claims may be about, besides those of the
    file."""
    raw = read_mapping(path)[0]
    for sentence in unknown("key", raw, KEYS):
        raise SinkscopeError(f"{path.name}: {sentence}")
    name = raw.get("name", "")
    if not isinstance(name, str):
        raise SinkscopeError(f"{path.name}: name is {name!r}; write a text, the name of the study.")
    if "models" in raw or not subjects:
        subjects = {**subjects, **read_subjects(raw.get("models"), path.name)}
    claims: list[Claim] = []
    for number, entry in enumerate(raw.get("claims") or []):
        if not isinstance(entry, dict):
            raise SinkscopeError(
                f"{path.name}, claim {number + 1}: is {entry!r}, not a mapping of keys to values; "
                "write it like the other claims."
            )
        where = f"{path.name}, claim '{entry.get('claim', number + 1)}'"
        entry = {"study": name, **entry} if name else entry
        checked_entry = checked(entry, "claims", where)
        studies = [*([name] if name else []), *STUDIES]
        if entry["study"] not in studies:
            raise SinkscopeError(
                f"{where}: study is {entry['study']!r}; it must be one of {', '.join(studies)}"
                f"{'' if name else ', or the name that the file has at its top'}."
            )
        claim = read_claim(number, checked_entry, subjects, where)
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
            or not isinstance(grid := fields.get("grid", ""), str)
        ):
            raise SinkscopeError(
                f"{file}, model '{name}': is {entry!r}; give it sources (a list of texts), "
                f"architecture (a text) and kind ({' or '.join(KINDS)}); grid is a text, too."
            )
        subjects[name] = Subject(name, tuple(sources), str(architecture), kind, grid)
    return subjects


def read_claim(
    number: int, entry: dict[str, Any], subjects: Mapping[str, Subject], where: str
) -> Claim:
    unknown_models = [name for name in entry["models"] if name not in subjects]
    if unknown_models:
        raise SinkscopeError(
            f"{where}: models names '{unknown_models[0]}', which is not in the file's list of "
            f"models ({', '.join(subjects)}); add it there, with its sources and its architecture."
        )
    ablation = read_ablation(entry, where)
    check_options(entry, ablation, where)
    numbers = published_numbers(entry, where)
    if "within" in entry["condition"] and set(numbers) != set(entry["models"]):
        raise SinkscopeError(
            f"{where}: its condition is within a distance of the published number, but a model "
            "has no such number; give published for every model."
        )
    return Claim(
        number, entry["claim"], entry["study"], entry["kind"], entry["statement"], entry["source"],
        tuple(subjects[name] for name in entry["models"]), entry["measure"], entry["with"],
        entry["condition"], numbers, entry["sensitivity"], ablation,
    )  # fmt: skip


def read_ablation(entry: Mapping[str, Any], where: str) -> Ablation | None:
    """Its options replace those of the claim; those of another measure stand alone."""
    if (raw := entry.get("ablation")) is None:
        return None
    if not raw.keys() & {"with", "measure", "at_most_tokens"}:
        raise SinkscopeError(
            f"{where}: ablation changes nothing; give it `with`, `measure` or `at_most_tokens`."
        )
    measure, changes = raw.get("measure", entry["measure"]), raw.get("with", {})
    options = changes if "measure" in raw else entry["with"] | changes
    return Ablation(raw["cause"], raw["name"], measure, options, raw.get("at_most_tokens"))


def check_options(entry: Mapping[str, Any], ablation: Ablation | None, where: str) -> None:
    """Raises SinkscopeError with one sentence per wrong measure or option."""
    measure, options = entry["measure"], entry["with"]
    if measure not in measures():
        raise SinkscopeError(f"{where}: {problems(measure, options)[0]}")
    problems_of = [("with", text) for text in problems(measure, options)]
    if not problems_of:
        problems_of = [
            (f"sensitivity '{name}'", text)
            for name, changes in entry["sensitivity"].items()
            for text in problems(measure, options | changes, each=True)
        ]
    if ablation:
        problems_of += [("ablation", text) for text in problems(ablation.measure, ablation.options)]
    if problems_of:
        raise SinkscopeError("\n".join(f"{where}: {place}: {text}" for place, text in problems_of))


def published_numbers(entry: Mapping[str, Any], where: str) -> dict[str, float]:
    """The printed numbers by model."""
    published = entry.get("published", {})
    models: Sequence[str] = entry["models"]
    by_model = published if isinstance(published, dict) else dict.fromkeys(models, published)
    try:
        return {name: float(Fraction(str(value))) for name, value in by_model.items()}
    except (ValueError, ZeroDivisionError) as error:
        raise SinkscopeError(
            f"{where}: published is {published!r}; write a number or a fraction of two."
        ) from error
