"""A finding: a sentence, and the numbers and names in it as data."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jinja2

from sinkscope import words

DIGITS = 12  # significant, of the numbers in the table

Value = float | int | bool | str | None
Facts = Mapping[str, Value | Sequence[Mapping[str, Value]]]


@dataclass(frozen=True)
class Finding:
    """A sentence with its data. template: a Jinja template (its filters are the functions of
    `words`). facts: the values that it uses; a list of mappings if it iterates over models, layers,
    ..."""

    template: str
    facts: Facts = field(default_factory=dict)

    @property
    def text(self) -> str:
        return sentences().from_string(self.template).render(self.facts).strip()

    def rows(self, figure: str, subject: str | None = None) -> list[dict[str, Any]]:
        """Rows of the table `findings`. subject: the model of the figure, if it is about one."""
        return list(rows_of(self.facts, figure, subject or None))


@cache
def sentences() -> jinja2.Environment:
    """The Jinja environment of the templates; an undefined name is an error."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.filters |= {
        name: value for name, value in vars(words).items() if callable(value) and name[0].islower()
    }
    return environment


def rows_of(facts: Facts, figure: str, subject: str | None) -> Iterator[dict[str, Any]]:
    for name, fact in facts.items():
        if isinstance(fact, (list, tuple)):
            for rank, entry in enumerate(fact):
                model = entry.get("model", subject)
                if set(entry) == {"model"}:  # the model's membership in the list is the only fact
                    yield row(figure, model, name, rank, True)
                for key, value in entry.items():
                    if key != "model":
                        yield row(figure, model, f"{name}.{key}", rank, value)
        else:
            yield row(figure, subject, name, 0, fact)


def row(figure: str, model: Any, name: str, rank: int, value: Any) -> dict[str, Any]:
    """Numbers are rounded to DIGITS: the last digits of a mean depend on how many threads add."""
    is_text = isinstance(value, str)
    number = None if is_text or value is None else float(f"{value:.{DIGITS}g}")
    return {
        "figure": figure,
        "model": model,
        "name": name,
        "rank": rank,
        "value": number if number is None or math.isfinite(number) else None,
        "text": value if is_text else None,
    }
