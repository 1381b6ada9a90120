"""Where the attention on the first terminator goes when another sentence comes first."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import rows_axis
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_tips
from sinkscope.charts.forms.marks import mark_looks, mean_marks
from sinkscope.charts.of_documents import with_documents
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import documents_in
from sinkscope.experiments.bos.means import GROUPS, at_peak, known_content, of_roles
from sinkscope.findings.finding import Finding

# (input, role) of position_content: label, colour and shape of its mark.
PLACES = {
    ("text", "first_terminator"): ("as it is", CLASS_COLOURS["terminator"], "circle"),
    ("other_first_word", "first_terminator"): ("other first word", "#cc79a7", "diamond"),
    ("filler", "filler_end"): ("sentence in front: its end", "#d55e00", "triangle-up"),
    ("filler", "first_terminator"): (
        "sentence in front: the same terminator",
        CLASS_COLOURS["terminator"],
        "square",
    ),
    ("filler", "same_position"): ("sentence in front: the same position", "#8a8f98", "cross"),
    ("filler_comma", "first_terminator"): (
        "ending in a comma: the same terminator",
        "#0072b2",
        "triangle-down",
    ),
}
# Role that receives most attention with a sentence in front: phrase about its models.
FOLLOWS = {
    "filler_end": "to the new first terminator in {{ of(filler_end) }}",
    "first_terminator": "to the same terminator as without it in {{ of(first_terminator) }}",
    "same_position": "to the token at the same position in {{ of(same_position) }}",
}
EACH = (
    "{% macro of(rows) %}{{ rows | phrased('{model} ({k} of {n} documents)') | listed }}"
    "{% endmacro %}"
)
MANY = "{% macro of(rows) %}{{ rows | length | counted('model') }}{% endmacro %}"
UNDECIDED = (
    "in {{ undecided | names | models_or_number }} none of these gets most in more than half of "
    "the documents"
)


def figure(tables: Tables) -> Figure | None:
    """One row per model, one mark per key that may take over the second sink."""
    content = known_content(tables)
    peak = at_peak(of_roles(content), "first_terminator").join(labels(), on=["input", "role"])
    if peak.is_empty():
        return None
    as_it_is = peak.filter(pl.col("input") == "text")
    models = as_it_is.sort("mass", "model", descending=[True, False])["model"].to_list()
    layers = peak.select("model", "layer").unique()
    rows = content.join(layers, on=["model", "layer"]).join(labels(), on=["input", "role"])
    by = ["model", "layer", "place"]
    drawn = with_documents(peak, rows, by, {"mass": "mass"}, tables["documents"])
    drawn = drawn.drop("line")
    chart = mean_marks(
        alt.X("value:Q", title="attention of later queries").scale(zero=True, nice=True),
        rows_axis("model", models),
        mark_looks("place", {label: (colour, shape) for label, colour, shape in PLACES.values()},
                   columns=2),
        mean_tips("value", "place:N"),
        field="value",
        width=520,
        height=34 * len(models),
    )  # fmt: skip
    return Figure(
        name="bos_places",
        title="With a sentence in front, where does the first terminator's attention go?",
        finding=finding(rows),
        caption=(
            "A short sentence is put in front of every text. Its end is then the first "
            "terminator; the text's first terminator comes later, and another token is at its "
            "former position. As a control, the sentence ends in a comma. Formula: mean of "
            "M[l,i,k] over the queries i after all of these keys that its input has (encoders: "
            "all queries of the input except those keys and key 0), in the layer of each model "
            "where the first terminator of the unchanged text gets most. Mean over heads, "
            "queries and "
            f"n = {documents_in(content, GROUPS)}; rule: 95 % bootstrap interval; small points: "
            "documents. Unit: part of 1, linear scale, which does not end at 1."
        ),
        chart=chart,
        data=drawn,
    )


def labels() -> pl.DataFrame:
    """input, role, place: the label of each mark."""
    rows = [(*place, look[0]) for place, look in PLACES.items()]
    return pl.DataFrame(rows, schema=["input", "role", "place"], orient="row")


def finding(rows: pl.DataFrame) -> Finding:
    """The key that receives most attention with a sentence in front, per model, in more than half
    of its documents. rows: of each document, in the layer of its model."""
    moved = rows.filter(pl.col("input") == "filler")
    if moved.is_empty():
        return Finding("No text has room for a sentence in front.")
    ordered = moved.sort(
        "model", "document", "mass", "role", descending=[False, False, True, False]
    )
    best = ordered.group_by("model", "document", maintain_order=True).first()
    n = pl.len().over("model")
    counts = best.with_columns(n=n).group_by("model", "n", "role").agg(k=pl.len())
    most = counts.sort("model", "k", "role", descending=[False, True, False])
    most = most.group_by("model", maintain_order=True).first().select("model", "role", "k", "n")
    is_most = pl.col("k") * 2 > pl.col("n")
    facts: dict[str, Any] = {
        role: most.filter(is_most, pl.col("role") == role).drop("role").to_dicts()
        for role in FOLLOWS
    }
    facts["undecided"] = most.filter(~is_most).select("model").to_dicts()
    phrases = [phrase for role, phrase in FOLLOWS.items() if facts[role]]
    decided = f"with a sentence in front most goes {words.listed(phrases)}" if phrases else ""
    parts = [part for part in (decided, UNDECIDED if facts["undecided"] else "") if part]
    text = "; ".join(parts)
    macro = EACH if most.height <= words.FEW else MANY
    return Finding(f"{macro}{text[:1].upper()}{text[1:]}.", facts)
