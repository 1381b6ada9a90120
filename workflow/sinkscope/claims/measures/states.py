"""Measures of norms at sinks, and of the dimension of the states of a text."""

import numpy as np
import polars as pl

from sinkscope import intervals
from sinkscope.claims.measure import (
    AbsentError,
    Number,
    Tables,
    estimate,
    measure,
    over,
    per_document,
    resampled,
    rows_of,
)
from sinkscope.claims.measures.sink_mass import SINK

# A state of key 0 that is larger than this many others (median) is large.
LARGE = 5.0
KEY_SETS = ("first_token", "first_terminator", "special", "listed_sinks")


@measure(
    "attention weighted by the norms of values, over attention",
    "norm_weighted",
    is_part=False,
    key_set=KEY_SETS,
)
def norm_mass_left(tables: Tables, model: str, *, key_set: str) -> Number:
    """Attention on a key set weighted by the norms of the values, as a fraction of attention, in
    the layers in which the set is a sink."""
    rows = tables["norm_weighted"].filter(pl.col("n_keys") > 0, model=model, key_set=key_set)
    if rows.is_empty():
        return None
    _, (mass, weighted) = per_document(rows, ["layer"], ["mass", "norm_mass"])
    is_sink = np.nanmean(mass, axis=0) >= SINK
    if not is_sink.any():
        raise AbsentError(f"The key set {key_set} is not a sink of {model} in any layer.")
    above, below = (over("mean", intervals.means(part[:, is_sink])) for part in (weighted, mass))
    return estimate(above / below, len(mass))


def depth_rows(tables: Tables, model: str) -> tuple[list[np.ndarray], int] | None:
    """[1 + RESAMPLES, layer] of entropy, entropy_no_first and norm_ratio. Raises AbsentError if key
    0 is in no layer much larger than other tokens."""
    names = ["entropy", "entropy_no_first", "norm_ratio"]
    estimates = resampled(tables["matrix_entropy"].filter(model=model), ["layer"], names)
    if estimates is None:
        return None
    most = np.nanmax(estimates[0][2][0])
    if not most > LARGE:
        raise AbsentError(
            f"The state of the first token of {model} is in no layer much larger than others: at "
            f"most {most:.1f} times, below {LARGE:g}."
        )
    return estimates


@measure("matrix entropy with the first token over that without", "matrix_entropy", is_part=False)
def compression(tables: Tables, model: str) -> Number:
    """Matrix entropy of the states of all tokens, as a fraction of that without key 0, in the layer
    with the largest norm of key 0's state."""
    if (estimates := depth_rows(tables, model)) is None:
        return None
    (entropy, without, ratio), n_documents = estimates
    layer = int(np.nanargmax(ratio[0]))
    return estimate(entropy[:, layer] / without[:, layer], n_documents)


@measure("smallest matrix entropy over that of the ends", "matrix_entropy", is_part=False)
def valley(tables: Tables, model: str) -> Number:
    """Smallest matrix entropy of a layer between the first and the last, as a fraction of the
    smaller of these two."""
    if (estimates := depth_rows(tables, model)) is None:
        return None
    (entropy, *_), n_documents = estimates
    if entropy.shape[1] < 3:
        return None
    ends = np.minimum(entropy[:, 0], entropy[:, -1])
    return estimate(np.nanmin(entropy[:, 1:-1], axis=1) / ends, n_documents)


@measure(
    "attention to the first token where its state is large, over that elsewhere",
    *("matrix_entropy", "sink_mass"),
    is_part=False,
)
def sinks_where_large(tables: Tables, model: str) -> Number:
    """Attention on key 0 in the layers that a large state of key 0 enters, over that in all other
    layers."""
    if (estimates := depth_rows(tables, model)) is None:
        return None
    columns, is_first = ["document", "layer", "mass"], pl.col("key_set") == "first_token"
    rows = rows_of(tables, "sink_mass", model, columns, is_first).drop_nulls("mass")
    masses, is_large = resampled(rows, ["layer"], ["mass"]), estimates[0][2][0] > LARGE
    if masses is None or masses[0][0].shape[1] != len(is_large) or is_large.all():
        return None
    inside, outside = (over("mean", masses[0][0][:, part]) for part in (is_large, ~is_large))
    return estimate(inside / outside, masses[1])
