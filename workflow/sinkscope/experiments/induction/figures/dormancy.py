"""Attention of induction heads to the first token of ordinary text, compared with other heads."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import OF_ONE, estimated, number_text, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import IS_MEAN
from sinkscope.charts.forms.marks import mark_looks, mean_marks
from sinkscope.charts.of_documents import with_points
from sinkscope.charts.select import in_most_documents
from sinkscope.experiments.induction.derive import ON_TEXT
from sinkscope.experiments.induction.heads import (
    HALF,
    INDUCTION,
    LOOKS,
    OTHERS,
    PEERS,
    SOURCE,
    groups,
    groups_of_documents,
    on_ordinary_text,
    resting,
)
from sinkscope.findings.finding import Facts, Finding
from sinkscope.means import over_documents

# Titles of the panels' axes.
TITLES = {
    "first_token": "attention to the first token",
    "over_half": "queries that give it more than half",
}

NO_HEAD = (
    "No head of {{ without | names | models_or_number }} scores {{ '%g' | format(threshold) }}, "
    "so none is an induction head."
)
RESTING = (
    "In most documents {{ n_resting | integer }} of {{ n_heads | counted('induction head') }} "
    "{{ 'gives' if n_resting == 1 else 'give' }} the first token more than half of "
    "{{ 'its' if n_resting == 1 else 'their' }} attention, as a mean over queries"
)
EACH_MODEL = (
    "; on average they give it {% for row in models %}{{ loop.index | separator(loop.length) }}"
    "{{ row.first_token_induction | estimate(row.first_token_induction_low, "
    "row.first_token_induction_high) }} in {{ row.model }}"
    "{% if row.first_token_others is not none %} (other heads "
    "{{ row.first_token_others | estimate(row.first_token_others_low, "
    "row.first_token_others_high) }}){% endif %}{% endfor %}"
)
MOST_AND_LEAST = (
    "{% macro each(row) %}{{ row.model }} ("
    "{{ row.first_token_induction | estimate(row.first_token_induction_low, "
    "row.first_token_induction_high) }} against "
    "{{ row.first_token_others | estimate(row.first_token_others_low, "
    "row.first_token_others_high) }}; {{ row.k }} of {{ row.n | counted('document') }})"
    "{% endmacro %}"
    "; in most documents this is more than that of the other heads in {{ n_more }} of "
    "{{ n_models | counted('model') }}"
    "{% if n_more %}, by most in {{ each(models[0]) }}{% endif %}"
    "{% if n_models > 1 %}"
    ", {{ 'by least' if n_more == n_models else 'not' }} in {{ each(models[-1]) }}{% endif %}"
)
EACH_LAYER = (
    "; the other heads of the same layers give it "
    "{% for row in beside_peers %}{{ loop.index | separator(loop.length) }}"
    "{{ row.first_token_peers | estimate(row.first_token_peers_low, row.first_token_peers_high) }} "
    "in {{ row.model }}{% endfor %}"
)
LAYERS = (
    "; more than the other heads of the same layers in {{ n_more_than_peers }} of "
    "{{ n_beside_peers | counted('model') }}"
)
WITHOUT = "; no induction heads in {{ without | names | models_or_number }}"


def figure(tables: Tables) -> Figure | None:
    """One row per model: its induction heads, their peers and all other heads."""
    heads = on_ordinary_text(tables)
    if heads.is_empty():
        return None
    means = groups(heads)
    n_heads = pl.col("n_induction") + pl.col("n_others")
    label = pl.format("{} ({} of {})", "model", "n_induction", n_heads)
    single = groups_of_documents(heads, tables["heads"])
    values = [name for name in single.columns if name not in ("model", "document")]
    ends = over_documents(single, ["model"], values).drop(values)
    means = means.with_columns(label=label).join(
        ends, on="model", how="left", maintain_order="left"
    )
    points = single.join(means.select("model", "label"), on="model")
    n_means = means.height * single.width
    drawn = with_points(means, points, tables["documents"], n_means)
    labels = means["label"].to_list()
    panels = [panel(column, labels, is_left=column == ON_TEXT[0]) for column in ON_TEXT]
    chart = alt.concat(*panels, columns=2, spacing=16)
    return Figure(
        name="induction_dormancy",
        title="Induction heads on ordinary text",
        finding=finding(means, single, resting(heads, tables["heads"]), heads["threshold"][0]),
        caption=(
            "Induction heads against all other heads of the same model, on the corpus's ordinary "
            "text; next to the name, the number of induction heads and of all heads; right, the "
            "values of induction heads and others. Triangles: for each induction head the mean "
            "over the heads of its layer that are not induction heads, a control, since later "
            "layers attend more to the first token. Formula: mean over heads of the mean over "
            "queries of "
            f"A[l,h,i,0] (left) and of the fraction of queries i > 0 with A[l,h,i,0] > {HALF} "
            f"(right), mean over documents; rule: 95 % bootstrap interval over documents; small "
            f"points: documents. {SOURCE}. "
            f"n = {words.ranged(means.select(n_heads).to_series().to_list())} heads per "
            "model. Unit: part of 1; percent of queries."
        ),
        chart=chart.resolve_scale(color="shared", shape="shared"),
        data=drawn,
    )


def finding(
    means: pl.DataFrame, single: pl.DataFrame, at_rest: pl.DataFrame, threshold: float
) -> Finding:
    """means: frame returned by groups, with intervals. single: of documents, returned by
    groups_of_documents. at_rest: returned by resting. One group of heads gives more than another if
    it does in more than half of the documents."""
    induction, others, peers = (
        pl.col(f"first_token_{group}") for group in ("induction", "others", "peers")
    )
    ends = [
        f"first_token_{group}_{end}"
        for group in ("induction", "others", "peers")
        for end in ("low", "high")
    ]
    with_heads = means.filter(pl.col("n_induction") > 0)
    without = means.filter(pl.col("n_induction") == 0).select("model").to_dicts()
    if with_heads.is_empty():
        return Finding(NO_HEAD, {"threshold": threshold, "without": without})
    compared = with_heads.drop_nulls("first_token_others")
    counts = single.group_by("model").agg(
        k=(induction > others).sum(), n=(induction > others).count()
    )
    more = in_most_documents(single, induction > others)["model"]
    more_than_peers = in_most_documents(single, induction > peers)["model"]
    is_more = pl.col("model").is_in(more.implode())
    is_more_than_peers = pl.col("model").is_in(more_than_peers.implode())
    compared = compared.sort(is_more, induction - others, "model", descending=[True, True, False])
    beside_peers = with_heads.drop_nulls("first_token_peers")
    are_few = with_heads.height <= words.FEW
    models = (with_heads if are_few else compared).join(
        counts, on="model", how="left", maintain_order="left"
    )
    facts: Facts = {
        "n_heads": int(with_heads["n_induction"].sum()),
        "n_resting": at_rest.height,
        "n_models": compared.height,
        "n_more": compared.filter(is_more).height,
        "models": models.select("model", induction, others, *ends[:4], "k", "n").to_dicts(),
        "n_beside_peers": beside_peers.height,
        "n_more_than_peers": beside_peers.filter(is_more_than_peers).height,
        "beside_peers": beside_peers.select("model", peers, *ends[4:]).to_dicts(),
        "without": without,
    }
    template = RESTING
    if are_few:
        template += EACH_MODEL
    elif facts["n_models"]:
        template += MOST_AND_LEAST
    if facts["n_beside_peers"]:
        template += EACH_LAYER if beside_peers.height <= words.FEW else LAYERS
    return Finding(f"{template}{WITHOUT if without else ''}.", facts)


def panel(column: str, labels: list[str], *, is_left: bool) -> alt.LayerChart:
    """Marks of the three groups; a line joins induction heads and others."""
    one, other, peers = (f"{column}_{group}" for group in ("induction", "others", "peers"))
    form = ".2f" if column == "first_token" else ".0%"
    x = alt.X(f"{one}:Q", title=TITLES[column]).scale(domain=[0, 1])
    x = x.axis(values=[0, 0.25, 0.5, 0.75, 1], grid=True, format=".2~f" if is_left else "%")
    y = rows_axis("label", labels, labels=is_left)
    tooltip = tips(
        "model:N",
        ("n_induction:Q", "induction heads"),
        *estimated(one, "their mean", form),
        ("n_others:Q", "other heads"),
        *estimated(other, "their mean", form),
        (f"{peers}:Q", "mean of the same layers", form),
        (f"{one}_n:Q", "documents"),
        *OF_ONE,
    )
    base = alt.Chart().transform_filter(IS_MEAN).encode(y=y, tooltip=tooltip)
    line = base.transform_filter(f"isValid(datum.{one}) && isValid(datum.{other})")
    line = line.mark_rule(strokeWidth=2, opacity=0.35).encode(x=x, x2=f"{other}:Q")
    width, height = 210, 30 * len(labels)
    spots = [
        mean_marks(at, y, mark_looks("kind", LOOKS), tooltip, field=field, width=width,
                   height=height, size=110)
        .transform_filter(f"isValid(datum.{field})")
        .transform_calculate(kind=f"'{kind}'")
        for field, kind, at in ((other, OTHERS, alt.X(f"{other}:Q")),
                                (peers, PEERS, alt.X(f"{peers}:Q")), (one, INDUCTION, x))
    ]  # fmt: skip
    numbers = f"{number(one, form)} + ', others ' + {number(other, form)}"
    text = number_text(base, numbers, at_right=True)
    return alt.LayerChart(layer=[line, *spots, text], width=width, height=height)


def number(field: str, form: str) -> str:
    """A Vega expression: the field as text, or 'none'."""
    return f"(isValid(datum.{field}) ? format(datum.{field}, '{form}') : 'none')"
