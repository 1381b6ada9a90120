"""The sink score at key 0 of every head."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import OF_ONE, by_document, estimated, heat, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.marks import mean_marks
from sinkscope.charts.forms.strips import cell_axis, strip
from sinkscope.charts.of_documents import behind, shown_documents, with_points
from sinkscope.charts.select import (
    axis_length,
    drawn_documents,
    with_lengths,
    with_mean,
)
from sinkscope.charts.theme import ALL_DOCUMENTS, OF_DOCUMENT, rounded
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import queried, selected

COLUMNS = ("layer", "head", "sink_score", "sink_score_low", "sink_score_high")
N_HEADS = 8  # strongest heads, of which every document is a point
BY = ["layer", "head"]
FINDING = (
    "{{ n_above | integer }} of {{ n_heads | counted('head') }} give key 0 more than "
    "{{ '%g' | format(epsilon) }} of their attention in most documents; the strongest on average "
    "is head {{ head }} of layer {{ layer }} with "
    "{{ sink_score | estimate(sink_score_low, sink_score_high) }}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    blocks = Blocks(tables, "heads", scores_in)
    scores = with_mean(blocks, BY, ["sink_score"], documents)
    of_strongest = strongest_heads(scores, blocks)
    drawn = rounded(pl.concat([scores, of_strongest], how="diagonal_relaxed"))
    drawn = with_lengths(drawn, tables["documents"])
    n_layers, n_heads = axis_length(scores, "layer"), axis_length(scores, "head")
    n_documents = len(blocks.documents)
    cells = strip(
        alt.X("layer:O", axis=cell_axis(), title="layer"),
        alt.Y("head:O", axis=cell_axis(), title="head"),
        heat("sink_score", "sink score at key 0 (linear)"),
        tips(
            "layer:O",
            "head:O",
            *estimated("sink_score", "sink score"),
            ("sink_score_n:Q", "documents"),
            "document:N",
        ),
        base=alt.Chart().transform_filter(f"{OF_DOCUMENT} && !isValid(datum.rank)"),
    ).properties(
        width=min(760, max(240, n_layers * 26)),
        height=min(560, max(120, n_heads * 18)),
    )
    chart = alt.vconcat(cells, points(), spacing=24)
    return Figure(
        name="heads",
        title="Sink score of every head",
        subject=model,
        finding=Finding(FINDING, strongest(drawn, tables, tables["sink_rate"]["epsilon"][0])),
        caption=(
            "Sink score of key 0: alpha[l,h,0] = mean over queries i that can see key 0 of "
            "A[l,h,i,0]. "
            f"Mean over n = {words.counted(n_documents, 'document')}, or one "
            "document; the 95 % bootstrap interval of a mean is in its tooltip. Below, the "
            f"{of_strongest['rank'].n_unique()} heads with the highest means, as layer/head; "
            f"{behind(of_strongest, n_documents, mark='rule')}. Unit: part of 1, "
            "linear scale. Layers and heads count from 0."
        ),
        chart=by_document(chart, drawn_documents(scores), filtered=False),
        data=drawn,
    )


def scores_in(tables: Tables) -> pl.DataFrame:
    return selected(tables, "heads", ["model", "document", *BY, "sink_score"])


def strongest_heads(scores: pl.DataFrame, blocks: Blocks) -> pl.DataFrame:
    """The means of the strongest heads, and their values per document; rank: 1 for the strongest,
    name: LAYER/HEAD. scores: returned by with_mean. blocks: of scores_in."""
    means = scores.filter(pl.col("document") == ALL_DOCUMENTS).drop_nulls("sink_score")
    ordered = means.sort("sink_score", *BY, descending=[True, False, False]).head(N_HEADS)
    named = ordered.with_row_index("rank", offset=1)
    named = named.with_columns(name=pl.format("{}/{}", "layer", "head"))
    names = blocks.documents
    if len(names) < 2:
        return named
    single = blocks.of(shown_documents(names, N_HEADS)).drop_nulls("sink_score")
    single = single.select("document", *BY, "sink_score")
    placed = single.sort("document", *BY).join(named.select(*BY, "rank", "name"), on=BY)
    return with_points(named, placed, n_means=N_HEADS)


def points() -> alt.LayerChart:
    """The strongest heads, one row each, with their documents."""
    chart = mean_marks(
        alt.X("sink_score:Q", title="sink score at key 0").scale(domain=[0, 1]),
        rows_axis("name", alt.EncodingSortField("rank", op="min")),
        {"color": alt.value("#0072b2"), "shape": alt.value("circle")},
        tips("layer:O", "head:O", *OF_ONE, *estimated("sink_score", "sink score")),
        field="sink_score",
        width=480,
        height=18 * N_HEADS,
    )  # fmt: skip
    return chart.transform_filter("isValid(datum.rank)")


def strongest(drawn: pl.DataFrame, tables: Tables, epsilon: float) -> dict[str, int | float | None]:
    """Facts: the head with the highest mean score, and how many heads score more than epsilon in
    most documents."""
    is_above = pl.col("sink_score").fill_nan(None) > epsilon

    def in_most(heads: pl.LazyFrame) -> pl.LazyFrame:
        counts = heads.group_by(BY).agg(k=is_above.sum(), n=is_above.is_not_null().sum())
        return counts.filter(pl.col("k") * 2 > pl.col("n"))

    mean = drawn.filter(pl.col("document") == ALL_DOCUMENTS, pl.col("rank").is_null())
    ordered = mean.sort("sink_score", descending=True, nulls_last=True)
    return {
        **ordered.select(*COLUMNS).row(0, named=True),
        "n_above": queried(tables, "heads", in_most).height,
        "n_heads": mean.height,
        "epsilon": epsilon,
    }
