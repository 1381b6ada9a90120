"""Where attention goes when keys are forbidden, and whether other tokens become sinks."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.channels import N_DOCUMENTS, estimated, panels, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.marks import Look, mark_looks, mean_marks
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.findings.finding import Finding
from sinkscope.means import over_documents

MARKS: dict[str, Look] = {
    "sinks of the dense pass": ("#0072b2", "circle"),
    "sinks under the mask": ("#d55e00", "diamond"),
    "own token": ("#8a8f98", "triangle-up"),
}
COLUMNS = dict(zip(("dense_sinks", "found_sinks", "own"), MARKS, strict=True))
BY, VALUES = ["model", "mask", "is_control"], [*COLUMNS, "n_new"]
FINDING = (
    "Under {{ mask }}, the mask that leaves the sinks of the dense pass least attention, other "
    "tokens become sinks in most documents of {{ n_new }} of {{ n_models|counted('model') }}"
    "{% for row in models %}{{ ': ' if loop.first else '; ' }}in {{ row.model }} "
    "{{ row.n_new|estimate(row.n_new_low, row.n_new_high, '.1f') }} per layer, with "
    "{{ row.found_sinks|estimate(row.found_sinks_low, row.found_sinks_high) }} of attention "
    "(the sinks of the dense pass had "
    "{{ row.before|estimate(row.before_low, row.before_high) }})"
    "{% endfor %}"
    "{% if key_class %}; of the new sinks {{ part|percent }} are of the class {{ key_class }}"
    "{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["mask_layers"]
    if layers.is_empty() or set(layers["mask"]) == {"dense"}:
        return None
    single = of_documents(layers)
    means = over_documents(single, [*BY, "row"], VALUES)
    drawn = with_documents(means, single, ["model", "row", "is_control"], COLUMNS)
    n_documents = layers["document"].n_unique()
    return Figure(
        name="masks_rearranged",
        title="Where attention goes under masks",
        finding=Finding(FINDING, facts_of(means, single, tables["mask_sinks"])),
        caption=(
            "Attention on the keys that are sinks in the dense pass, on those that are sinks under "
            "the mask by the same rule (except keys that fewer than sink_queries queries see), "
            "and on the query's own token, which every mask keeps. Mean over heads, queries and "
            "layers, and over "
            f"n = {documents_in(layers)}; {behind(drawn, n_documents, mark='rule')}. (control): "
            "the same number of random keys per query in place of the mask's sinks. Unit: part "
            "of 1, linear scale."
        ),
        chart=chart(drawn),
        data=drawn,
    )


def of_documents(layers: pl.DataFrame) -> pl.DataFrame:
    """model, document, mask, is_control, row (its label); the columns of COLUMNS and n_new, mean
    over layers. layers: mask_layers."""
    suffix = pl.when("is_control").then(pl.lit(" (control)")).otherwise(pl.lit(""))
    documents = layers.group_by("document", *BY).agg(pl.col(VALUES).mean())
    named = documents.with_columns(row=pl.col("mask") + suffix)
    return named.sort(*BY, "document")


def facts_of(means: pl.DataFrame, single: pl.DataFrame, sinks: pl.DataFrame) -> dict[str, Any]:
    """For the mask that leaves the sinks of the dense pass least attention: the models with new
    sinks in most documents, most first, and the commonest class of these. single: returned by
    of_documents."""
    masks = means.filter(pl.col("mask") != "dense", ~pl.col("is_control"))
    least = masks.group_by("mask").agg(pl.col("dense_sinks").mean()).sort("dense_sinks", "mask")
    mask = least["mask"][0]
    ends = ("", "_low", "_high")
    dense = {f"before{end}": f"dense_sinks{end}" for end in ends}
    before = means.filter(pl.col("mask") == "dense").select("model", **dense)
    of_mask = masks.filter(pl.col("mask") == mask).join(before, on="model")
    rows = single.filter(pl.col("mask") == mask, ~pl.col("is_control"))
    made = in_most_documents(rows, pl.col("n_new") > 0).select("model")
    models = of_mask.join(made, on="model", how="semi")
    models = models.sort("n_new", "model", descending=[True, False])
    models = models.select("model", "^(n_new|found_sinks|before)(_low|_high)?$")
    new = sinks.filter(pl.col("mask") == mask, ~pl.col("is_control"), ~pl.col("is_dense_sink"))
    classes = new["key_class"].value_counts().sort("count", "key_class", descending=[True, False])
    return {
        "mask": mask,
        "n_models": of_mask.height,
        "n_new": models.height,
        "models": models.head(3).to_dicts(),
        "key_class": None if classes.is_empty() else classes["key_class"][0],
        "part": None if classes.is_empty() else classes["count"][0] / new.height,
    }


def chart(drawn: pl.DataFrame) -> alt.FacetChart:
    """One panel per model, one row per mask."""
    rows = ["dense", *sorted(set(drawn["row"]) - {"dense"})]
    marks = mean_marks(
        alt.X("value:Q", title="attention").scale(domain=[0, 1]),
        rows_axis("row", rows),
        mark_looks("line", MARKS),
        tips(
            *("model:N", ("row:N", "mask"), ("line:N", "attention on")),
            *estimated("value"),
            *(N_DOCUMENTS, "document:N"),
        ),
        field="value",
        width=170,
        height=16 * len(rows),
        size=45,
    )
    return panels(marks, "model", 3)
