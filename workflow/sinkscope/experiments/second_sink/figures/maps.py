"""Head means of two layers, with the columns of the first token and of the second sink marked."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.patterns import LEAST_DRAWN, pattern
from sinkscope.charts.select import axis_length
from sinkscope.experiments.second_sink.derive import spans
from sinkscope.findings.finding import Finding

MOST_MODELS = 4
COLUMNS = (
    "{% set row = second[0] %}"
    "Of these maps the first terminator's column is strongest in layer {{ row.layer }} of "
    "{{ row.model }}: later queries give it {{ row.mass|mass }} of their attention, and the first "
    "token {{ row.first_token|mass }}."
    "{% set row = strongest[0] %}"
    " The strongest column except the first token's is that of “{{ row.token }}” at "
    "{{ row.key }}, in "
    "layer {{ row.layer }} of {{ row.model }} ({{ row.mass|mass }})."
)


def pictured(
    tables: Tables, maps: pl.DataFrame, by: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame, alt.ConcatChart] | None:
    """The rows of the models that are drawn, those of them that are visible, and a pair of maps of
    each model; None without any. by: columns that tell the maps of a model apart."""
    measured = set(maps["model"])
    order = spans(tables["second_sink_layers"])["model"]
    models = [name for name in order if name in measured][:MOST_MODELS]
    if not models:
        return None
    drawn = maps.filter(pl.col("model").is_in(models))
    visible = drawn.filter(pl.col("attention") >= LEAST_DRAWN)
    visible = visible.drop("document", "second_sink")  # in the titles of the maps
    pairs = [pair(drawn.filter(pl.col("model") == name), by) for name in models]
    return drawn, visible, alt.concat(*pairs, columns=2, spacing=26)


def figure(tables: Tables) -> Figure | None:
    drawing = pictured(tables, tables["second_sink_maps"], ["layer"])
    if drawing is None:
        return None
    drawn, visible, chart = drawing
    n_models = words.counted(drawn["model"].n_unique(), "model")
    facts = {"second": second(drawn).to_dicts(), "strongest": strongest(drawn).to_dicts()}
    return Figure(
        name="second_sink_maps",
        title="Two strong columns?",
        finding=Finding(COLUMNS, facts),
        caption=(
            "Attention from every query (rows) to every key (columns), mean over heads, in the "
            "layers at the depth of layers 5 and 20 of Llama-2-7B (Wray 2023), of the first tokens "
            "of a document. Orange ticks above: key 0 and the first terminator. "
            f"Formula: M[l,i,j]. Attention below {LEAST_DRAWN} is left blank. "
            f"n = {n_models}, those whose first terminator gets "
            "most, one text each. Unit: part of 1, linear scale. Positions and layers count "
            "from 0."
        ),
        chart=chart.resolve_scale(color="shared"),
        data=visible,
    )


def second(drawn: pl.DataFrame) -> pl.DataFrame:
    """The map whose first terminator gets most attention from later queries, with key 0's
    attention."""
    later = drawn.filter(pl.col("query") > pl.col("second_sink"))
    of_first, of_second = pl.col("key") == 0, pl.col("key") == pl.col("second_sink")
    return (
        later.group_by("model", "layer")
        .agg(
            first_token=pl.col("attention").filter(of_first).mean(),
            mass=pl.col("attention").filter(of_second).mean(),
        )
        .sort("mass", "model", "layer", descending=[True, False, False])
        .head(1)
    )


def strongest(drawn: pl.DataFrame) -> pl.DataFrame:
    """The strongest column of a token that is not the first, among the keys of the first half."""
    half = pl.col("query").max().over("model") // 2
    order = ["mass", "model", "layer", "key"]
    return (
        drawn.filter(
            (pl.col("key") > 0) & (pl.col("key") <= half) & (pl.col("query") >= pl.col("key"))
        )
        .group_by("model", "layer", "key", "token")
        .agg(mass=pl.col("attention").mean())
        .sort(order, descending=[True, False, False, False])
        .head(1)
    )


def pair(rows: pl.DataFrame, by: list[str]) -> alt.HConcatChart:
    """The maps of one model, side by side. by: the columns that tell them apart, layer or layer and
    head."""
    model, document, key = rows.select("model", "document", "second_sink").row(0)
    mark = rows.filter(pl.col("key") == key)["token"][0]
    length = axis_length(rows, "query")
    panels = [
        pattern(
            only(model=model, **place),
            length,
            ", ".join(f"{name} {number}" for name, number in place.items()),
            tips("query:Q", "key:Q", "token:N", ("attention:Q", "", ".4f")),
            is_left=i == 0,
            marked=(0, key),
        )
        for i, place in enumerate(rows.select(by).unique().sort(by).to_dicts())
    ]
    title = panel_title(model, f"{document}: first terminator “{mark}” at {key}")
    return alt.hconcat(*panels, spacing=10, title=title).resolve_scale(color="shared")
