"""Claims of the studies: published numbers beside measured ones, and encoders counted twice.

Notes of this project (the study `design`) are no claims of a study: they are counted apart.
"""

from __future__ import annotations

import json
from statistics import median

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.theme import TOKEN_FONT, colours, data_source, rounded
from sinkscope.reduce.claims import FAILS, HOLDS, PARTLY
from sinkscope.reduce.measures import MEASURES

NOTES = "design"
# Of each row: the printed (or noted) number, that of the same model here, those of its relatives.
KINDS = {
    "published": ("#8e44dd", "diamond"),
    "noted by this project": ("#777777", "square"),
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


# Of a verdict over all models: how a sentence says it of one claim, and of several.
SAID = {
    HOLDS: ("holds", "hold"),
    PARTLY: (
        "holds for those of its models that were tested",
        "hold for those of their models that were tested",
    ),
    FAILS: ("does not hold", "do not hold"),
}


def tested(claims: pl.DataFrame, noun: str, whose: str) -> str:
    """How many of these claims were tested, and their verdicts over all models."""
    verdicts = claims.unique("number")["overall"].to_list()
    counts = {verdict: verdicts.count(verdict) for verdict in SAID}
    n_tested, n_claims = sum(counts.values()), len(verdicts)
    said = [f"{words.integer(n)} {SAID[verdict][n != 1]}" for verdict, n in counts.items() if n]
    verb = "was" if n_tested == 1 else "were"
    text = f"Of {words.counted(n_claims, noun)} {whose}, {words.integer(n_tested)} {verb} tested"
    text += f" by this run: {words.listed(said)}." if said else " by this run."
    if n_tested == n_claims:
        return text
    rest = "The others" if n_tested else "They"
    return f"{text} {rest} speak about models or tables that were not in it."


def sentence(claims: pl.DataFrame) -> str:
    """What this run says of the studies' claims together, and of the notes of this project."""
    is_note = pl.col("study") == NOTES
    groups = [
        (claims.filter(~is_note), "statement", "of the studies"),
        (claims.filter(is_note), "note", "of this project itself, measured when it was designed"),
    ]
    return " ".join(tested(*group) for group in groups if group[0].height)


def parts(claims: pl.DataFrame) -> pl.DataFrame:
    """Rows about a share, or a part of attention, that is printed: from 0 to 1."""
    wanted = [name for name, measure in MEASURES.items() if measure.is_part]
    return claims.filter(pl.col("measure").is_in(wanted), pl.col("published").is_between(0, 1))


def compared(claims: pl.DataFrame) -> pl.DataFrame:
    """number, label, model, kind, value: every part that is printed, and what is measured here
    for it."""
    several = pl.col("subject").n_unique().over("claim") > 1
    label = pl.when(several).then(pl.format("{} {}", "claim", "subject")).otherwise("claim")
    published, noted, measured, relative = KINDS
    rows = parts(claims).select(
        "study", "subject", "model", "published", "measured",
        number=pl.col("number").cast(pl.Int64),
        label=label,
        kind=pl.when("is_relative").then(pl.lit(relative)).otherwise(pl.lit(measured)),
    )  # fmt: skip
    by_whom = pl.when(pl.col("study") == NOTES).then(pl.lit(noted)).otherwise(pl.lit(published))
    columns = {"number": "number", "label": "label", "model": "subject", "value": "published"}
    printed = rows.select(**columns, kind=by_whom).unique()
    columns |= {"model": "model", "value": "measured", "kind": "kind"}
    here = rows.drop_nulls("measured").select(**columns)
    return pl.concat([printed, here]).sort("number", "label", "kind", "model")


def distances(claims: pl.DataFrame) -> str:
    """How far numbers of the very models are from those that the studies print; notes of this
    project do not count."""
    same = parts(claims).filter(~pl.col("is_relative"), pl.col("study") != NOTES)
    far = same["difference"].drop_nulls().abs().sort().to_list()
    if not far:
        return "No model for which a study prints a number was in this run."
    noun = "One number" if len(far) == 1 else f"{words.integer(len(far))} numbers"
    return (
        f"{noun} of models that were in this run can be compared: the median distance from what "
        f"is printed is {median(far):.3f}, the largest {far[-1]:.3f}."
    )


def numbers(claims: pl.DataFrame) -> Figure | None:
    """Every published number between 0 and 1, with what is measured here."""
    drawn = rounded(compared(claims))
    if drawn.is_empty():
        return None
    n_numbers = drawn["label"].n_unique()
    shapes = alt.Scale(domain=list(KINDS), range=[shape for _, shape in KINDS.values()])
    order = alt.EncodingSortField("number", op="min")
    chart = alt.Chart(width=460, height=22 * n_numbers).mark_point(
        size=70, filled=True, opacity=0.9
    )
    chart = chart.encode(
        y=alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=260, grid=True)),
        x=alt.X("value:Q", title="published and measured number").scale(domain=[0, 1]),
        color=colours("kind", None, {name: colour for name, (colour, _) in KINDS.items()}),
        shape=alt.Shape("kind:N", title=None, scale=shapes),
        tooltip=[
            alt.Tooltip("label:N", title="claim"),
            alt.Tooltip("kind:N", title="number"),
            alt.Tooltip("model:N"),
            alt.Tooltip("value:Q", format=".4f"),
        ],
    )
    return Figure(
        name="claims_numbers",
        title="Published and measured",
        finding=distances(claims),
        caption=(
            "Numbers between 0 and 1 that studies print, in the order of the claims, beside those "
            "of the same model here, or, where it did not run, of its relatives: models of the "
            "same architecture, which the claim does not speak about. Notes of this project, "
            "measured when it was designed, are drawn apart and not counted in the sentence. "
            "Documents are others of the same kinds, and a claim may ask for a lower or an upper "
            f"limit only. n = {words.counted(n_numbers, 'number')}. Unit: as the claim says, a "
            "share or a part of attention."
        ),
        chart=chart.properties(data=data_source(drawn)),
        data=drawn,
    )


