"""The attention on first and special tokens in each document, against its length."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.masses import FORMULA, SINGLE, labels_and_colours, with_labels
from sinkscope.charts.channels import tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_documents import shown_documents
from sinkscope.charts.select import axis_length, distinct_key_sets
from sinkscope.charts.theme import DATA, colours
from sinkscope.findings.finding import Finding

FINDING = (
    "{% if n_above %}In layer {{ layer }} the {{ key_set | key_set_noun }} gets more than half of "
    "the attention in {{ n_above }} of {{ n_documents | counted('document') }}."
    "{% else %}In no layer and no document does one key set get more than half of the attention; "
    "the {{ key_set | key_set_noun }} gets most, in layer {{ layer }}.{% endif %}"
    "{% if short is defined %} There it gets {{ short[0].mass | mass }} in the shortest document "
    "({{ short[0].n_tokens | counted('token') }}) and {{ long[0].mass | mass }} in the longest "
    "({{ long[0].n_tokens | integer }}); uniform attention would give it "
    "{{ short[0].even | mass }} and {{ long[0].even | mass }}.{% endif %}"
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure | None:
    """None for a single document."""
    table = tables["sink_mass"]
    if tables["documents"].height < 2:
        return None
    key_sets = distinct_key_sets(table, SINGLE)
    n_layers, n_documents = axis_length(table, "layer"), table["document"].n_unique()
    rows = with_lengths(table.filter(pl.col("key_set").is_in(key_sets)), tables["documents"])
    shown = shown_documents(rows["document"], n_layers * len(key_sets))
    drawn = with_labels(rows.filter(pl.col("document").is_in(shown)))
    return Figure(
        name="mass_by_length",
        title="Attention to first and special tokens, by document",
        subject=model,
        finding=Finding(FINDING, {**majority(rows), "n_documents": n_documents}),
        caption=(
            "One panel per layer, one point per document. x: its length; y: the attention that "
            f"a key set receives. Formula: {FORMULA}. Dashed: the same under uniform attention. "
            f"n = {words.counted(n_documents, 'document')}"
            f"{f', of which {len(shown)} are drawn' if len(shown) < n_documents else ''}. "
            "Unit: part of 1, linear scale; tokens, logarithmic scale."
        ),
        chart=panels(drawn, key_sets, n_layers),
        data=drawn,
    )


def with_lengths(rows: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """layer, key_set, document, n_tokens, mass, uniform_mass; shortest documents first."""
    columns = ["layer", "key_set", "document", "n_tokens", "mass", "uniform_mass"]
    mass = pl.col("mass").fill_nan(None)
    known = rows.filter(pl.col("n_keys") > 0).with_columns(mass).drop_nulls("mass")
    joined = known.join(documents.select("document", "n_tokens"), on="document")
    return joined.select(columns).sort("layer", "key_set", "n_tokens", "document")


def panels(drawn: pl.DataFrame, key_sets: Sequence[str], n_layers: int) -> alt.FacetChart:
    width, height, columns = panel_size(n_layers)
    # Attention other than softmax may be more than 1.
    top = max(1.0, float(drawn["mass"].max() or 0))  # type: ignore[arg-type]
    x = alt.X("n_tokens:Q", title="tokens", axis=alt.Axis(tickCount=3, format="~s", grid=False))
    x = x.scale(type="log", nice=False, padding=5)
    height_of = alt.Scale(domain=[0, top])
    axis = alt.Axis(values=[0, 0.5, 1], format="~g")
    y = alt.Y("mass:Q", title="sink mass", axis=axis, scale=height_of)
    color = colours("label", "key set", labels_and_colours(key_sets))
    points = alt.Chart().mark_point(filled=True, size=26, opacity=0.85)
    points = points.encode(
        x=x,
        y=y,
        color=color,
        tooltip=tips(
            ("label:N", "key set"),
            "document:N",
            ("n_tokens:Q", "tokens", ",d"),
            ("mass:Q", "", ".4f"),
            ("uniform_mass:Q", "uniform attention", ".4f"),
        ),
    )
    even = alt.Chart().mark_line(strokeDash=[3, 3], strokeWidth=1, opacity=0.8)
    even = even.encode(x=x, y=alt.Y("uniform_mass:Q", axis=axis, scale=height_of), color=color)
    layered = alt.LayerChart(layer=[even, points], width=width, height=height)
    panel = alt.Facet("layer:O", title=None)
    panel = panel.header(labelExpr="'layer ' + datum.value", labelPadding=2)
    return layered.facet(facet=panel, columns=columns, data=DATA, spacing=14)


def panel_size(n_layers: int) -> tuple[int, int, int]:
    """Width, height and columns of small multiples by layer, to fill about 720 pixels."""
    if n_layers <= 12:
        return 200, 90, 3
    if n_layers <= 40:
        return 106, 56, 5
    return 62, 40, 8


def majority(rows: pl.DataFrame) -> dict[str, str | int | list[dict[str, float]]]:
    """key_set, layer, n_above: where most documents put more than half of their attention on one
    key set; and its mass in the shortest and the longest of these documents."""
    above = rows.group_by("key_set", "layer").agg(
        n_above=(pl.col("mass") > 0.5).sum(), mean=pl.col("mass").mean()
    )
    order = ["n_above", "mean", "layer", "key_set"]
    best = above.sort(order, descending=[True, True, False, False]).drop("mean")
    facts: dict[str, str | int | list[dict[str, float]]] = best.row(0, named=True)
    own = rows.join(best.head(1), on=["key_set", "layer"]).sort("n_tokens", "document")
    if own["n_tokens"].n_unique() > 1:
        ends = own.select("n_tokens", "mass", even="uniform_mass")
        facts |= {"short": ends.head(1).to_dicts(), "long": ends.tail(1).to_dicts()}
    return facts
