"""When and in which layer sinks appear during training, and what they attach to.

Pure functions over the tables `emergence` and `attachment`. Sink mass here is the attention
that the first token and the special tokens get together, the mean over heads and queries.
"""

import polars as pl

WINDOW = 64  # tokens per window in which sinks are measured, as in Gu et al. 2024
LONG_WINDOW = 256
TEXTS = 64  # held-out texts that sinks are measured on during training
EVALUATED_TEXTS = 256  # and of the trained models
APPEARED = 0.3  # sink mass from which a model has a sink
TIMES_UNIFORM = 8  # ratio to uniform attention from which the long window has a sink
NO_SINK = 0.1  # sink mass below which a model has no sink that could attach
VERDICTS = ("position", "token", "both", "neither", "no sink")

AS_TRAINED, PLAIN, OTHER_FIRST, MOVED = "as_trained", "plain", "other_first", "special_moved"

# Phrases shared by several captions.
MASS = (
    "sink mass[l] = mean over heads and queries of the attention to the first token and the "
    f"special tokens together, over held-out windows of {WINDOW} tokens"
)
NO_TEXT = (
    "Only the mean over at most {} held-out texts was recorded, not the value of each text, so no "
    "interval can be given."
)
UNTRAINED = "The leftmost point is the model before training; the axis is logarithmic."


def softmax_log(log: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `emergence` of models with softmax, over WINDOW tokens."""
    return log.filter(pl.col("attention") == "softmax", pl.col("window") == WINDOW)


def softmax_evaluation(evaluation: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `attachment` of models with softmax; empty if WINDOW does not occur."""
    rows = evaluation.filter(pl.col("attention") == "softmax")
    return rows if (rows["window"] == WINDOW).any() else rows.clear()


def by_layer(log: pl.DataFrame, window: int = WINDOW) -> pl.DataFrame:
    """Rows of one window, mean over heads: one row per model, step and layer.

    log: the table `emergence`. Losses are those of the whole model.
    """
    keys = ["model", "family", "attention", "step", "tokens", "layer"]
    values = ["first_token", "first_and_special", "row_sum"]
    return (
        log.filter(pl.col("window") == window)
        .group_by(keys)
        .agg(pl.col("heldout_loss").first(), pl.col(values).mean())
        .sort("model", "step", "layer")
    )


def finished(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of each model's last step."""
    return frame.filter(pl.col("step") == pl.col("step").max().over("model"))


def strongest(frame: pl.DataFrame, value: str = "first_and_special") -> pl.DataFrame:
    """The layer with the largest value, one row per model; ties go to the lowest layer."""
    ordered = frame.sort("model", value, "layer", descending=[False, True, False], nulls_last=True)
    return ordered.group_by("model", maintain_order=True).first()


def growth(log: pl.DataFrame) -> pl.DataFrame:
    """model, layer, step, tokens, mass, loss of the layer that is strongest at the end of training.

    onset: tokens trained where the mass first reaches APPEARED, in that row; null in all others.
    """
    layers = by_layer(log)
    last = strongest(finished(layers)).select("model", "layer")
    here = pl.col("mass") >= APPEARED
    return (
        layers.join(last, on=["model", "layer"])
        .select("model", "layer", "step", "tokens", mass="first_and_special", loss="heldout_loss")
        .sort("model", "step")
        .with_columns(
            onset=pl.when(here & (here.cast(pl.UInt32).cum_sum().over("model") == 1)).then("tokens")
        )
    )


def onsets(curves: pl.DataFrame) -> pl.DataFrame:
    """model, layer, mass (at the end), onset, is_late (whether that is the last measurement), and
    fallen: fraction of the fall of the held-out loss, from its first to its last value, that is
    reached at the onset. Null if the sink never appears.

    curves: frame returned by growth.
    """
    first, last = pl.col("loss").first(), pl.col("loss").last()
    at = pl.col("loss").filter(pl.col("onset").is_not_null()).first()
    return (
        curves.group_by("model", maintain_order=True)
        .agg(
            pl.col("layer").first(),
            pl.col("mass").last(),
            pl.col("onset").max(),
            is_late=pl.col("onset").max() == pl.col("tokens").last(),
            fallen=(first - at) / (first - last),
        )
        .with_columns(pl.when(pl.col("fallen").is_finite()).then("fallen"))
        .sort("model")
    )


def targets(evaluation: pl.DataFrame) -> pl.DataFrame:
    """model; layer, mass: the strongest layer over WINDOW tokens; long_layer, long_mass, times: the
    layer with the highest ratio to uniform attention over LONG_WINDOW tokens."""
    plain = evaluation.filter(pl.col("input") == AS_TRAINED)
    times = plain.with_columns(times=pl.col("first_and_special") / pl.col("uniform"))
    short = strongest(plain.filter(pl.col("window") == WINDOW))
    long = strongest(times.filter(pl.col("window") == LONG_WINDOW), "times")
    return short.select("model", "layer", mass="first_and_special").join(
        long.select("model", "times", long_layer="layer", long_mass="first_and_special"),
        on="model",
        how="left",
        maintain_order="left",
    )


def verdicts(evaluation: pl.DataFrame) -> pl.DataFrame:
    """model, layer, reference, plain, other_first, special_moved, verdict (one of VERDICTS).

    All values are of the layer that is strongest as trained (reference), over WINDOW tokens; null
    if the model has no such input. The rule: no sink below NO_SINK; position if half of the
    reference remains without special tokens; token if half of it follows the special token. Without
    a special token in front: position if half remains with another first word, else token.
    """
    rows = evaluation.filter(pl.col("window") == WINDOW)
    best = strongest(rows.filter(pl.col("input") == AS_TRAINED))
    masses = best.select("model", "layer", reference="first_and_special")
    columns = {PLAIN: "first_and_special", OTHER_FIRST: "first_and_special", MOVED: "moved"}
    for name, column in columns.items():
        values = rows.filter(pl.col("input") == name).select(
            "model", "layer", pl.col(column).alias(name)
        )
        masses = masses.join(values, on=["model", "layer"], how="left", maintain_order="left")
    half = pl.col("reference") / 2
    in_front = pl.col(MOVED).is_not_null()
    stays = pl.when(in_front).then(PLAIN).otherwise(pl.coalesce(OTHER_FIRST, PLAIN)) >= half
    follows = pl.when(in_front).then(pl.col(MOVED) >= half).otherwise(~stays)
    stays, follows = stays.fill_null(False), follows.fill_null(False)
    verdict = (
        pl.when(pl.col("reference") < NO_SINK)
        .then(pl.lit("no sink"))
        .when(stays & follows)
        .then(pl.lit("both"))
        .when(stays)
        .then(pl.lit("position"))
        .when(follows)
        .then(pl.lit("token"))
        .otherwise(pl.lit("neither"))
    )
    return masses.with_columns(verdict=verdict)
