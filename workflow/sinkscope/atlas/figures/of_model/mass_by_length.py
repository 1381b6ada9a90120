"""The attention on first and special tokens in each document, against its length."""

from collections.abc import Iterable, Sequence

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
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

COLUMNS = ["layer", "key_set", "document", "mass", "uniform_mass"]
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
    if tables["documents"].height < 2:
        return None
    key_sets = distinct_key_sets(tables, SINGLE)
    n_layers = axis_length(tables["sink_mass_means"], "layer")

    def rows(of: Tables) -> pl.DataFrame:
        is_single = pl.col("key_set").is_in(key_sets) & (pl.col("n_keys") > 0)
        return with_lengths(selected(of, "sink_mass", COLUMNS, is_single), tables["documents"])

    blocks = Blocks(tables, "sink_mass", rows)
    n_documents = len(blocks.documents)
    shown = shown_documents(blocks.documents, n_layers * len(key_sets))
    drawn = with_labels(blocks.of(shown))
    return Figure(
        name="mass_by_length",
        title="Attention to first and special tokens, by document",
        subject=model,
        finding=Finding(FINDING, {**majority(blocks), "n_documents": n_documents}),
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
    known = rows.with_columns(pl.col("mass").fill_nan(None)).drop_nulls("mass")
    joined = known.join(documents.select("document", "n_tokens"), on="document")
    columns = ["layer", "key_set", "document", "n_tokens", "mass", "uniform_mass"]
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


def majority(blocks: Iterable[pl.DataFrame]) -> dict[str, str | int | list[dict[str, float]]]:
    """key_set, layer, n_above: where most documents put more than half of their attention on one
    key set; and its mass in the shortest and the longest of these documents."""
    place = ["key_set", "layer"]
    sums: list[pl.DataFrame] = []  # per block, and the documents at both ends
    ends: list[pl.DataFrame] = []
    for rows in blocks:
        of_place = rows.sort("n_tokens", "document").group_by(place, maintain_order=True)
        sums.append(
            of_place.agg(
                n_above=(pl.col("mass") > 0.5).sum(), mass=pl.col("mass").sum(), n=pl.len()
            )
        )
        ends += [of_place.first(), of_place.last()]
    above = pl.concat(sums).group_by(place).agg(pl.col("n_above", "mass", "n").sum())
    mean = pl.col("mass") / pl.col("n")
    best = above.sort(
        "n_above", mean, "layer", "key_set", descending=[True, True, False, False]
    ).select(*place, "n_above")
    facts: dict[str, str | int | list[dict[str, float]]] = best.row(0, named=True)
    own = pl.concat(ends).join(best.head(1), on=place).sort("n_tokens", "document")
    if own["n_tokens"].n_unique() > 1:
        of = own.select("n_tokens", "mass", even="uniform_mass")
        facts |= {"short": of.head(1).to_dicts(), "long": of.tail(1).to_dicts()}
    return facts
