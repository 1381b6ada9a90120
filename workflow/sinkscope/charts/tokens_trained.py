"""The logarithmic axis of tokens trained, on which the untrained model has a position too."""

import altair as alt
import polars as pl

from sinkscope.charts.theme import limits


def on_log_axis(frame: pl.DataFrame) -> pl.DataFrame:
    """Adds a column `at`: tokens trained; for the untrained model, half of the smallest other
    value."""
    least, _ = limits(frame.filter(pl.col("tokens") > 0)["tokens"])
    tokens = pl.col("tokens").cast(pl.Float64)
    return frame.with_columns(at=pl.when(tokens > 0).then(tokens).otherwise(max(least, 2) / 2))


def tokens_axis(frame: pl.DataFrame, labels: bool = True) -> alt.X:
    """`at` along x. labels: whether its numbers and title are shown."""
    scale = alt.Scale(type="log", domain=limits(frame["at"]), nice=False)
    title = "tokens trained" if labels else None
    return alt.X("at:Q", title=title, scale=scale, axis=decades(frame["at"], labels))


def decades(at: pl.Series, labels: bool = True) -> alt.Axis:
    """Ticks at powers of ten."""
    low, high = limits(at)
    ticks = [10**power for power in range(3, 13) if low <= 10**power <= high]
    return alt.Axis(values=ticks, format="~s", grid=False, labels=labels)
