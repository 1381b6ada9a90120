"""Measures that claims speak of: one number of one model, computed from the tables of a run.

A measure takes the tables, a model's name and the claim's options. It returns a number; None
where the tables lack what it needs of the model (the claim is then not tested); and it raises
AbsentError where the thing that the claim speaks about does not exist in the model (the claim then
does not hold). A claim names its measure; a new one is a function and an entry of MEASURES.
Pure functions. Layers count from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from sinkscope.keys import KEY_SETS
from sinkscope.reduce.measure import (
    AbsentError,
    Measure,
    Tables,
    aggregated,
    in_layers,
    number,
    shown,
)
from sinkscope.reduce.measures_max_keys import (
    last_layer_lead,
    max_key_lead,
    max_key_ratio,
    max_key_share,
)
from sinkscope.reduce.measures_second_sink import (
    naive_drop,
    near_copy_layer,
    second_sink,
    second_sink_contrast,
    second_sink_marks,
)

# Attention, mean over queries and heads, from which a key set is called a sink of a layer.
SINK = 0.1
# The same for a model in training: the sink score of epsilon in Gu et al.
TRAINED_SINK, TRAINED_WINDOW = 0.3, 64


def masses(tables: Tables, model: str, key_set: str, over_documents: str) -> pl.DataFrame:
    """layer, mass: over the documents that have keys of the set. Raises ValueError for a key set
    that does not exist."""
    if key_set not in KEY_SETS:
        raise ValueError(f"no key set '{key_set}'; they are {', '.join(KEY_SETS)}")
    rows = tables["sink_mass"].filter(pl.col("n_keys") > 0, model=model, key_set=key_set)
    by_layer = rows.group_by("layer", maintain_order=True)
    return by_layer.agg(aggregated("mass", over_documents)).sort("layer")


def mass(
    tables: Tables, model: str, *, key_set: str, layers: Sequence[int] | str = "all",
    over_documents: str = "mean", over_layers: str = "mean",
) -> float | None:  # fmt: skip
    """Sink mass of a key set: over documents first, layer by layer, then over these layers."""
    by_layer = in_layers(masses(tables, model, key_set, over_documents), layers)
    return number(by_layer, aggregated("mass", over_layers))


def mass_left(
    tables: Tables, model: str, *, key_set: str, layers: Sequence[int] | str,
    of_layers: Sequence[int] | str, over_documents: str = "mean",
) -> float | None:  # fmt: skip
    """Mean sink mass in `layers` as a part of that in `of_layers`, where it is a sink."""
    by_layer = masses(tables, model, key_set, over_documents)
    left, whole = (
        number(in_layers(by_layer, where), pl.col("mass").mean()) for where in (layers, of_layers)
    )
    if left is None or whole is None:
        return None
    if whole < SINK:
        raise AbsentError(
            f"The key set {key_set} is not a sink of {model} in {shown(of_layers)}: its mass "
            f"there is {whole:.3f}, below {SINK}."
        )
    return left / whole


def half_peak_layer(tables: Tables, model: str, *, key_set: str) -> float | None:
    """First layer whose sink mass is at least half of that of the strongest layer."""
    by_layer, peak = masses(tables, model, key_set, "mean"), pl.col("mass").max()
    if (most := number(by_layer, peak)) is not None and most < SINK:
        raise AbsentError(
            f"The key set {key_set} is not a sink of {model}: its largest mass is {most:.3f}, "
            f"below {SINK}."
        )
    return number(by_layer, pl.col("layer").filter(pl.col("mass") >= peak / 2).min())


def sink_rate(tables: Tables, model: str, *, window: int) -> float | None:
    """Fraction of heads whose sink score at key 0 is above epsilon, over all layers and the
    documents that have a score there."""
    rows = tables["sink_rate"].filter(model=model, key_set="first_token", window=window)
    n = pl.col("n_documents")
    return number(rows.drop_nulls("rate"), (pl.col("rate") * n).sum() / n.sum())


def n_tokens(tables: Tables, model: str, *, aggregate: str) -> float | None:
    """Tokens of the documents: of all (sum), or of the shortest or longest (min, max)."""
    return number(tables["documents"].filter(model=model), aggregated("n_tokens", aggregate))


def n_induction_heads(tables: Tables, model: str) -> float | None:
    """How many heads reach the induction score from which one is an induction head."""
    return number(tables["induction"].filter(model=model), pl.col("is_induction").sum())


def induction_rest(tables: Tables, model: str, *, column: str = "first_token") -> float | None:
    """Of the induction head where it is least: the mean attention to key 0 on ordinary text
    (first_token), or the share of queries that give it more than half (over_half)."""
    rows = tables["induction"].filter(model=model)
    if rows.height and not rows["is_induction"].any():
        raise AbsentError(f"{model} has no induction head.")
    return number(rows.filter("is_induction"), pl.col(column).min())


def first_token_trained(tables: Tables, model: str) -> float | None:
    """Attention to the first token in the layer where it is strongest, at the end of training.

    Control: a model of the same family, trained with softmax, must have a sink there.
    """
    rows = tables["emergence"].filter(pl.col("window") == TRAINED_WINDOW)
    family = rows.filter(pl.col("model") == model)["family"].unique().implode()
    last = (
        rows.filter(pl.col("family").is_in(family))
        .filter(pl.col("step") == pl.col("step").max().over("model"))
        .group_by("model", "attention", "layer")
        .agg(pl.col("first_token").mean())
        .group_by("model", "attention")
        .agg(pl.col("first_token").max())
    )
    controls = last.filter(pl.col("attention") == "softmax", pl.col("model") != model)
    control = number(controls, pl.col("first_token").min())
    if control is None:
        return None
    if control < TRAINED_SINK:
        raise AbsentError(
            f"Trained alike with softmax, {' and '.join(sorted(controls['model']))} has no sink "
            f"either: its first token gets {control:.3f}, below {TRAINED_SINK}."
        )
    return number(last.filter(pl.col("model") == model), pl.col("first_token").first())


def value(
    tables: Tables, model: str, *, table: str, column: str, aggregate: str = "mean",
    where: Mapping[str, Any] | None = None, layers: Sequence[int] | str = "all",
) -> float | None:  # fmt: skip
    """A column of any table: the rows whose `where` columns have these values, aggregated."""
    wanted = [pl.col(key) == item for key, item in {"model": model, **(where or {})}.items()]
    return number(in_layers(tables[table].filter(*wanted), layers), aggregated(column, aggregate))


HISTOGRAMS = ("max_attention_tokens", "max_attention_tokens_padded")
LAYERS = ("second_sink_layers",)

MEASURES = {
    "max_key_share": Measure(max_key_share, "share of all max keys", HISTOGRAMS),
    "max_key_lead": Measure(max_key_lead, "share of max keys above the next token", HISTOGRAMS),
    "max_key_ratio": Measure(max_key_ratio, "ratio of counts of max keys", HISTOGRAMS, False),
    "last_layer_lead": Measure(
        last_layer_lead,
        "share of the last layer's max keys above the next token",
        ("last_layer_keys",),
    ),
    "mass": Measure(mass, "sink mass", ("sink_mass",)),
    "mass_left": Measure(mass_left, "sink mass, as a fraction", ("sink_mass",), False),
    "half_peak_layer": Measure(
        half_peak_layer, "first layer with half of the strongest sink mass", ("sink_mass",), False
    ),
    "sink_rate": Measure(sink_rate, "share of heads with a sink", ("sink_rate",)),
    "n_tokens": Measure(n_tokens, "tokens of documents", ("documents",), False),
    "n_induction_heads": Measure(n_induction_heads, "induction heads", ("induction",), False),
    "induction_rest": Measure(
        induction_rest, "attention to the first token, least of all induction heads", ("induction",)
    ),
    "first_token_trained": Measure(
        first_token_trained,
        "attention to the first token, where a softmax model trained alike has a sink",
        ("emergence",),
    ),
    "second_sink": Measure(second_sink, "second sink", LAYERS, False),
    "second_sink_contrast": Measure(
        second_sink_contrast, "second sink over the next terminator", LAYERS, False
    ),
    "second_sink_marks": Measure(
        second_sink_marks, "terminators that become a second sink", LAYERS, False
    ),
    "near_copy_layer": Measure(
        near_copy_layer, "layer that a near copy of the first token's state enters", LAYERS, False
    ),
    "naive_drop": Measure(
        naive_drop,
        "drop of local attention over the naive drop",
        (*LAYERS, "second_sink_local"),
        False,
    ),
    "value": Measure(value, "value", ()),
}
