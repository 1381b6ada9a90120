"""A case: makers of tables in which a claim is true, and of tables in which it is false; and
intervals with a loop over resamples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from claims.made_tables import max_keys
from sinkscope.intervals import draws

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


def resampled(statistic, values):
    """Ends of the interval of any statistic of documents, with a loop over the resamples. values:
    an array with the documents along its first axis."""
    found = []
    for counts in draws(len(values))[1:].astype(int):
        found.append(statistic(np.repeat(values, counts, axis=0)))
    return np.percentile([x for x in found if np.isfinite(x)], [2.5, 97.5])
