"""Sink mass against share of max keys: sinks that the histogram of max keys hides."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import means, words
from sinkscope.atlas.figures.compared import in_order, with_titles
from sinkscope.atlas.figures.max_keys import class_colours
from sinkscope.charts.channels import OF_ONE, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import IS_DOCUMENT, IS_MEAN, POINT
from sinkscope.charts.of_documents import behind, shown_documents
from sinkscope.charts.select import documents_in
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import queried, selected

BY = ["model", "layer", "token", "key_class"]
BY_DOCUMENT = ["model", "document", *BY[1:]]
# Of two stories: the mass is at least this, and the share of max keys is below this part of it.
LEAST_MASS, PART = 0.1, 0.25
# Of one model: rows that intervals are computed of, and marks that there are whatever the number of
# documents.
MOST_ROWS, LEAST_MARKS = 1_000_000, 100
N_POINTED = 3  # marks of one model whose documents are points
POINTED = f"points of the {N_POINTED} marks of a model with the most mass"
VALUES = ["mass", "share_of_max_keys"]
FINDING = (
    "{% if n_hidden %}The histogram of max keys hides {{ n_hidden | counted('strong sink') }} "
    "(tokens of a layer with at least {{ least | mass }} of its attention): "
    "{% for row in hidden %}{{ loop.index | separator(loop.length) }}"
    "{{ row.token | token(row.key_class) }} takes "
    "{{ row.mass | estimate(row.mass_low, row.mass_high) }} of the attention of layer "
    "{{ row.layer }} of {{ row.model }} and is the max key of "
    "{{ row.share_of_max_keys | percent }} of queries{% endfor %}: in most queries another key "
    "receives a little more."
    "{% else %}The histogram hides no sink: every token with at least "
    "{{ least | mass }} of the attention of a layer is the max key of many queries.{% endif %}"
)


def figure(tables: Tables) -> Figure | None:
    documents = judged(tables)
    blocks = Blocks(tables, "found_sinks", in_documents)
    sums = of_tokens(blocks, tables, documents)
    if sums.is_empty():
        return None
    titles = in_order(tables)
    parts = [sums.with_columns(document=pl.lit(ALL_DOCUMENTS)), points(sums, blocks, documents)]
    drawn = with_titles(pl.concat(parts, how="diagonal_relaxed"), titles)
    n_documents = documents["document"].n_unique()
    return Figure(
        name="found_sinks_histogram",
        title="Attention received, and how often it is the largest",
        finding=Finding(FINDING, hidden(sums)),
        caption=(
            "One panel per model, one mark per layer and token with a sink. x: its mass, the "
            "fraction of the layer's attention that its sinks receive. y: share of the layer's "
            "queries whose max key is one of them. A mark far below the diagonal is a sink that "
            "the histogram of max keys hides: the argmax counts only the first of several nearly "
            "equal keys. "
            f"{shown_of(sums, documents)}Means over n = {documents_in(documents)} per model, "
            "those that are long enough for the sink rule; "
            f"{behind(drawn, n_documents, mark='tooltip', single=POINTED)}. "
            "Unit: part of 1, linear scales."
        ),
        chart=chart(drawn, list(titles.values())),
        data=drawn,
    )


def judged(tables: Tables) -> pl.DataFrame:
    """The rows of the table documents that are long enough for the sink rule."""

    def names(rows: pl.LazyFrame) -> pl.LazyFrame:
        of_sinks = rows.filter(pl.col("key_set") == "sinks").drop_nulls("mass")
        return of_sinks.select("model", "document").unique()

    of_sinks = queried(tables, "sink_mass", names)
    return tables["documents"].join(of_sinks, on=["model", "document"], how="semi")


def in_documents(tables: Tables) -> pl.DataFrame:
    """model, document, layer, token, key_class, mass, share_of_max_keys: sums over the occurrences
    that are sinks."""
    sinks = selected(tables, "found_sinks", [*BY_DOCUMENT, "key", *VALUES], pl.col("is_sink"))
    occurrences = sinks.sort("key").group_by(BY_DOCUMENT, maintain_order=True)
    return occurrences.agg(pl.col(VALUES).sum())


def of_all(marks: pl.DataFrame, single: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """The values of marks (BY) in each document of their model; 0 for a document without the token,
    or in which it is not a sink. single: returned by in_documents."""
    read = documents.select("model", "document")
    rows = marks.select(BY).join(read, on="model").join(single, on=BY_DOCUMENT, how="left")
    return rows.with_columns(pl.col(VALUES).fill_null(0))


def of_tokens(blocks: Blocks, tables: Tables, documents: pl.DataFrame) -> pl.DataFrame:
    """model, layer, token, key_class, and mass and share_of_max_keys with their intervals: means
    over all documents of the model. blocks: of in_documents."""
    totals = pl.concat([one.group_by(BY).agg(pl.col("mass").sum()) for one in blocks])
    marks = strongest(totals, documents)

    def rows(of: Tables) -> pl.DataFrame:
        read = of["documents"].join(documents, on=["model", "document"], how="semi")
        return of_all(marks, in_documents(of), read)

    most = max(1, MOST_ROWS // max(1, marks.height))
    return means.over_documents(Blocks(tables, "documents", rows, most), BY, VALUES)


def points(sums: pl.DataFrame, blocks: Blocks, documents: pl.DataFrame) -> pl.DataFrame:
    """The values in single documents (all, or evenly chosen ones) of the marks with the most mass;
    none for a single document."""
    order = sums.sort("mass", *BY, descending=[True, *[False] * len(BY)])
    marks = order.group_by("model", maintain_order=True).head(N_POINTED)
    several = documents["document"].n_unique() > 1
    shown = shown_documents(documents["document"], marks.height) if several else []
    chosen = documents.filter(pl.col("document").is_in(shown))
    lengths = chosen.select("model", "document", "n_tokens")
    rows = of_all(marks, blocks.of(shown), chosen).join(lengths, on=["model", "document"])
    return rows.sort(*BY, "document")


def shown_of(sums: pl.DataFrame, documents: pl.DataFrame) -> str:
    """The sentence of the caption if not all tokens have a mark."""
    marks = sums.group_by("model").len()
    limits = most_marks(documents)
    full = marks.join(limits, on="model").filter(pl.col("len") >= pl.col("most"))
    if full.is_empty():
        return ""
    most = max(full["most"])
    return f"Per model, at most the {most:,} marks with the most mass are shown. "


def strongest(sums: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """The tokens of each model that get a mark: all, or those with the most mass if every document
    of every token would be too many rows."""
    totals = sums.group_by(BY, maintain_order=True).agg(pl.col("mass").sum())
    totals = totals.join(most_marks(documents), on="model")
    ordered = totals.sort("mass", *BY, descending=[True, *[False] * len(BY)])
    return ordered.filter(pl.int_range(pl.len()).over("model") < pl.col("most")).select(BY)


def most_marks(documents: pl.DataFrame) -> pl.DataFrame:
    """model, most: marks that there can be."""
    most = pl.max_horizontal(MOST_ROWS // pl.len(), LEAST_MARKS)
    return documents.group_by("model").agg(most=most)


def hidden(sums: pl.DataFrame) -> dict[str, Any]:
    """Facts: the strongest tokens of each model with much mass in a layer and few max keys."""
    rows = sums.filter(
        pl.col("mass") >= LEAST_MASS, pl.col("share_of_max_keys") < PART * pl.col("mass")
    )
    ordered = rows.sort("mass", *BY, descending=[True, *[False] * len(BY)])
    strongest = ordered.group_by("model", maintain_order=True).first().head(words.FEW)
    return {
        "n_hidden": rows.height,
        "least": LEAST_MASS,
        "hidden": strongest.select(
            *BY, "mass", "mass_low", "mass_high", "share_of_max_keys"
        ).to_dicts(),
    }


def chart(drawn: pl.DataFrame, titles: list[str]) -> alt.FacetChart:
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("mass:Q", title="mass", scale=scale, axis=alt.Axis(tickCount=3))
    y = alt.Y("share_of_max_keys:Q", title="share of max keys", scale=scale)
    tooltip = tips(
        "model:N",
        "layer:Q",
        "token:N",
        ("key_class:N", "key class"),
        *estimated("mass"),
        *estimated("share_of_max_keys", "share of max keys"),
        *OF_ONE,
    )
    color = class_colours(drawn["key_class"])
    mark, point = (
        alt.Chart()
        .transform_filter(which)
        .mark_point(filled=True, size=size, opacity=opacity)
        .encode(x=x, y=y, color=color, tooltip=tooltip)
        for which, size, opacity in ((IS_MEAN, 45, 0.7), (IS_DOCUMENT, 12, POINT))
    )
    layered = alt.LayerChart(layer=[point, mark], width=150, height=150)
    return panels(layered, "panel", 4, titles)
