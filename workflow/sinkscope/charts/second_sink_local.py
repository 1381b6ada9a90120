"""Does a second sink take attention from a query's neighbours? Local attention by position."""

from __future__ import annotations

import altair as alt
import polars as pl

from sinkscope.charts import words
from sinkscope.charts.figure import Figure
from sinkscope.charts.induction_patterns import of_model
from sinkscope.charts.theme import data_source, rounded
from sinkscope.reduce.second_sink import WIDTH, drops, expected, profile

MOST_MODELS, N_DOCUMENTS = 4, 2
FORMS = {"local": "all keys", "local_no_first": "without the first token"}
COLOURS = ("#0072b2", "#d55e00")


def figures(local: pl.DataFrame, layers: pl.DataFrame, order: list[str]) -> list[Figure]:
    """local: second_sink_local. layers: second_sink_layers. order: models, strongest first."""
    profiles = profile(local, layers)
    naive = expected(profiles)
    if naive.is_empty():
        return []
    models = [name for name in order if name in set(naive["model"])][:MOST_MODELS]
    # Two documents that all of these models can show, the longest ones.
    longest = (
        naive.filter(pl.col("model").is_in(models))
        .group_by("document")
        .agg(n=pl.len(), length=pl.col("n_queries").sum())
        .sort("n", "length", "document", descending=[True, True, False])
    )
    documents = longest["document"].to_list()[:N_DOCUMENTS]
    shown = pl.col("model").is_in(models) & pl.col("document").is_in(documents)
    return [by_position(profiles.filter(shown), naive.filter(shown), naive, models, documents)]


def by_position(
    profiles: pl.DataFrame,
    naive: pl.DataFrame,
    every: pl.DataFrame,
    models: list[str],
    documents: list[str],
) -> Figure:
    drawn = rounded(in_rows(profiles, naive))
    rows = []
    for model in models:
        panels = [panel(model, form, name == models[-1]) for form in FORMS.values()
                  for name in [model]]  # fmt: skip
        title = alt.TitleParams(model, fontSize=11, offset=4)
        rows.append(alt.hconcat(*panels, spacing=14, title=title))
    chart = alt.vconcat(*rows, spacing=10, data=data_source(drawn)).resolve_scale(color="shared")
    return Figure(
        name="second_sink_local",
        title="Attention to the neighbours, before and after the first terminator",
        finding=does_it_drop(every),
        caption=(
            f"Formula: sum over |i - j| ≤ {WIDTH} of M[l,i,j], by query position i; right: "
            "without key 0. Mean over the layers that hold the model's second sink, over all "
            "where none does; the rule stands at the first terminator. Dashed, the naive "
            "expectation: the mean before it (queries whose window does not reach key 0), and "
            "after it this value divided by 1 + r m, with r the ratio of what the first "
            "terminator and key 0 get later and m what key 0 gets before, both measured. "
            f"Decoders, at most {MOST_MODELS}; n = {words.counted(len(documents), 'document')} "
            f"({words.listed(documents)}), their first {most_queries(profiles)} tokens at most. "
            "Unit: part of 1, linear scale."
        ),
        chart=chart,
        data=drawn,
    )


def most_queries(profiles: pl.DataFrame) -> int:
    return int(profiles.select(pl.col("query").max()).item()) + 1


def in_rows(profiles: pl.DataFrame, naive: pl.DataFrame) -> pl.DataFrame:
    """model, document, form, query, key, value, expected."""
    parts = []
    columns = ["factor", *(f"{form}_before" for form in FORMS)]
    both = profiles.join(naive.select("model", "document", *columns), on=["model", "document"])
    for form, name in FORMS.items():
        later = pl.col("query") > pl.col("key")
        parts.append(
            both.select(
                *("model", "document", "query", "key"),
                form=pl.lit(name),
                value=form,
                expected=pl.col(f"{form}_before") / pl.when(later).then("factor").otherwise(1.0),
            )
        )
    return pl.concat(parts).sort("model", "form", "document", "query")


def panel(model: str, form: str, last: bool) -> alt.LayerChart:
    is_left = form == FORMS["local"]
    x = alt.X("query:Q", title=f"query position ({form})" if last else None)
    x = x.axis(format="d", tickMinStep=1, grid=False).scale(nice=False)
    y = alt.Y("value:Q", title="local attention" if is_left else None).scale(domain=[0, 1])
    y = y.axis(labels=is_left, values=[0, 0.5, 1])
    colour = alt.Color("document:N", title=None).scale(range=list(COLOURS))
    own = of_model(model).transform_filter(alt.FieldEqualPredicate(field="form", equal=form))
    base = own.encode(x=x, color=colour)
    line = base.mark_line(strokeWidth=1.2).encode(
        y=y,
        tooltip=[
            alt.Tooltip("document:N"),
            alt.Tooltip("query:Q"),
            alt.Tooltip("value:Q", title="local attention", format=".4f"),
            alt.Tooltip("expected:Q", title="naive expectation", format=".4f"),
        ],
    )
    naive = base.mark_line(strokeDash=[5, 3], strokeWidth=1.6, interpolate="step-after")
    naive = naive.encode(y=alt.Y("expected:Q"))
    rule = base.transform_filter("datum.query == datum.key").mark_rule(opacity=0.6)
    rule = rule.encode(x="key:Q", color=colour)
    return alt.LayerChart(layer=[rule, line, naive], width=340, height=110)


def does_it_drop(naive: pl.DataFrame) -> str:
    """naive: expected(), of all documents; the sentence is of means over documents."""
    ordered = drops(naive)
    row = ordered.row(0, named=True)
    n_less = ordered.filter(pl.col("dropped") < pl.col("factor")).height
    return (
        f"Where most is expected of it, in {row['model']}, the first terminator should divide "
        f"local attention by {row['factor']:.2f}; it is divided by {row['dropped']:.2f} "
        f"({words.mass(row['local_before'])} before, {words.mass(row['local_after'])} after). It "
        f"drops by less than expected in {n_less} of {words.counted(ordered.height, 'decoder')}."
    )
