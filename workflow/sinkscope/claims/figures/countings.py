"""Max keys of the encoders: the printed bars of study 1, and measured ones with and without
padding."""

import json

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import OF_ONE, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import TOKEN_AXIS, bars, document_points
from sinkscope.charts.forms.lines import IS_MEAN
from sinkscope.charts.of_counts import with_documents, with_intervals
from sinkscope.charts.of_documents import behind
from sinkscope.charts.theme import ALL_DOCUMENTS, colours
from sinkscope.findings.finding import Finding

PUBLISHED, PADDED, REAL = (
    *("published: padding counted", "here: padding counted", "here: real queries only"),
)
COUNTINGS = {PUBLISHED: "#8e44dd", PADDED: "#d55e00", REAL: "#0072b2"}
COUNTED = {PADDED: "max_attention_documents_padded", REAL: "max_attention_documents"}
N_BARS = 4
KEYS = ["panel", "token"]  # panel: a model that ran, or a model with printed bars
FINDING = (
    "{% for one in furthest %}Counting the queries at padding changes the share of "
    "“{{ one.token }}” in {{ one.model }} from {{ one.share | percent }} to "
    "{{ one.share_padded | percent }} of all max keys, the largest change of all encoders "
    "here.{% endfor %}"
)


def figure(tables: Tables) -> Figure | None:
    """None if nothing was counted with padding."""
    padded, real = (
        shares(tables[name]) for name in ("max_attention_tokens_padded", "max_attention_tokens")
    )
    if padded.is_empty():
        return None
    shown = counted_twice(printed_bars(tables["claims"]), padded, real)
    drawn = of_documents(shown, tables)
    order = alt.EncodingSortField("order", op="max", order="descending")
    y = alt.Y("token:N", title=None, sort=order, axis=TOKEN_AXIS)
    x = alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%", tickCount=5))
    y, place = y.scale(paddingInner=0.25), alt.YOffset("counting:N", sort=list(COUNTINGS))
    tooltip = tips(
        ("panel:N", "model"),
        "token:N",
        "counting:N",
        *estimated("share", form=".2%", ends=""),
        *OF_ONE,
    )
    bar = bars(
        x,
        y,
        colours("counting", None, COUNTINGS),
        tooltip,
        width=270,
        height=alt.Step(11),
        band=1,
        interval=("low", "high"),
        base=alt.Chart().transform_filter(IS_MEAN),
        yOffset=place,
    )
    bar += document_points(x, y, tooltip).encode(yOffset=place)
    return Figure(
        name="claims_countings",
        title="Encoder bars in both countings",
        finding=Finding(FINDING, {"furthest": furthest_move(padded, real)}),
        caption=(
            "Study 1 padded its batch to the longest document and counted the queries at PAD, "
            "although its text says that PAD is left out: its bar of DistilBERT's [SEP], 11,336, "
            "is larger than all real rows together (8,160: 6 layers of 1,360 tokens). “padding "
            "counted” repeats that, for comparison with its bars; “real queries only” is the "
            "counting of every other figure. A printed model that was not in this run has only "
            "its printed bars. "
            f"The printed tokens and the {N_BARS} most frequent. "
            f"n = {words.counted(padded['panel'].n_unique(), 'encoder')} here; "
            f"{behind(drawn, tables[COUNTED[PADDED]]['document'].n_unique(), mark='rule')}. "
            "Unit: share of all max keys, or of those of the document."
        ),
        # Tokens of different lengths move the panels of a column: each has an axis of its own.
        chart=panels(bar, "panel", 2).resolve_scale(y="independent").resolve_axis(x="independent"),
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


def of_documents(shown: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    """Adds low and high to the shares of this run, and the documents (of_counts.with_documents).
    shown: returned by counted_twice."""
    parts = [shown.filter(counting=PUBLISHED).with_columns(document=pl.lit(ALL_DOCUMENTS))]
    for counting, name in COUNTED.items():
        of_run = shown.filter(counting=counting).with_columns(model="panel")
        counted = tables[name]
        shares = with_intervals(of_run, counted, ["token"])
        parts.append(with_documents(shares, counted, tables["documents"], ["token"]))
    drawn = pl.concat(parts, how="diagonal_relaxed").drop("model", "count", strict=False)
    order = ["panel", "order", "token", "counting"]
    return drawn.sort(order, descending=[False, True, False, True], maintain_order=True)


def furthest_move(padded: pl.DataFrame, real: pl.DataFrame) -> list[dict[str, str | float]]:
    """model, token, share, share_padded of the largest difference between the two countings."""
    both = real.join(padded, on=KEYS, how="right", suffix="_padded").with_columns(
        pl.col("share").fill_null(0)
    )
    move = (pl.col("share_padded") - pl.col("share")).abs()
    ordered = both.sort(move, *KEYS, descending=[True, False, False])
    return ordered.select("token", "share", "share_padded", model="panel").head(1).to_dicts()
