"""Local attention by position: does the first terminator reduce it?"""

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import above, only, panel_title, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.select import in_most_documents
from sinkscope.experiments.second_sink import derive
from sinkscope.findings.finding import Finding

MOST_MODELS, N_DOCUMENTS = 4, 2
WIDE = 222  # pixels of a panel
FORMS = {"local": "all keys", "local_no_first": "without the first token"}
ONE_LAYER = "all keys, one layer"
COLOURS = ("#0072b2", "#d55e00")
DROPPED = pl.col("local_before") / pl.col("local_after")
DROPS = (
    "{% set row = most_expected[0] %}"
    "The largest expected drop is in {{ row.model }}: the first terminator should divide local "
    "attention by {{ row.factor|estimate(row.factor_low, row.factor_high) }}, and divides it by "
    "{{ row.dropped|estimate(row.dropped_low, row.dropped_high) }} "
    "({{ row.local_before|mass }} before, {{ row.local_after|mass }} after"
    "{{ row.n_documents|mean_over }}). It drops by less than "
    "expected in most documents of {{ n_less }} of {{ n_decoders|counted('decoder') }}."
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["second_sink_layers"]
    local = tables["second_sink_local"]
    profiles, at_layer = derive.profile(local, layers), derive.profile_of_layer(local)
    naive = derive.expected(profiles)
    if naive.is_empty():
        return None
    measured = set(naive["model"])
    models = [name for name in derive.spans(layers)["model"] if name in measured][:MOST_MODELS]
    documents = longest_documents(naive.filter(pl.col("model").is_in(models)))
    shown = pl.col("model").is_in(models) & pl.col("document").is_in(documents)
    profiles, at_layer = profiles.filter(shown), at_layer.filter(shown)
    parts = [
        in_rows(profiles, naive, FORMS),
        in_rows(at_layer, derive.expected(at_layer), {"local": ONE_LAYER}),
    ]
    drawn = pl.concat(parts)
    depth = dict(at_layer.select("model", "layer").unique().rows())
    n_tokens = profiles.select(pl.col("query").max()).item() + 1
    dropped = derive.drops(naive)
    facts: dict[str, Any] = {
        "most_expected": dropped.head(1).to_dicts(),
        "n_less": in_most_documents(naive, pl.col("factor") > DROPPED).height,
        "n_decoders": dropped.height,
    }
    return Figure(
        name="second_sink_local",
        title="Attention to the neighbours, before and after the first terminator",
        finding=Finding(DROPS, facts),
        caption=(
            f"Formula: sum over |i - j| ≤ {derive.WIDTH} of M[l,i,j], by query position i; middle: "
            "without key 0. Mean over the layers that hold the model's second sink, over all "
            "layers if none does; right: the layer at the relative depth of layer 5 of "
            "Llama-2-7B, shown by Wray 2023. The rule marks the first terminator. Dashed, the "
            "naive expectation: the mean before it (queries whose window does not reach key 0), "
            "and after it this value divided by 1 + r m, with r the later attention on the first "
            "terminator over that on key 0, and m the earlier attention on key 0, both measured. "
            f"Decoders, at most {MOST_MODELS}; n = {words.counted(len(documents), 'document')} "
            f"({words.listed(documents)}), their first {n_tokens} tokens at most. "
            "Unit: part of 1, linear scale."
        ),
        chart=rows_of(drawn, {model: depth[model] for model in models}),
        data=drawn,
    )


def longest_documents(naive: pl.DataFrame) -> list[str]:
    """The longest of the documents that most of these models can show."""
    return (
        naive.group_by("document")
        .agg(n=pl.len(), length=pl.col("n_queries").sum())
        .sort("n", "length", "document", descending=[True, True, False])
        .head(N_DOCUMENTS)["document"]
        .to_list()
    )


def in_rows(profiles: pl.DataFrame, naive: pl.DataFrame, forms: Mapping[str, str]) -> pl.DataFrame:
    """model, document, query, key, form, value, expected: one row per form. forms: column to the
    name of the form."""
    both = profiles.join(
        naive.select("model", "document", "factor", pl.col("^local.*_before$")),
        on=["model", "document"],
    )
    factor = pl.when(pl.col("query") > pl.col("key")).then("factor").otherwise(1.0)
    parts = [
        both.select(
            *("model", "document", "query", "key"),
            form=pl.lit(name),
            value=form,
            expected=pl.col(f"{form}_before") / factor,
        )
        for form, name in forms.items()
    ]
    return pl.concat(parts).sort("model", "form", "document", "query")


def rows_of(drawn: pl.DataFrame, layers: Mapping[str, int]) -> alt.VConcatChart:
    """One row of panels per model. layers: the models, with the one layer of each."""
    forms, last = (*FORMS.values(), ONE_LAYER), list(layers)[-1]
    rows = []
    for model, layer in layers.items():
        panels = [panel(model, form, model == last) for form in forms]
        panels[-1] += above(f"layer {layer}")
        rows.append(alt.hconcat(*panels, spacing=14, title=panel_title(model)))
    return alt.vconcat(*rows, spacing=10).resolve_scale(color="shared")


def panel(model: str, form: str, last: bool) -> alt.LayerChart:
    is_left = form == FORMS["local"]
    x = alt.X("query:Q", title=f"query position ({form})" if last else None)
    x = x.axis(format="d", tickMinStep=1, grid=False).scale(nice=False)
    y = alt.Y("value:Q", title="local attention" if is_left else None).scale(domain=[0, 1])
    y = y.axis(labels=is_left, values=[0, 0.5, 1])
    colour = alt.Color("document:N", title=None).scale(range=list(COLOURS))
    base = only(model=model, form=form).encode(x=x, color=colour)
    tooltip = tips(
        *("document:N", "query:Q"),
        ("value:Q", "local attention", ".4f"),
        ("expected:Q", "naive expectation", ".4f"),
    )
    line = base.mark_line(strokeWidth=1.2).encode(y=y, tooltip=tooltip)
    naive = base.mark_line(strokeDash=[5, 3], strokeWidth=1.6, interpolate="step-after")
    naive = naive.encode(y="expected:Q")
    rule = base.transform_filter("datum.query == datum.key").mark_rule(opacity=0.6)
    rule = rule.encode(x="key:Q")
    return alt.LayerChart(layer=[rule, line, naive], width=WIDE, height=110)
