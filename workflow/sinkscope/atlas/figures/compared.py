"""Models side by side: their order, and the highlight of one of them."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import rows_axis
from sinkscope.charts.figure import Tables
from sinkscope.charts.theme import ALL_MODELS

CHOSEN = f"model === '{ALL_MODELS}' || datum.model === model"


def in_order(tables: Tables) -> dict[str, str]:
    """Model to its title, the model and its family: encoders, then decoders, each by name."""
    rows = tables["models"].sort(pl.col("family") != "encoder", "model")
    return {model: f"{model} ({family})" for model, family in rows.select("model", "family").rows()}


def with_titles(frame: pl.DataFrame, titles: dict[str, str]) -> pl.DataFrame:
    """Adds a column `panel`: the title of each row's model."""
    return frame.with_columns(panel=pl.col("model").replace_strict(titles))


def titles_axis(titles: dict[str, str]) -> alt.Y:
    return rows_axis("panel", list(titles.values()), grid=False)


def model_picker(titles: dict[str, str]) -> alt.Parameter:
    """The parameter `model`: the highlighted model; the page binds its own picker to it."""
    bind = alt.binding_select(options=[ALL_MODELS, *titles], name="model ")
    return alt.param(name="model", value=ALL_MODELS, bind=bind)


def highlighted(opacity: float = 1) -> alt.typing.Optional:
    """Opacity: all models except the picked one are faint."""
    return alt.condition(CHOSEN, alt.value(opacity), alt.value(0.12 * opacity))


def totals(histogram: pl.DataFrame) -> str:
    """Number of max keys of each model; the range of these numbers if there are many models."""
    counts = histogram.group_by("model").agg(pl.col("count").sum()).sort("model")
    if counts.height > words.FEW:
        return words.ranged(counts["count"].to_list())
    return words.listed([f"{words.integer(n)} ({model})" for model, n in counts.rows()])
