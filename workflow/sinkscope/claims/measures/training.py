"""Measures of models whose training was recorded."""

import polars as pl

from sinkscope.claims.measure import AbsentError, Number, Tables, measure, number

# Smallest sink score of a sink of a model in training: epsilon of Gu et al. 2024.
TRAINED_SINK, TRAINED_WINDOW = 0.3, 64
WINDOWS = (64, 256)  # that training records


@measure(
    "attention to the first token, where a softmax model trained alike has a sink",
    "emergence",
    window=WINDOWS,
)
def first_token_trained(tables: Tables, model: str, *, window: int = TRAINED_WINDOW) -> Number:
    """Attention to the first of `window` tokens in the layer where it is strongest, at the end of
    training.

    Control: the softmax model of the same family, trained alike, must have a sink.
    """
    rows = tables["emergence"].filter(pl.col("window") == window)
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
