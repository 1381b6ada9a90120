"""Max keys of the encoders: the printed bars of study 1, and ours with and without padding."""

from __future__ import annotations

import json

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import TOKEN_AXIS, bars
from sinkscope.charts.theme import colours, rounded
from sinkscope.findings.finding import Finding

COUNTINGS = {
    "published: padding counted": "#8e44dd",
    "here: padding counted": "#d55e00",
    "here: real queries only": "#0072b2",
}
N_BARS = 4
KEYS = ["panel", "token"]  # panel: a model that ran, or a model with printed bars
FINDING = (
    "{% for one in furthest %}Counting the queries at padding moves “{{ one.token }}” of "
    "{{ one.model }} from {{ one.share | percent }} to {{ one.share_padded | percent }} of all max "
    "keys, the furthest of all encoders here.{% endfor %}"
)


def figure(tables: Tables) -> Figure | None:
    """None if nothing was counted with padding."""
    padded, real = (
        shares(tables[name]) for name in ("max_attention_tokens_padded", "max_attention_tokens")
    )
    if padded.is_empty():
        return None
    drawn = rounded(counted_twice(printed_bars(tables["claims"]), padded, real))
    order = alt.EncodingSortField("order", op="max", order="descending")
    y = alt.Y("token:N", title=None, sort=order, axis=TOKEN_AXIS)
    bar = bars(
        alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%", tickCount=5)),
        y.scale(paddingInner=0.25),
        colours("counting", None, COUNTINGS),
        tips(("panel:N", "model"), "token:N", "counting:N", ("share:Q", "", ".2%")),
        width=270,
        height=alt.Step(11),
        band=1,
        yOffset=alt.YOffset("counting:N", sort=list(COUNTINGS)),
    )
    return Figure(
        name="claims_countings",
        title="Encoder bars in both countings",
        finding=Finding(FINDING, {"furthest": furthest_move(padded, real)}),
        caption=(
            "Study 1 padded its batch to the longest document and counted the queries at PAD, "
            "although its text says that PAD is left out: its bar of DistilBERT's [SEP], 11,336, "
            "is larger than all real rows together (8,160: 6 layers of 1,360 tokens). “padding "
            "counted” repeats that, to be held against its bars; “real queries only” is what every "
            "other figure counts. Where a printed model was not in this run its bars stand alone. "
            f"The printed tokens and the {N_BARS} most frequent. "
            f"n = {words.counted(padded['panel'].n_unique(), 'encoder')} here. "
            "Unit: share of all max keys."
        ),
        chart=panels(bar, drawn, "panel", 2).resolve_scale(y="independent"),
        data=drawn,
    )


def shares(histogram: pl.DataFrame) -> pl.DataFrame:
    """panel, token, share of every model of a table of max keys."""
    by_token = histogram.group_by("model", "token").agg(pl.col("share").sum())
    return by_token.select("token", "share", panel="model").sort(KEYS)


def printed_bars(claims: pl.DataFrame) -> pl.DataFrame:
    """panel, token, share of the bars that study 1 printed, with queries at padding."""
    rows = []
    printed = claims.filter(pl.col("measure") == "max_key_share", pl.col("published").is_not_null())
    for row in printed.iter_rows(named=True):
        options = json.loads(row["options"])
        tokens = options.get("tokens", [])
        if options.get("counting") == "padded" and len(tokens) == 1:
            panel = row["subject"] if row["is_relative"] or row["model"] is None else row["model"]
            rows.append({"panel": panel, "token": tokens[0], "share": row["published"]})
    schema = {"panel": pl.String, "token": pl.String, "share": pl.Float64}
    return pl.DataFrame(rows, schema=schema).unique(maintain_order=True)


def counted_twice(printed: pl.DataFrame, padded: pl.DataFrame, real: pl.DataFrame) -> pl.DataFrame:
    """panel, token, counting, share, order of the printed tokens and the most frequent ones.

    A model that did not run has only its printed bars.
    """
    most = padded.sort("panel", "share", "token", descending=[False, True, False])
    most = most.group_by("panel", maintain_order=True).head(N_BARS)
    shown = pl.concat([printed.select(KEYS), most.select(KEYS)]).unique(maintain_order=True)
    here = shown.filter(pl.col("panel").is_in(padded["panel"].implode()))
    counted = (here.join(frame, on=KEYS, how="left") for frame in (padded, real))
    drawn = pl.concat(
        frame.select(*KEYS, "share", counting=pl.lit(counting))
        for counting, frame in zip(COUNTINGS, (printed, *counted), strict=True)
    ).with_columns(pl.col("share").fill_null(0))
    drawn = drawn.select(*KEYS, "share", "counting", order=pl.col("share").max().over(KEYS))
    return drawn.sort("panel", "order", "token", "counting", descending=[False, True, False, True])


def furthest_move(padded: pl.DataFrame, real: pl.DataFrame) -> list[dict[str, str | float]]:
    """model, token, share, share_padded of the largest difference between the two countings."""
    both = real.join(padded, on=KEYS, how="right", suffix="_padded").with_columns(
        pl.col("share").fill_null(0)
    )
    move = (pl.col("share_padded") - pl.col("share")).abs()
    ordered = both.sort(move, *KEYS, descending=[True, False, False])
    return ordered.select("token", "share", "share_padded", model="panel").head(1).to_dicts()
