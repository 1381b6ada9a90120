"""Claims of the studies: published numbers beside measured ones, and encoders counted twice."""

from __future__ import annotations

import json

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.theme import TOKEN_FONT, colours, data_source, rounded
from sinkscope.reduce.claims import FAILS, HOLDS, overall

# Of each row: the printed number, that of the same model here, those of its relatives.
KINDS = {
    "published": ("#8e44dd", "diamond"),
    "measured, same model": ("#0072b2", "circle"),
    "measured, a relative": ("#c08a00", "triangle-up"),
}
COUNTINGS = {
    "published: padding counted": "#8e44dd",
    "here: padding counted": "#d55e00",
    "here: real queries only": "#0072b2",
}
N_BARS = 4


def figures(tables: Tables) -> list[Figure]:
    """In the order of the report."""
    found = [numbers(tables["claims"]), countings(tables)]
    return [figure for figure in found if figure is not None]


def verdict_counts(claims: pl.DataFrame) -> dict[str, int]:
    """How many claims have each verdict over all models that they speak about."""
    grouped = claims.group_by("number").agg(pl.col("verdict"))
    verdicts = [overall(found) for found in grouped["verdict"].to_list()]
    return {verdict: verdicts.count(verdict) for verdict in (HOLDS, FAILS)} | {
        "claims": len(verdicts)
    }


def sentence(claims: pl.DataFrame) -> str:
    """What this run says of all claims together."""
    counts = verdict_counts(claims)
    tested = counts[HOLDS] + counts[FAILS]
    verb = "was" if tested == 1 else "were"
    return (
        f"Of {words.counted(counts['claims'], 'claim')}, {words.integer(tested)} {verb} tested by "
        f"this run: {words.integer(counts[HOLDS])} hold, {words.integer(counts[FAILS])} do not. "
        "The others speak about models or tables that were not in it."
    )


def numbers(claims: pl.DataFrame) -> Figure | None:
    """Every published number between 0 and 1, with what is measured here."""
    several = pl.col("subject").n_unique().over("claim") > 1
    name = pl.when(several).then(pl.format("{} {}", "claim", "subject")).otherwise("claim")
    rows = claims.filter(pl.col("published").is_between(0, 1)).with_columns(label=name)
    if rows.is_empty():
        return None
    own = ["number", "label", "subject"]
    printed = rows.select(*own, model="subject", value="published").unique(maintain_order=True)
    kind = pl.when("is_relative").then(pl.lit(list(KINDS)[2])).otherwise(pl.lit(list(KINDS)[1]))
    here = rows.filter(pl.col("measured").is_not_null())
    drawn = pl.concat(
        [
            printed.with_columns(kind=pl.lit("published")),
            here.select(*own, "model", value="measured", kind=kind),
        ]
    ).sort("number", "label", "kind", "model")
    drawn = rounded(drawn.with_columns(pl.col("number").cast(pl.Int64)))
    same = here.filter(~pl.col("is_relative"))
    by_name = {key: colour for key, (colour, _) in KINDS.items()}
    shapes = alt.Scale(domain=list(KINDS), range=[shape for _, shape in KINDS.values()])
    height = 22 * drawn["label"].n_unique()
    order = alt.EncodingSortField("number", op="min")
    base = alt.Chart(width=460, height=height).encode(
        y=alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=260, grid=True)),
        x=alt.X("value:Q", title="published and measured number").scale(domain=[0, 1]),
    )
    points = base.mark_point(size=70, filled=True, opacity=0.9).encode(
        color=colours("kind", None, by_name),
        shape=alt.Shape("kind:N", title=None, scale=shapes),
        tooltip=[
            alt.Tooltip("label:N", title="claim"),
            alt.Tooltip("kind:N", title="number"),
            alt.Tooltip("model:N"),
            alt.Tooltip("value:Q", format=".4f"),
        ],
    )
    if same.is_empty():
        finding = "No model that a number was printed for was in this run; its relatives were."
    else:
        nearest = pl.col("difference").abs()
        finding = (
            f"{words.counted(same.height, 'number')} of models that were in this run can be "
            f"compared; the median distance from what is printed is "
            f"{same.select(nearest.median()).item():.3f}, the largest "
            f"{same.select(nearest.max()).item():.3f}."
        )
    return Figure(
        name="claims_numbers",
        title="Published and measured",
        finding=finding,
        caption=(
            "Numbers between 0 and 1 that studies print, in the order of the claims, beside those "
            "of the same model here, or, where it did not run, of its relatives: models of the "
            "same architecture, which the claim does not speak about. Documents are others of the "
            f"same kinds. n = {words.counted(drawn['label'].n_unique(), 'number')}. Unit: as the "
            "claim says, a share or a part of attention."
        ),
        chart=alt.LayerChart(layer=[points], data=data_source(drawn)),
        data=drawn,
    )


