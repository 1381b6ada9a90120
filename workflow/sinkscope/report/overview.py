"""The models of a report in groups, with a note per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sinkscope.charts.figure import Tables
from sinkscope.config import ModelRow


@dataclass(frozen=True)
class Group:
    """A group of models. note: an important sentence about the group; may be empty."""

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
    """Kind of attention by model, for the models with results."""
    return dict(tables["models"].select("model", "attention").iter_rows())


def groups(rows: Sequence[ModelRow], kinds: dict[str, str]) -> list[Group]:
    """Groups with at least one model, in the order of NOTES; models in the order of the grid."""
    models_by_title: dict[str, list[str]] = {title: [] for title in NOTES}
    for row in rows:
        models_by_title[group_of(row.source, kinds.get(row.model, "softmax"))].append(row.model)
    return [
        Group(title, NOTES[title], tuple(models))
        for title, models in models_by_title.items()
        if models
    ]


def group_of(source: str, attention: str) -> str:
    published, other, zoo, alternatives = NOTES
    if attention != "softmax":
        return alternatives
    kind = source.partition(":")[0]
    return {"hub": published, "package": published, "zoo": zoo}.get(kind, other)


def card(source: str) -> str | None:
    """Path of the card of a zoo model in the repository; None for other models."""
    kind, _, name = source.partition(":")
    return f"zoo/{name}/README.md" if kind == "zoo" else None
