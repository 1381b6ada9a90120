"""A case: makers of tables in which a claim is true, and of tables in which it is false."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from claims.made_tables import max_keys

Maker = Callable[[list[str]], dict[str, pl.DataFrame]]


@dataclass(frozen=True)
class Case:
    """Makers of tables in which a statement is true, and of tables in which it is false."""

    true: list[Maker]
    false: list[Maker]


def share(token, exact, tolerance, **others):
    """A printed share: met exactly and just inside, not just outside, not by nothing at all."""

    def made(value):
        return max_keys(**others, **{token: value})

    inside, outside = tolerance * 0.99, tolerance * 1.01
    above = [made(exact + outside)] if exact + outside + sum(others.values()) < 1 else []
    return Case(
        [made(exact), made(exact - inside)], [made(exact - outside), *above, max_keys(**others)]
    )


def limits(make, true, false):
    return Case([make(x) for x in true], [make(x) for x in false])
