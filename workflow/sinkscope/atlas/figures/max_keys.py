"""The most frequent max keys, drawn by several figures."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope.charts.channels import OF_ONE, estimated, only, tips
from sinkscope.charts.forms.bars import TOKEN_AXIS, bars, document_points
from sinkscope.charts.forms.lines import IS_MEAN
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.theme import colours, limits
from sinkscope.keys import KEY_CLASSES

COLUMNS = (
    *("rank", "token", "key_class", "label", "document", "n_tokens"),
    *("count", "share", "low", "high", "n_tied"),
)
FORMULA = "max key m[l,i] = argmax_j M[l,i,j], where M is attention averaged over heads"


def labelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds a column `label`: the token, with its class if the same string has several classes."""
    both = pl.format("{} ({})", "token", "key_class")
    n_classes = pl.col("key_class").n_unique().over("token")
    return frame.with_columns(label=pl.when(n_classes > 1).then(both).otherwise("token"))


def top(histogram: pl.DataFrame, n: int) -> pl.DataFrame:
    """The n most frequent max keys of one model, most frequent first."""
    ordered = histogram.sort("count", "token", "key_class", descending=[True, False, False])
    return labelled(ordered.head(n)).with_row_index("rank", offset=1)


def class_colours(classes: Sequence[str] | pl.Series) -> alt.Color:
    """Colours of the key classes that occur, in the order of legends."""
    present = {name: CLASS_COLOURS[name] for name in KEY_CLASSES if name in set(classes)}
    return colours("key_class", "key class", present)


def key_bars(
    drawn: pl.DataFrame,
    title: str,
    width: int,
    *,
    model: str | None = None,
    longest: float | None = None,
) -> alt.LayerChart:
    """Bars of `share` by `label`, in the order of `rank`, with their intervals, a point per
    document, and their numbers at the right; near ties are the paler part at the end.

    drawn: returned by of_counts.with_documents. model: the model whose rows are drawn, if it has
    several. longest: largest share in a comparison, so that all panels have the same axis.
    """
    rows = drawn if model is None else drawn.filter(pl.col("model") == model)
    x = alt.X("share:Q", title=title, axis=alt.Axis(format="%", tickCount=5))
    x = x.scale(domain=[0, longest or longest_of(rows)], nice=False)
    # Ordered by a number: a list of tokens would become part of a Vega expression.
    order = alt.EncodingSortField("rank", op="min")
    y = alt.Y("label:N", title=None, sort=order, axis=TOKEN_AXIS)
    every = alt.Chart() if model is None else only(model=model)
    base = every.transform_filter(IS_MEAN)
    whole = bars(
        x,
        y,
        class_colours(drawn["key_class"]),
        tips(
            "token:N",
            ("key_class:N", "key class"),
            ("count:Q", "", ","),
            *estimated("share", form=".2%", ends=""),
            ("n_tied:Q", "near ties", ","),
        ),
        width=width,
        height=24 * rows["label"].n_unique(),
        interval=("low", "high"),
        number="format(datum.count, ',') + '  (' + format(datum.share, '.1%') + ')'",
        at_right=True,  # the points would cross it
        base=base,
    )
    tied = base.transform_calculate(untied="datum.share * (1 - datum.n_tied / datum.count)")
    paler = tied.mark_bar(height={"band": 0.7}, color="white", opacity=0.5, tooltip=False)
    tooltip = tips(
        "token:N",
        ("key_class:N", "key class"),
        *OF_ONE,
        ("count:Q", "", ","),
        ("share:Q", "", ".2%"),
    )
    points = document_points(x, y, tooltip, base=every)
    return whole + paler.encode(x=alt.X("untied:Q"), x2="share:Q", y=y) + points


def longest_of(drawn: pl.DataFrame) -> float:
    """The largest share, or end of an interval, and a little more."""
    return 1.02 * max(limits(drawn["share"])[1], limits(drawn["high"])[1])
