"""Which tokens become sinks: at what fraction of their occurrences, and in which layers."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures.compared import in_order
from sinkscope.atlas.figures.found.strongest import FIRST_AND_SPECIAL
from sinkscope.charts.channels import heat, number_text, only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.bars import TOKEN_AXIS
from sinkscope.charts.forms.strips import cell_axis, strip
from sinkscope.charts.select import documents_in
from sinkscope.findings.finding import Finding
from sinkscope.tables.blocks import Blocks
from sinkscope.tables.read import selected

N_TOKENS = 6  # rows per model
WIDTH, COLUMNS = 250, 2
BY = ["model", "token", "key_class"]
FINDING = (
    "{% for row in tokens %}"
    "{% if loop.first %}Ordinary tokens become sinks too: {% else %}; {% endif %}"
    "{{ row.token | token(row.key_class) }} at {{ row.n_sinks }} of "
    "{{ row.n_occurrences | counted('occurrence') }} in {{ row.model }}, in layers "
    "{{ row.first_layer }} to {{ row.last_layer }}, with up to {{ row.peak_mass | mass }} of the "
    "attention{% if row.n_close %}; at {{ row.n_close }} the state becomes close to that of the "
    "first token"
    "{% endif %}"
    "{% endfor %}"
    "{% if not tokens and n_once %}Besides the first token and special tokens, "
    "{{ n_once | counted('token') }} {{ 'is a sink' if n_once == 1 else 'are sinks' }}, "
    "at one occurrence each"
    "{% elif not tokens %}Only the first token and special tokens become sinks{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    counts = tables["sink_tokens"]
    if counts.is_empty():
        return None
    shown = most_frequent(counts)
    drawn = by_layer(pl.concat(Blocks(tables, "found_sinks", sinks_in)), shown)
    models = [name for name in in_order(tables) if name in set(drawn["model"])]
    panels = [panel(drawn, model) for model in models]
    return Figure(
        name="found_sinks_tokens",
        title="Which tokens become sinks, and where",
        finding=Finding(FINDING, {"tokens": ordinary(counts), "n_once": n_once(counts)}),
        caption=(
            "One panel per model; one row per token and key class, those with the largest mass "
            f"first, at most {N_TOKENS}. Colour: fraction of the token's occurrences that are a "
            "sink of the layer (linear). Right: number of occurrences that are a sink of at "
            "least one layer, and of all occurrences. An occurrence that fewer than "
            "sink_queries queries see is never counted as a sink. "
            f"n = {documents_in(tables['documents'])} per model. Layers count from 0."
        ),
        chart=alt.concat(*panels, columns=COLUMNS, spacing=40).resolve_scale(y="independent"),
        data=drawn,
    )


def most_frequent(counts: pl.DataFrame) -> pl.DataFrame:
    """The N_TOKENS rows of each model with the most sinks by mass, with rank and label."""
    weight = pl.col("peak_mass") * pl.col("n_sinks").sqrt()
    ordered = counts.sort("model", weight, *BY[1:], descending=[False, True, False, False])
    top = ordered.group_by("model", maintain_order=True).head(N_TOKENS)
    both = pl.format("{} ({})", "token", "key_class")
    n_classes = pl.col("key_class").n_unique().over("model", "token")
    return top.with_columns(
        rank=pl.int_range(pl.len()).over("model"),
        label=pl.when(n_classes > 1).then(both).otherwise("token"),
        text=pl.format("{} of {}", "n_sinks", "n_occurrences"),
    )


def sinks_in(tables: Tables) -> pl.DataFrame:
    """model, token, key_class, layer, n, mass: occurrences that are a sink, and their masses
    together."""
    place = [*BY, "layer"]
    per_sink = selected(tables, "found_sinks", [*place, "mass"], pl.col("is_sink"))
    return per_sink.group_by(place, maintain_order=True).agg(n=pl.len(), mass=pl.col("mass").sum())


def by_layer(sinks: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """One row per shown token and layer in which it is a sink: fraction of its occurrences, and
    the mean mass of these. sinks: as of sinks_in, of some documents each."""
    sums = sinks.group_by(*BY, "layer", maintain_order=True).agg(pl.col("n", "mass").sum())
    of_layer = sums.with_columns(mass=pl.col("mass") / pl.col("n"))
    columns = [*BY, "rank", "label", "text", "n_occurrences"]
    joined = shown.select(columns).join(of_layer, on=BY).sort("model", "rank", "layer")
    is_first = pl.int_range(pl.len()).over("model", "rank") == 0  # one text per token
    return joined.with_columns(
        fraction=pl.col("n") / pl.col("n_occurrences"),
        text=pl.when(is_first).then("text").otherwise(pl.lit("")),
    )


def ordinary(counts: pl.DataFrame) -> list[dict[str, Any]]:
    """Facts: per model the ordinary token with the most sinks, for the models with the most."""
    rows = counts.filter(~pl.col("key_class").is_in(FIRST_AND_SPECIAL), pl.col("n_sinks") > 1)
    weight = pl.col("peak_mass") * pl.col("n_sinks")
    ordered = rows.sort(weight, *BY, descending=[True, False, False, False])
    best = ordered.group_by("model", maintain_order=True).first().head(words.FEW)
    names = ("n_sinks", "n_occurrences", "n_close", "first_layer", "last_layer", "peak_mass")
    return best.select(*BY, *names).to_dicts()


def n_once(counts: pl.DataFrame) -> int:
    """Number of ordinary tokens, by model, that are a sink at a single occurrence."""
    is_ordinary = ~pl.col("key_class").is_in(FIRST_AND_SPECIAL)
    return counts.filter(is_ordinary, pl.col("n_sinks") == 1).height


def panel(drawn: pl.DataFrame, model: str) -> alt.LayerChart:
    rows = drawn.filter(pl.col("model") == model)
    last = int(rows["layer"].max())  # type: ignore[arg-type]
    order = alt.EncodingSortField("rank", op="min")
    x = alt.X("layer:O", title="layer", axis=cell_axis()).scale(domain=list(range(last + 1)))
    y = alt.Y("label:N", title=None, sort=order, axis=TOKEN_AXIS)
    tooltip = tips(
        "model:N", "token:N", ("key_class:N", "key class"), "layer:Q",
        ("n:Q", "sinks"), ("n_occurrences:Q", "occurrences"), ("mass:Q", "mean mass", ".4f"),
    )  # fmt: skip
    base = only(model=model)
    cells = strip(x, y, heat("fraction", "fraction of occurrences"), tooltip, base=base)
    counted = number_text(base.encode(y=y), "datum.text || ''", at_right=True)
    return alt.LayerChart(
        layer=[cells, counted],
        width=WIDTH,
        height=20 * rows["label"].n_unique(),
        title=panel_title(model),
    )
