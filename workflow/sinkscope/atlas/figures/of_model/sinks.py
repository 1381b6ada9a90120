"""The sinks of each document: the layers in which a key is a sink, and its mass in each."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import by_document, heat, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import TOKEN_AXIS
from sinkscope.charts.forms.strips import cell_axis, cell_side, strip
from sinkscope.charts.select import axis_length, rows_where
from sinkscope.findings.finding import Finding
from sinkscope.tables.read import queried

N_KEYS = 15  # rows per document
FINDING = (
    "{{ n_sinks | integer }} keys of {{ n_documents | counted('document') }} are sinks of some "
    "layer"
    "{% for row in longest %}; besides key 0 the strongest is "
    "{{ row.token | token(row.key_class) }}"
    " at position {{ row.key }} of {{ row.document }}: a sink from layer {{ row.first_layer }} to "
    "{{ row.last_layer }}, with {{ row.peak_mass | mass }} of the attention in layer "
    "{{ row.peak_layer }}{% if row.first_close_layer is not none %}; its state is close to that "
    "of key 0 in layers {{ row.first_close_layer }} to {{ row.last_close_layer }}{% endif %}"
    "{% endfor %}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure | None:
    """None if no key of a document to show is a sink."""
    offered = pl.col("document").is_in(list(documents))
    lives = rows_where(tables, "sink_lives", offered)
    names = [name for name in documents if name in set(lives["document"])]
    if not names:
        return None
    drawn = shown(rows_where(tables, "found_sinks", offered), lives, names)
    n_layers = axis_length(tables["sink_mass_means"], "layer")
    return Figure(
        name="sink_lives",
        title="The sinks of a text, layer by layer",
        subject=model,
        finding=Finding(FINDING, facts_of(tables)),
        caption=(
            "One row per key that is a sink of at least one layer, those with the largest mass "
            f"first, at most {N_KEYS}: its position and token. A cell is drawn where the key is a "
            "sink of the layer. Colour: its mass, mean over queries i of M[l,i,k], M the mean over "
            f"heads (linear). n = 1 document shown of "
            f"{words.counted(tables['documents'].height, 'document')}; those without a sink are "
            "not offered. Unit: part of 1. Layers count from 0."
        ),
        chart=by_document(chart(drawn, n_layers), names),
        data=drawn,
    )


def shown(detected: pl.DataFrame, lives: pl.DataFrame, documents: Sequence[str]) -> pl.DataFrame:
    """One row per shown key and layer in which it is a sink, in the order of the documents."""
    ordered = lives.sort("document", "peak_mass", "key", descending=[False, True, False])
    top = ordered.group_by("document", maintain_order=True).head(N_KEYS)
    rank = pl.int_range(pl.len()).over("document")
    top = top.select("document", "key", rank=rank, label=pl.format("{}  {}", "key", "token"))
    columns = ("document", "layer", "key", "token", "key_class", "mass", "share_of_max_keys")
    rows = detected.filter("is_sink").select(columns).join(top, on=["document", "key"])
    rows = rows.sort("rank", "layer")
    return pl.concat([rows.filter(pl.col("document") == name) for name in documents])


def facts_of(tables: Tables) -> dict[str, Any]:
    """Facts: number of sinks, and the life of the one with the largest mass beside key 0."""

    def sizes(lives: pl.LazyFrame) -> pl.LazyFrame:
        return lives.select(n_sinks=pl.len(), n_documents=pl.col("document").n_unique())

    def longest(lives: pl.LazyFrame) -> pl.LazyFrame:
        others = lives.filter(pl.col("key") > 0)
        return others.filter(pl.col("peak_mass") == pl.col("peak_mass").max())

    first = queried(tables, "sink_lives", longest).sort("document", "key").head(1)
    (facts,) = queried(tables, "sink_lives", sizes).to_dicts()
    return {**facts, "longest": first.drop("model", "n_layers").to_dicts()}


def chart(drawn: pl.DataFrame, n_layers: int) -> alt.Chart:
    x = alt.X("layer:O", title="layer", axis=cell_axis()).scale(domain=list(range(n_layers)))
    order = alt.EncodingSortField("rank", op="min")
    tooltip = tips(
        "token:N", ("key:Q", "position"), ("key_class:N", "key class"), "layer:Q",
        ("mass:Q", "", ".4f"), ("share_of_max_keys:Q", "share of max keys", ".1%"),
    )  # fmt: skip
    cells = strip(
        x,
        alt.Y("label:N", title=None, sort=order, axis=TOKEN_AXIS),
        heat("mass", "mass (linear)"),
        tooltip,
    )
    cells.mark = alt.MarkDef("rect", stroke="#999", strokeWidth=0.5)  # pale cells are lives too
    side = cell_side(n_layers, 640, largest=44)
    most = drawn.group_by("document").agg(pl.col("key").n_unique())["key"].to_list()
    return cells.properties(width=side * n_layers, height=18 * max(most))