def printed_bars(claims: pl.DataFrame) -> pl.DataFrame:
    """panel, token, share of the bars that study 1 printed, queries at padding counted."""
    rows = []
    wanted = claims.filter(pl.col("measure") == "max_key_share", pl.col("published").is_not_null())
    for row in wanted.iter_rows(named=True):
        options = json.loads(row["options"])
        tokens = options.get("tokens", [])
        if options.get("counting") == "padded" and len(tokens) == 1:
            panel = row["subject"] if row["is_relative"] or row["model"] is None else row["model"]
            rows.append({"panel": panel, "token": tokens[0], "share": row["published"]})
    schema = {"panel": pl.String, "token": pl.String, "share": pl.Float64}
    return pl.DataFrame(rows, schema=schema).unique(maintain_order=True)


def shares(histogram: pl.DataFrame) -> pl.DataFrame:
    """panel, token, share, of every model of a table of max keys."""
    by_token = histogram.group_by("model", "token").agg(pl.col("share").sum())
    return by_token.select("token", "share", panel="model").sort("panel", "token")


def counted_twice(printed: pl.DataFrame, padded: pl.DataFrame, real: pl.DataFrame) -> pl.DataFrame:
    """panel, token, counting, share, order, of the printed tokens and the most frequent ones.

    A model that did not run has its printed bars alone.
    """
    most = padded.sort("panel", "share", "token", descending=[False, True, False])
    most = most.group_by("panel", maintain_order=True).head(N_BARS)
    keys = ["panel", "token"]
    shown = pl.concat([printed.select(keys), most.select(keys)]).unique(maintain_order=True)
    here = shown.filter(pl.col("panel").is_in(padded["panel"].implode()))
    bars = [
        found.with_columns(counting=pl.lit(name))
        for name, found in zip(
            COUNTINGS,
            (
                printed.select(*keys, "share"),
                here.join(padded, on=keys, how="left").select(*keys, "share"),
                here.join(real, on=keys, how="left").select(*keys, "share"),
            ),
            strict=True,
        )
    ]
    drawn = pl.concat(bars).with_columns(pl.col("share").fill_null(0))
    drawn = drawn.with_columns(order=pl.col("share").max().over(keys))
    return drawn.sort("panel", "order", "token", "counting", descending=[False, True, False, True])


def countings(tables: Tables) -> Figure | None:
    """The encoders' bars: as printed, and here with and without the queries at padding."""
    padded, real = (
        shares(tables[name]) for name in ("max_attention_tokens_padded", "max_attention_tokens")
    )
    if padded.is_empty():
        return None
    drawn = rounded(counted_twice(printed_bars(tables["claims"]), padded, real))
    token_axis = alt.Axis(labelFont=TOKEN_FONT, labelFontSize=12, labelOpacity=1)
    order = alt.EncodingSortField("order", op="max", order="descending")
    bar = alt.Chart(width=270, height=alt.Step(11)).mark_bar()
    bar = bar.encode(
        x=alt.X("share:Q", title="share of max keys", axis=alt.Axis(format="%", tickCount=5)),
        y=alt.Y("token:N", title=None, sort=order, axis=token_axis).scale(paddingInner=0.25),
        yOffset=alt.YOffset("counting:N", sort=list(COUNTINGS)),
        color=colours("counting", None, COUNTINGS),
        tooltip=[
            alt.Tooltip("panel:N", title="model"),
            alt.Tooltip("token:N"),
            alt.Tooltip("counting:N"),
            alt.Tooltip("share:Q", format=".2%"),
        ],
    )
    return Figure(
        name="claims_countings",
        title="Encoder bars in both countings",
        finding=furthest_move(padded, real),
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
        chart=bar.facet(
            facet=alt.Facet("panel:N", title=None), columns=2, data=data_source(drawn)
        ).resolve_scale(y="independent"),
        data=drawn,
    )


def furthest_move(padded: pl.DataFrame, real: pl.DataFrame) -> str:
    """The token whose share differs most between the two countings."""
    both = padded.join(real, on=["panel", "token"], how="left", suffix="_real").fill_null(0)
    moved = both.with_columns(move=(pl.col("share") - pl.col("share_real")).abs())
    far = moved.sort("move", "panel", "token", descending=[True, False, False]).row(0, named=True)
    return (
        f"Counting the queries at padding moves “{far['token']}” of {far['panel']} from "
        f"{words.percent(far['share_real'])} to {words.percent(far['share'])} of all max keys, the "
        "furthest of all encoders here."
    )
