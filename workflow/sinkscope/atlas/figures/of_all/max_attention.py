"""The most frequent max keys of every model."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.atlas.figures import max_keys
from sinkscope.atlas.figures.compared import in_order, totals
from sinkscope.charts.channels import panel_title
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_counts import counts_of, with_documents, with_intervals
from sinkscope.charts.of_documents import behind
from sinkscope.findings.finding import Finding

N_TOKENS, N_TOKENS_OF_MANY = 5, 3
FINDING = (
    "{% macro key(row) %}{{ row.token | token(row.key_class) }}{% endmacro %}"
    "{% if classes is not defined %}Of the max keys, "
    "{% for row in top %}{{ loop.index | separator(loop.length) }}{{ key(row) }} takes "
    "{{ row.share | percent_estimate(row.low, row.high) }} in {{ row.model }}{% endfor %}."
    "{% else %}The most frequent max key takes from {{ top[-1].share | percent }} of all max keys "
    "({{ key(top[-1]) }} in {{ top[-1].model }}) to {{ top[0].share | percent }} "
    "({{ key(top[0]) }} in {{ top[0].model }}); its key class is "
    "{{ classes | phrased('{key_class} in {n}') | listed }} of "
    "{{ top | length | counted('model') }}.{% endif %}"
)


def figure(tables: Tables) -> Figure:
    titles, histogram = in_order(tables), tables["max_attention_tokens"]
    n_shown = N_TOKENS if len(titles) <= words.FEW else N_TOKENS_OF_MANY
    parts = [max_keys.top(histogram.filter(pl.col("model") == model), n_shown) for model in titles]
    shares = pl.concat(parts)
    counted = counts_of(tables, shares)
    most = with_intervals(shares, counted)
    drawn = with_documents(most, counted, tables["documents"])
    drawn = drawn.select("model", *max_keys.COLUMNS)
    longest = max_keys.longest_of(drawn)
    panels = [
        max_keys.key_bars(drawn, "share of max keys", 250, model=model, longest=longest).properties(
            title=panel_title(title)
        )
        for model, title in titles.items()
    ]
    chart = alt.concat(*panels, columns=2).resolve_scale(color="shared")
    return Figure(
        name="max_attention_models",
        title="Top max keys of every model",
        finding=most_frequent(most),
        caption=(
            f"The {n_shown} most frequent max keys of each model. Formula: {max_keys.FORMULA}. "
            f"n = {totals(histogram)} max keys (layers {words.TIMES} tokens, no padding). "
            f"{behind(drawn, counted['document'].n_unique(), mark='Rule')}. "
            "Unit: count, and share of the model's n, or of the document's max keys."
        ),
        chart=chart,
        data=drawn,
    )


def most_frequent(most: pl.DataFrame) -> Finding:
    """most: max keys of every model, the most frequent first.

    top: the first of each model, highest share first. classes: number of models per key class of
    their first max key; if there are few models, each is named instead.
    """
    firsts = most.group_by("model", maintain_order=True).first()
    ordered = firsts.sort("share", "model", descending=[True, False])
    top = ordered.select("model", "token", "key_class", "share", "low", "high").to_dicts()
    if len(top) <= words.FEW:
        return Finding(FINDING, {"top": top})
    classes = firsts.group_by("key_class").agg(n=pl.len())
    ordered = classes.sort("n", "key_class", descending=[True, False])
    return Finding(FINDING, {"top": top, "classes": ordered.to_dicts()})
