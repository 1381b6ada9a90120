"""A finding: a sentence, and the numbers and names in it as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2

from sinkscope import words

Value = float | int | bool | str | None
Facts = Mapping[str, Value | Sequence[Mapping[str, Value]]]


@dataclass(frozen=True)
class Finding:
    """template: a sentence (Jinja; the filters are the functions of `words`). facts: the values
    that it names; a list of mappings where it goes through several models, layers, ..."""

    template: str
    facts: Facts = field(default_factory=dict)

    @property
    def text(self) -> str:
        return sentences().from_string(self.template).render(self.facts).strip()

    def rows(self, figure: str, subject: str | None = None) -> list[dict[str, Any]]:
        """Rows of the table `findings`. subject: the model of the figure, if it is of one."""
        return list(rows_of(self.facts, figure, subject or None))


@cache
def sentences() -> jinja2.Environment:
    """What templates are rendered with; a name that a template lacks is an error."""
    found = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    found.filters |= {
        name: value for name, value in vars(words).items() if callable(value) and name[0].islower()
    }
    return found


def rows_of(facts: Facts, figure: str, subject: str | None) -> Iterator[dict[str, Any]]:
    for name, fact in facts.items():
        if isinstance(fact, (list, tuple)):
            for rank, entry in enumerate(fact):
                model = entry.get("model", subject)
                if set(entry) == {"model"}:  # that it is in the list is all that is said of it
                    yield row(figure, model, name, rank, True)
                for key, value in entry.items():
                    if key != "model":
                        yield row(figure, model, f"{name}.{key}", rank, value)
        else:
            yield row(figure, subject, name, 0, fact)


def row(figure: str, model: Any, name: str, rank: int, value: Any) -> dict[str, Any]:
    is_text = isinstance(value, str)
    number = None if is_text or value is None else float(value)
    return {
        "figure": figure,
        "model": model,
        "name": name,
        "rank": rank,
        "value": number if number is None or math.isfinite(number) else None,
        "text": value if is_text else None,
    }
