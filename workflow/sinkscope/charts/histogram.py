"""Max-attention histograms: which token is the max key, and how often."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.theme import TOKEN_FONT, colours, data_source, rounded
from sinkscope.keys import KEY_CLASSES

N_TOKENS = 10
COLUMNS = ("rank", "token", "key_class", "label", "count", "share")
TOKEN_AXIS = alt.Axis(labelFont=TOKEN_FONT, labelFontSize=12, labelOpacity=1)
PANELS = {"tokens": "tokens: real queries only", "padded": "padded: PAD queries counted too"}
FORMULA = "max key m[l,i] = argmax_j M[l,i,j], where M is attention averaged over heads"


def labelled(frame: pl.DataFrame, by: list[str] | None = None) -> pl.DataFrame:
    """A column `label`: the token, with its class where one string has several classes."""
    n_classes = pl.col("key_class").n_unique().over(["token", *(by or [])])
    both = pl.format("{} ({})", "token", "key_class")
    return frame.with_columns(label=pl.when(n_classes > 1).then(both).otherwise(pl.col("token")))


def top(histogram: pl.DataFrame, n: int = N_TOKENS) -> pl.DataFrame:
    """The n most frequent max keys of one model, most frequent first."""
    ordered = histogram.sort("count", "token", "key_class", descending=[True, False, False])
    return labelled(ordered.head(n)).with_row_index("rank", offset=1)


def class_colours(frame: pl.DataFrame) -> dict[str, str]:
    """Colours of the key classes that occur, in the order of legends."""
    present = set(frame["key_class"])
    return {name: CLASS_COLOURS[name] for name in KEY_CLASSES if name in present}


def bars(
    frame: pl.DataFrame,
    title: str,
    width: int,
    classes: dict[str, str] | None = None,
    longest: float | None = None,
) -> alt.LayerChart:
    """Horizontal bars of `share` by `label`, in the order of `rank`, with their numbers.

    classes, longest: colours of the legend, and share of the longest bar, where they are for
    more bars than these.
    """
    longest = longest or max(frame["share"].to_list(), default=1)
    x = alt.X("share:Q", title=title, axis=alt.Axis(format="%", tickCount=5))
    x = x.scale(domain=[0, longest * 1.3], nice=False)
    # Order by a number: a list of tokens would become source text of Vega's expressions.
    order = alt.EncodingSortField("rank", op="min")
    base = alt.Chart().encode(
        y=alt.Y("label:N", title=None, sort=order, axis=TOKEN_AXIS),
        x=x,
        tooltip=[
            alt.Tooltip("token:N"),
            alt.Tooltip("key_class:N", title="key class"),
            alt.Tooltip("count:Q", format=","),
            alt.Tooltip("share:Q", format=".2%"),
        ],
    )
    bar = base.mark_bar(height={"band": 0.72}).encode(
        color=colours("key_class", "key class", classes or class_colours(frame))
    )
    number = "format(datum.count, ',') + '  (' + format(datum.share, '.1%') + ')'"
    text = base.transform_calculate(number=number).mark_text(align="left", dx=5)
    layers = [bar, text.encode(text="number:N")]
    return alt.LayerChart(layer=layers, width=width, height=24 * frame["label"].n_unique())


def max_attention(tables: Tables, model: str) -> Figure:
    histogram = tables["max_attention_tokens"]
    facts = tables["models"].row(0, named=True)
    n_tokens = int(tables["documents"]["n_tokens"].sum())
    n_documents, total = tables["documents"].height, int(histogram["count"].sum())
    drawn = rounded(top(histogram).select(COLUMNS))
    first, *others = drawn.iter_rows(named=True)
    finding = (
        f"{words.token(first['token'], first['key_class'])} takes {words.integer(first['count'])} "
        f"of {words.integer(total)} max keys ({words.percent(first['share'])})"
    )
    if others:
        second = words.token(others[0]["token"], others[0]["key_class"])
        finding += f"; next is {second} with {words.percent(others[0]['share'])}"
    chart = bars(drawn, "share of max keys", 560).properties(data=data_source(drawn))
    return Figure(
        name="max_attention",
        title="Which tokens are the max key",
        subject=model,
        finding=f"{finding}.",
        caption=(
            f"The {drawn.height} most frequent max keys by token string and key class. "
            f"Formula: {FORMULA}; ties go to the lowest j: for "
            f"{words.integer(int(histogram['n_ties'].sum()))} of them another key gets as much, to "
            "within float32 rounding. "
            f"n = {words.integer(total)} max keys: "
            f"{words.counted(facts['n_layers'], 'layer')} {words.TIMES} "
            f"{words.counted(n_tokens, 'token')} of {words.counted(n_documents, 'document')}, "
            "no padding. Unit: count, and share of n. ▁ is a space before a token, ⏎ a line end."
        ),
        chart=chart,
        data=drawn,
    )


def countings(tables: Tables, model: str) -> Figure:
    """Both countings of an encoder side by side: without and with queries at padding."""
    found = {
        "tokens": tables["max_attention_tokens"],
        "padded": tables["max_attention_tokens_padded"],
    }
    keys = pl.concat([top(frame, 8).select("token", "key_class") for frame in found.values()])
    keys = labelled(keys.unique(maintain_order=True)).with_row_index("rank", offset=1)
    parts = [
        keys.join(frame, on=["token", "key_class"], how="left", maintain_order="left").with_columns(
            pl.col("count", "share").fill_null(0), counting=pl.lit(PANELS[name])
        )
        for name, frame in found.items()
    ]
    drawn = rounded(pl.concat(parts).select("counting", *COLUMNS))
    totals = {name: int(frame["count"].sum()) for name, frame in found.items()}
    at_padding = totals["padded"] - totals["tokens"]
    moved = drawn.pivot("counting", index=["label", "token", "key_class"], values="share")
    real, padded = (pl.col(name) for name in PANELS.values())
    most = moved.sort((padded - real).abs(), "label", descending=[True, False]).row(0, named=True)
    panel = alt.Facet("counting:N", title=None, sort=list(PANELS.values()))
    chart = bars(drawn, "share of counted queries", 300).facet(
        facet=panel, columns=2, data=data_source(drawn)
    )
    return Figure(
        name="max_attention_countings",
        title="Two ways to count",
        subject=model,
        finding=(
            "Counting the queries at padding changes most what "
            f"{words.token(most['token'], most['key_class'])} gets: from "
            f"{words.percent(most[PANELS['tokens']])} to {words.percent(most[PANELS['padded']])} "
            "of max keys; "
            f"{words.integer(at_padding)} of the {words.integer(totals['padded'])} queries counted "
            f"then ({words.percent(at_padding / totals['padded'])}) stand at padding."
        ),
        caption=(
            "Study 1 padded its batch to the longest document and counted the queries at PAD, "
            "although its text says that PAD is left out. “tokens” counts real queries only and "
            "is the counting of every other figure; “padded” reproduces the published bars (a "
            "query at padding that sees no key is not counted). "
            f"Formula: {FORMULA}. n = {words.integer(totals['tokens'])} and "
            f"{words.integer(totals['padded'])} max keys. Unit: count, and share of n."
        ),
        chart=chart,
        data=drawn,
    )
