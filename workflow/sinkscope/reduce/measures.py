"""Measures that claims speak of: one number of one model, read off the tables of a run.

Each takes the tables, a model's name and the claim's options, and gives a number, or None where
the tables have nothing of the model. A claim names its measure; a new one is a function and an
entry of MEASURES. Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sinkscope.reduce import second_sink

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Measure:
    """about: what the number is, for the reader. tables: those it reads (beside these, the one
    that the option `table` names). is_part: whether it is a share or a part of attention."""

    compute: Callable[..., float | None]
    about: str
    tables: tuple[str, ...]
    is_part: bool = True


def number(frame: pl.DataFrame, what: pl.Expr) -> float | None:
    """One number of the rows of a frame; None where there are none to make it of."""
    found = frame.select(what).item() if frame.height else None
    return None if found is None else float(found)


def aggregated(column: str, how: str) -> pl.Expr:
    expression: pl.Expr = getattr(pl.col(column), how)()
    return expression


def histogram(tables: Tables, model: str, counting: str) -> pl.DataFrame:
    """Counts of max keys. counting: tokens, or padded (queries at padding counted too)."""
    table = "max_attention_tokens_padded" if counting == "padded" else "max_attention_tokens"
    return tables[table].filter(pl.col("model") == model)


def chosen(tokens: Sequence[str], key_classes: Sequence[str]) -> pl.Expr:
    """Rows of a histogram: these tokens (a space in front does not count) or these classes."""
    bare = pl.col("token").str.strip_chars_start("▁")
    return bare.is_in(list(tokens)) | pl.col("key_class").is_in(list(key_classes))


def max_key_share(
    tables: Tables, model: str, *, counting: str = "tokens",
    tokens: Sequence[str] = (), key_classes: Sequence[str] = (),
) -> float | None:  # fmt: skip
    """Part of all max keys that are these tokens, or of these classes."""
    count = pl.col("count")
    share = count.filter(chosen(tokens, key_classes)).sum() / count.sum()
    return number(histogram(tables, model, counting), share)


def max_key_lead(
    tables: Tables, model: str, *, counting: str = "tokens",
    tokens: Sequence[str] = (), key_classes: Sequence[str] = (),
) -> float | None:  # fmt: skip
    """That share, less the share of the most frequent other token: above 0 where they lead."""
    count, inside = pl.col("count").cast(pl.Float64), chosen(tokens, key_classes)
    others = count.filter(~inside).max().fill_null(0)
    lead = (count.filter(inside).sum() - others) / count.sum()
    return number(histogram(tables, model, counting), lead)


def max_key_ratio(
    tables: Tables, model: str, *, tokens: Sequence[str], of: Sequence[str],
    counting: str = "tokens",
) -> float | None:  # fmt: skip
    """How many times as often the first tokens are max keys as the second ones."""
    counts, count = histogram(tables, model, counting), pl.col("count")
    if not counts.filter(chosen(of, ())).height:
        return None
    return number(
        counts, count.filter(chosen(tokens, ())).sum() / count.filter(chosen(of, ())).sum()
    )


def masses(tables: Tables, model: str, key_set: str) -> pl.DataFrame:
    """layer, mass: the mean over documents."""
    rows = tables["sink_mass"].filter(model=model, key_set=key_set)
    return rows.group_by("layer").agg(pl.col("mass").mean()).sort("layer")


def in_layers(frame: pl.DataFrame, layers: Sequence[int] | str) -> pl.DataFrame:
    """Rows of these layers: [first, last], counted from 0 or (negative) from the end, both
    counted in; or `all`, or `intermediate`, all but the first and the last."""
    layer, last = pl.col("layer").cast(pl.Int64), pl.col("layer").cast(pl.Int64).max()
    if layers == "all":
        return frame
    if layers == "intermediate":
        return frame.filter(layer.is_between(1, last - 1))
    low, high = (last + 1 + int(i) if int(i) < 0 else pl.lit(int(i)) for i in layers)
    return frame.filter(layer.is_between(low, high))


def mass(
    tables: Tables, model: str, *, key_set: str, layers: Sequence[int] | str = "all",
    over_layers: str = "mean", over_documents: str = "mean", strict: bool = False,
) -> float | None:  # fmt: skip
    """Sink mass of a key set: first over the layers of a document, then over documents."""
    column = "strict_mass" if strict else "mass"
    rows = in_layers(tables["sink_mass"].filter(model=model, key_set=key_set), layers)
    by_document = rows.group_by("document", maintain_order=True).agg(
        aggregated(column, over_layers)
    )
    return number(by_document, aggregated(column, over_documents))


def mass_fall(tables: Tables, model: str, *, key_set: str) -> float | None:
    """Mean sink mass of the intermediate layers, less that of the last layer."""
    return middle_above(masses(tables, model, key_set), -1)


def mass_rise(tables: Tables, model: str, *, key_set: str) -> float | None:
    """Mean sink mass of the intermediate layers, less that of the first layer."""
    return middle_above(masses(tables, model, key_set), 0)


def middle_above(by_layer: pl.DataFrame, index: int) -> float | None:
    middle = number(in_layers(by_layer, "intermediate"), pl.col("mass").mean())
    return None if middle is None else middle - float(by_layer["mass"][index])


def half_peak_layer(
    tables: Tables, model: str, *, key_set: str, end: str = "first"
) -> float | None:
    """First (or last) layer whose sink mass is at least half of that of the strongest layer."""
    strong = pl.col("layer").filter(pl.col("mass") >= pl.col("mass").max() / 2)
    layer = {"first": strong.min(), "last": strong.max()}[end]
    return number(masses(tables, model, key_set), layer)


def sink_rate(
    tables: Tables, model: str, *, key_set: str = "first_token", window: int | None = None
) -> float | None:
    """Share of heads with a sink score above epsilon, over all layers."""
    rows = tables["sink_rate"].filter(
        pl.col("model") == model, pl.col("key_set") == key_set, pl.col("window").eq_missing(window)
    )
    return number(rows, pl.col("rate").mean())


def n_tokens(tables: Tables, model: str, *, aggregate: str) -> float | None:
    """Tokens of the documents: of all (sum), or of the shortest or longest (min, max)."""
    return number(tables["documents"].filter(model=model), aggregated("n_tokens", aggregate))


def n_induction_heads(tables: Tables, model: str) -> float | None:
    """How many heads reach the induction score from which one is an induction head."""
    return number(tables["induction"].filter(model=model), pl.col("is_induction").sum())


def induction_rest(tables: Tables, model: str, *, column: str = "first_token") -> float | None:
    """Of the induction heads, the mean attention to key 0 on ordinary text (first_token), or
    the share of queries that give it more than half (over_half)."""
    rows = tables["induction"].filter(pl.col("model") == model, pl.col("is_induction"))
    return number(rows, pl.col(column).mean())


def first_token_trained(tables: Tables, model: str, *, window: int = 64) -> float | None:
    """Attention to the first token in the layer where it is strongest, at the end of training."""
    rows = tables["emergence"].filter(model=model, window=window)
    last = rows.filter(pl.col("step") == pl.col("step").max())
    by_layer = last.group_by("layer").agg(pl.col("first_token").mean())
    return number(by_layer, pl.col("first_token").max())


def local_kept(tables: Tables, model: str) -> float | None:
    """Local attention after the second sink over that before it, mean over documents."""
    of_model = pl.col("model") == model
    local, layers = (
        tables[name].filter(of_model) for name in ("second_sink_local", "second_sink_layers")
    )
    kept = pl.col("local_after") / pl.col("local_before")
    return number(second_sink.expected(second_sink.profile(local, layers)), kept.mean())


def value(
    tables: Tables, model: str, *, table: str, column: str, aggregate: str = "mean",
    where: Mapping[str, Any] | None = None, layers: Sequence[int] | str = "all",
) -> float | None:  # fmt: skip
    """A column of any table: the rows `where` columns have these values, put together."""
    wanted = [pl.col(key) == item for key, item in {"model": model, **(where or {})}.items()]
    return number(in_layers(tables[table].filter(*wanted), layers), aggregated(column, aggregate))


HISTOGRAMS = ("max_attention_tokens", "max_attention_tokens_padded")

MEASURES = {
    "max_key_share": Measure(max_key_share, "share of all max keys", HISTOGRAMS),
    "max_key_lead": Measure(max_key_lead, "share of max keys above the next token", HISTOGRAMS),
    "max_key_ratio": Measure(max_key_ratio, "ratio of counts of max keys", HISTOGRAMS, False),
    "mass": Measure(mass, "sink mass", ("sink_mass",)),
    "mass_fall": Measure(mass_fall, "fall of sink mass in the last layer", ("sink_mass",)),
    "mass_rise": Measure(mass_rise, "rise of sink mass after the first layer", ("sink_mass",)),
    "half_peak_layer": Measure(
        half_peak_layer, "layer with half of the strongest sink mass", ("sink_mass",), False
    ),
    "sink_rate": Measure(sink_rate, "share of heads with a sink", ("sink_rate",)),
    "n_tokens": Measure(n_tokens, "tokens of documents", ("documents",), False),
    "n_induction_heads": Measure(n_induction_heads, "induction heads", ("induction",), False),
    "induction_rest": Measure(
        induction_rest, "of induction heads, attention to the first token", ("induction",)
    ),
    "first_token_trained": Measure(
        first_token_trained, "attention to the first token", ("emergence",)
    ),
    "local_kept": Measure(
        local_kept, "local attention kept", ("second_sink_local", "second_sink_layers"), False
    ),
    "value": Measure(value, "value", ()),
}