def printed_bars(claims: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """panel, token, share of the bars that study 1 printed, queries at padding counted."""
    rows = []
    for row in claims.filter(measure="max_key_share").iter_rows(named=True):
        options = json.loads(row["options"])
        tokens = options.get("tokens", [])
        if (
            options.get("counting") == "padded"
            and len(tokens) == 1
            and row["published"] is not None
        ):
            panel = row["subject"] if row["is_relative"] or row["model"] is None else row["model"]
            rows.append({"panel": panel, "token": tokens[0], "share": row["published"]})
    schema = {"panel": pl.String, "token": pl.String, "share": pl.Float64}
    return pl.DataFrame(rows, schema=schema).unique(maintain_order=True)


def shares(histogram: pl.DataFrame) -> pl.DataFrame:
    """panel, token, share, of every encoder of a table of max keys."""
    by_token = histogram.group_by("model", "token").agg(pl.col("share").sum())
    return by_token.select("token", "share", panel="model").sort("panel", "token")


def countings(tables: Tables) -> Figure | None:
    """The encoders' bars: as printed, and here with and without the queries at padding."""
    padded = shares(tables["max_attention_tokens_padded"])
    real = shares(tables["max_attention_tokens"]).filter(
        pl.col("panel").is_in(padded["panel"].implode())
    )
    if padded.is_empty():
        return None
    printed = printed_bars(tables["claims"], tables["models"])
    most = padded.sort("panel", "share", "token", descending=[False, True, False])
    shown = pl.concat([printed, most.group_by("panel", maintain_order=True).head(N_BARS)])
    shown = shown.select("panel", "token").unique(maintain_order=True)
    parts = [
        shown.join(frame, on=["panel", "token"], how="left" if i else "inner").with_columns(
            counting=pl.lit(name)
        )
        for i, (name, frame) in enumerate(zip(COUNTINGS, (printed, padded, real), strict=True))
    ]
    here = set(padded["panel"])
    drawn = pl.concat(parts).filter(
        pl.col("panel").is_in(list(here)) | pl.col("counting").str.starts_with("published")
    )
    order = pl.col("share").max().over("panel", "token")
    drawn = rounded(drawn.with_columns(pl.col("share").fill_null(0), order=order)).sort(
        "panel", "order", "token", "counting", descending=[False, True, False, True]
    )
    bar = (
        alt.Chart(width=270, height=alt.Step(11))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%", tickCount=5)),
            y=alt.Y(
                "token:N",
                title=None,
                sort=alt.EncodingSortField("order", op="max", order="descending"),
                axis=alt.Axis(labelFont=TOKEN_FONT, labelFontSize=12, labelOpacity=1),
            ).scale(paddingInner=0.25),
            yOffset=alt.YOffset("counting:N", sort=list(COUNTINGS)),
            color=colours("counting", None, COUNTINGS),
            tooltip=[
                alt.Tooltip("panel:N", title="model"),
                alt.Tooltip("token:N"),
                alt.Tooltip("counting:N"),
                alt.Tooltip("share:Q", format=".2%"),
            ],
        )
    )
    both = padded.join(real, on=["panel", "token"], how="left", suffix="_real").fill_null(0)
    moved = both.with_columns(move=(pl.col("share") - pl.col("share_real")).abs())
    furthest = moved.sort("move", "panel", "token", descending=[True, False, False]).row(
        0, named=True
    )
    return Figure(
        name="claims_countings",
        title="Encoder bars in both countings",
        finding=(
            f"Counting the queries at padding moves “{furthest['token']}” of {furthest['panel']} "
            f"from {words.percent(furthest['share_real'])} to {words.percent(furthest['share'])} "
            "of all max keys, the furthest of all encoders here."
        ),
        caption=(
            "Study 1 padded its batch to the longest document and counted the queries at PAD, "
            "although its text says that PAD is left out: its bar of DistilBERT's [SEP], 11,336, "
            "is larger than all real rows together (8,160: 6 layers of 1,360 tokens). “padding "
            "counted” repeats that, to be held against its bars; “real queries only” is what every "
            "other figure counts. Where a printed model was not in this run its bars stand alone. "
            f"The printed tokens and the {N_BARS} most frequent. "
            f"n = {words.counted(len(here), 'encoder')} here. Unit: share of all max keys."
        ),
        chart=bar.facet(
            facet=alt.Facet("panel:N", title=None), columns=2, data=data_source(drawn)
        ).resolve_scale(y="independent"),
        data=drawn.select("panel", "token", "counting", "share", "order"),
    )
