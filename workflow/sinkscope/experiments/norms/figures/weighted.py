"""Attention on the first token, with and without weighting by the norms of values."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, mean_panels
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.experiments.norms.summary import of_sets, peaks
from sinkscope.findings.finding import Finding

COLUMNS = {
    "mass": "attention to the first token",
    "norm_mass": "weighted by the norms of values",
}
LOOKS: dict[str, Look] = {
    COLUMNS["mass"]: (CLASS_COLOURS["first"], (1, 0)),
    COLUMNS["norm_mass"]: ("#d55e00", (6, 3)),
}
SURVIVES = 0.5
FINDING = (
    "{% macro change(row) %}{{ row.model }} ({{ row.mass|estimate(row.mass_low, row.mass_high) }} "
    "becomes {{ row.norm_mass|estimate(row.norm_mass_low, row.norm_mass_high) }} in layer "
    "{{ row.layer }}){% endmacro %}"
    "In its strongest layer, the first token keeps at least half of its attention in most "
    "documents of {{ n_kept }} of {{ n_models|counted('model') }} when keys are weighted by the "
    "norms of "
    "their values{{ '; least in ' if most else ': ' }}{{ change(least[0]) }}"
    "{{ ', most in ' ~ change(most[0]) if most }}."
)


def figure(tables: Tables) -> Figure | None:
    table = tables["norm_weighted"]
    if table.is_empty():
        return None
    masses = of_sets(table)
    first = masses.filter(pl.col("key_set") == "first_token")
    rows = table.filter(pl.col("key_set") == "first_token")
    drawn = with_documents(first, rows, ["model", "layer"], COLUMNS, tables["documents"])
    n_documents = table["document"].n_unique()
    y = alt.Y("value:Q", title="part of attention").scale(domain=[0, 1])
    return Figure(
        name="norms_weighted",
        title="Does the sink survive weighting by the norms of values?",
        finding=Finding(FINDING, facts(peaks(masses), rows)),
        caption=(
            "Formula: A[l,h,i,0] (solid), and A[l,h,i,0] norm(v_0) / sum over j of A[l,h,i,j] "
            "norm(v_j) (dashed; Kobayashi et al. 2020, here with the value before the output "
            "projection), mean over heads "
            f"h, queries i and n = {documents_in(table)}; {behind(drawn, n_documents)}. The first "
            "terminator, the special tokens and all sinks together are in the table norm_weighted. "
            "Unit: part of 1, linear scale. Layers count from 0."
        ),
        chart=mean_panels(drawn, y, LOOKS),
        data=drawn,
    )


def facts(peak: pl.DataFrame, rows: pl.DataFrame) -> dict[str, Any]:
    """peak: frame returned by peaks, one row per model. rows: the masses of every document."""
    fraction = pl.col("norm_mass") / pl.col("mass")
    columns = [f"{name}{end}" for name in COLUMNS for end in ("", "_low", "_high")]
    ordered = peak.sort(fraction, "model").select("model", "layer", *columns)
    at_peak = rows.join(peak, on=["model", "layer"], how="semi")
    return {
        "n_models": ordered.height,
        "n_kept": in_most_documents(at_peak, fraction.fill_nan(None) >= SURVIVES).height,
        "least": ordered.head(1).to_dicts(),
        "most": ordered[1:].tail(1).to_dicts(),
    }
