"""The models of a report in groups, each with what a reader wants to know of it first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sinkscope.charts.figure import Tables
from sinkscope.config import ModelRow


@dataclass(frozen=True)
class Group:
    """note: a sentence that a reader must not miss; empty where there is none."""

    title: str
    note: str
    models: tuple[str, ...]


NOTES = {
    "Published models": "",
    "Other models": "",
    "Zoo: small models trained here": (
        "Trained by this repository to be studied, not used: these are not the published models of "
        "those names. Each has a card, zoo/NAME/README.md."
    ),
    "Alternatives to softmax": (
        "Their attention is not softmax: left out of the counts and figures that compare models."
    ),
}


def attention_kinds(tables: Tables) -> dict[str, str]:
    """Model to its kind of attention, of the models with results."""
    return dict(tables["models"].select("model", "attention").iter_rows())


def groups(rows: Sequence[ModelRow], kinds: dict[str, str]) -> list[Group]:
    """Groups that have models, in the order of NOTES; models in the order of the grid."""
    found: dict[str, list[str]] = {title: [] for title in NOTES}
    for row in rows:
        found[group_of(row.source, kinds.get(row.model, "softmax"))].append(row.model)
    return [Group(title, NOTES[title], tuple(models)) for title, models in found.items() if models]


def group_of(source: str, attention: str) -> str:
    published, other, zoo, alternatives = NOTES
    if attention != "softmax":
        return alternatives
    kind = source.partition(":")[0]
    return {"hub": published, "package": published, "zoo": zoo}.get(kind, other)


def card(source: str) -> str | None:
    """Where in the repository a model of the zoo is described; None for other models."""
    kind, _, name = source.partition(":")
    return f"zoo/{name}/README.md" if kind == "zoo" else None
