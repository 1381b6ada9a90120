"""Attention on the first token against the length of the text, with uniform attention."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import N_DOCUMENTS, estimated, panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import BAND, Look, line_looks, lines
from sinkscope.charts.of_documents import shown_documents
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.charts.theme import known, limits
from sinkscope.findings.finding import Finding
from sinkscope.means import over_documents

MEAN, UNIFORM, SINGLE = "mean over documents", "uniform attention", "one document"
LOOKS: dict[str, Look] = {
    MEAN: (CLASS_COLOURS["first"], (1, 0)),
    UNIFORM: ("#d55e00", (6, 3)),
    SINGLE: ("#8a8f98", (1, 0)),
}
BEHIND = 0.4  # opacity of the documents
DOUBLINGS = [16 << i for i in range(17)]  # lengths that documents share, up to a million tokens
FINDING = (
    "Between {{ shortest }} and {{ longest|integer }} tokens of the same documents "
    "(n = {{ [fewest, largest]|ranged }}) the attention on the first token falls in most documents "
    "of {{ n_fall }} of {{ n_models|counted('model') }}, each in the layer where it is strongest"
    "{% for row in most if n_fall %}; most in {{ row.model }}, from "
    "{{ row.short|estimate(row.short_low, row.short_high) }} to "
    "{{ row.long|estimate(row.long_low, row.long_high) }} in layer {{ row.layer }}{% endfor %}. "
    "Uniform attention falls too, and as a multiple of it the sink grows in {{ n_grow }} of "
    "{{ n_models|counted('model') }}: at {{ longest|integer }} tokens the first token gets "
    "{{ extremes|phrased('{times_long:.1f} \u00d7 ({model})')|join(' to ') }} uniform attention."
)


def figure(tables: Tables) -> Figure | None:
    table = known(tables["sink_lengths"]).filter(pl.col("key_set") == "first_token")
    first = in_strongest_layer(table.drop_nulls(["mass", "uniform"]))
    facts = facts_of(first)
    if not facts:
        return None
    drawn = lines_of(first)
    return Figure(
        name="lengths_first_token",
        title="The first token in short and long texts",
        finding=Finding(FINDING, facts),
        caption=(
            "Every document, cut to its first 16, 32, 64, ... tokens, and whole. Attention on "
            "key 0: mean_i M[l,i,0], mean over heads and all queries i, in the layer l of each "
            "model where it is highest over whole documents. Uniform attention: mean over "
            "queries i of 1 / number of keys that i sees. The mean at a length is over the "
            f"documents of at least this length, of n = {documents_in(first)}; band: its 95 % "
            "bootstrap interval; the numbers of the sentence are of the same documents at both "
            "lengths. Unit: part of 1, linear scale; tokens, logarithmic scale. All layers, and "
            "all sinks together, are in the table sink_lengths."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def in_strongest_layer(table: pl.DataFrame) -> pl.DataFrame:
    """Rows of the layer of each model where the mean of `mass` over whole documents is highest."""
    is_whole = pl.col("n_tokens") == pl.col("n_tokens").max().over("model", "document")
    means = table.filter(is_whole).group_by("model", "layer").agg(pl.col("mass").mean())
    best = means.sort("model", "mass", "layer", descending=[False, True, False])
    layers = best.group_by("model", maintain_order=True).first().select("model", "layer")
    return table.join(layers, on=["model", "layer"]).sort("model", "document", "n_tokens")


def facts_of(first: pl.DataFrame) -> dict[str, Any]:
    """Facts: by model, mass and its ratio to uniform attention at 16 tokens and at the longest
    length that all models have, over the documents of at least this length. Empty if no document
    has 32 tokens."""
    shared = first.filter(pl.col("n_tokens").is_in(DOUBLINGS))
    reached = shared.group_by("model").agg(pl.col("n_tokens").max())
    reached = reached.filter(pl.col("n_tokens") > DOUBLINGS[0])
    if reached.is_empty():
        return {}
    longest = reached.select(pl.col("n_tokens").min()).item()
    by, values = ["model", "layer"], ["mass", "uniform"]
    long = shared.filter(pl.col("n_tokens") == longest)
    short = shared.filter(pl.col("n_tokens") == DOUBLINGS[0])
    both = long.join(short, on=[*by, "document"], suffix="_short")
    means = over_documents(both, by, [*values, *(f"{name}_short" for name in values)])
    rows = means.select(
        *by,
        n_documents="mass_n",
        short="mass_short",
        short_low="mass_short_low",
        short_high="mass_short_high",
        long="mass",
        long_low="mass_low",
        long_high="mass_high",
        times_short=pl.col("mass_short") / pl.col("uniform_short"),
        times_long=pl.col("mass") / pl.col("uniform"),
    )
    falls = in_most_documents(both, pl.col("mass") < pl.col("mass_short"))
    times, times_short = (pl.col(f"mass{end}") / pl.col(f"uniform{end}") for end in ("", "_short"))
    grows = in_most_documents(both, times > times_short)
    by_times = rows.sort("times_long", "model")
    return {
        "shortest": DOUBLINGS[0],
        "longest": longest,
        "fewest": rows["n_documents"].min(),
        "largest": rows["n_documents"].max(),
        "n_models": rows.height,
        "n_fall": falls.height,
        "n_grow": grows.height,
        "most": rows.sort(pl.col("long") / pl.col("short"), "model").head(1).to_dicts(),
        "extremes": (by_times if rows.height == 1 else by_times[[0, -1]]).to_dicts(),
    }


def lines_of(first: pl.DataFrame) -> pl.DataFrame:
    """model, layer, line, document, tokens, value: a line per document, and at the lengths that
    documents share their mean with its interval, and uniform attention. The documents come first,
    so that they are drawn behind."""
    columns = [pl.col("model", "layer", "document"), pl.col("n_tokens").alias("tokens")]
    shown = shown_documents(first["document"], first.select("model", "n_tokens").n_unique())
    single = first.filter(pl.col("document").is_in(shown))
    single = single.select(*columns, line=pl.lit(SINGLE), value="mass")
    shared = first.filter(pl.col("n_tokens").is_in(DOUBLINGS))
    by = ["model", "layer", "n_tokens"]
    means = over_documents(shared, by, ["mass", "uniform"])
    parts = [
        means.select(
            pl.col("model", "layer"),
            tokens="n_tokens",
            document=pl.lit(line),
            line=pl.lit(line),
            value=value,
            value_low=f"{value}_low" if line == MEAN else pl.lit(None),
            value_high=f"{value}_high" if line == MEAN else pl.lit(None),
            n_documents=f"{value}_n",
        )
        for line, value in ((UNIFORM, "uniform"), (MEAN, "mass"))
    ]
    return pl.concat([single, *parts], how="diagonal_relaxed")


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    """One panel per model."""
    low, high = limits(drawn["tokens"])
    ticks = [n for n in DOUBLINGS if n <= high]
    axis = alt.Axis(values=ticks[:: 1 + len(ticks) // 8], format="d", grid=False)
    scale = alt.Scale(type="log", base=2, domain=[low, high], nice=False, padding=6)
    is_single = alt.FieldEqualPredicate(field="line", equal=SINGLE)
    look = line_looks("line", LOOKS) | {
        "opacity": alt.condition(is_single, alt.value(BEHIND), alt.value(1.0)),
        "detail": alt.Detail("document:N"),
    }
    x = alt.X("tokens:Q", title="tokens read", scale=scale, axis=axis)
    y = alt.Y("value:Q", title="attention on the first token").scale(domain=[0, 1])
    line = lines(
        x,
        y,
        look,
        tips("model:N", "layer:Q", "line:N", "document:N", "tokens:Q", *estimated("value"),
             N_DOCUMENTS),
        width=200,
        height=150,
    )  # fmt: skip
    band = alt.Chart().transform_filter("isValid(datum.value_low)")
    band = band.mark_area(opacity=BAND, color=CLASS_COLOURS["first"], strokeWidth=0)
    band = band.encode(x=x, y=alt.Y("value_low:Q"), y2="value_high:Q")
    panel = alt.LayerChart(layer=[band, line], width=200, height=150)
    return panels(panel, "model", 3).resolve_axis(x="independent")
