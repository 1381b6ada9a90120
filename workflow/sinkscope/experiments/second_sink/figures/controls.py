"""Controls: other marks at the position of the first terminator, and the next terminator."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import rows_axis
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import mean_tips
from sinkscope.charts.forms.marks import mark_looks, mean_marks
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import in_most_documents
from sinkscope.charts.theme import ALL_DOCUMENTS, rounded
from sinkscope.experiments.second_sink.constants import OWN
from sinkscope.experiments.second_sink.derive import spans
from sinkscope.experiments.second_sink.looks import MASS, mean_lines
from sinkscope.findings.finding import Finding

KINDS = {".": "full stop", "!": "exclamation mark", "?": "question mark", ",": "comma"}
NEXT = "next terminator"
POINTS = {
    "full stop": (CLASS_COLOURS["terminator"], "circle"),
    "exclamation mark": ("#cc79a7", "triangle-up"),
    "question mark": ("#009e73", "triangle-down"),
    NEXT: (CLASS_COLOURS["cls"], "square"),
    "comma": (CLASS_COLOURS["punctuation"], "cross"),
}
AGAINST = (
    "{% for row in widest %}"
    "A full stop gets more than a comma at the same position in most documents of "
    "{{ n_above_comma }} of {{ n_comma|counted('model') }}, in {{ row.model }} "
    "{{ row.full_stop|estimate(row.full_stop_low, row.full_stop_high, '.3f') }} against "
    "{{ row.comma|estimate(row.comma_low, row.comma_high, '.3f') }}"
    "{% endfor %}"
    "{% if n_next %}"
    "{{ '; more' if widest else 'More' }} than the next terminator in {{ n_above_next }} of "
    "{{ n_next }}"
    "{% endif %}"
    "{{ '.' if widest or n_next else 'No document has such tokens.' }}"
)


def figure(tables: Tables) -> Figure | None:
    layers = tables["second_sink_layers"].drop_nulls("second_sink")
    if layers.is_empty():
        return None
    strongest = spans(layers).select("model", "layer")
    drawn = in_rows(tables, strongest)
    models = strongest["model"].to_list()
    chart = mean_marks(
        alt.X("value:Q", title="attention of later queries").scale(zero=True, nice=True),
        rows_axis("model", models),
        mark_looks("kind", POINTS),
        mean_tips("value", ("kind:N", "at its position")),
        field="value",
        width=520,
        height=34 * len(models),
    )
    return Figure(
        name="second_sink_controls",
        title="Is a terminator necessary, and the first one?",
        finding=Finding(AGAINST, against(drawn, in_documents(tables["second_sink"], strongest))),
        caption=(
            "The same texts with the first terminator replaced by each mark, as a token; all "
            "other tokens are unchanged. Square: the next terminator of the unchanged text. "
            f"Formula: {MASS}, in the layer of each model where the text's own first terminator "
            "gets most. Mean over heads, queries and documents; n = "
            f"{words.ranged(layers['n_documents'].to_list())} documents; rule: 95 % bootstrap "
            "interval; small points: documents. Unit: part of 1, linear scale, which does not end "
            "at 1."
        ),
        chart=chart,
        data=drawn,
    )


def in_rows(tables: Tables, strongest: pl.DataFrame) -> pl.DataFrame:
    """model, layer, kind, value, its interval, and the documents (of_documents.with_documents).
    strongest: model, layer; one layer per model."""
    lines = {(mark, "second_sink"): kind for mark, kind in KINDS.items()}
    drawn = mean_lines(tables, lines | {(OWN, "next_terminator"): NEXT})
    chosen = strongest.with_columns(pl.col("layer").cast(drawn.schema["layer"]))
    rows = drawn.join(chosen, on=["model", "layer"], maintain_order="left")
    return rounded(rows.rename({"line": "kind"}))


def in_documents(table: pl.DataFrame, strongest: pl.DataFrame) -> pl.DataFrame:
    """model, document, full_stop, comma, next: the masses in the layer of each model. table:
    second_sink. strongest: model, layer; one layer per model."""
    rows = table.join(strongest, on=["model", "layer"], how="semi")
    by = ["model", "document"]
    kinds = {"full_stop": pl.col("mark") == ".", "comma": pl.col("mark") == ","}
    masses = (
        *(pl.col("second_sink").filter(kind).first().alias(name) for name, kind in kinds.items()),
        pl.col("next_terminator").filter("is_own").first().alias("next"),
    )
    return rows.group_by(by).agg(*masses).with_columns(pl.col(pl.Float64).fill_nan(None))


def against(drawn: pl.DataFrame, single: pl.DataFrame) -> dict[str, Any]:
    """Facts: full stops compared with commas, and with the next terminators, where both exist. One
    gets more than another if it does in most documents. single: returned by in_documents."""
    drawn = drawn.filter(pl.col("document") == ALL_DOCUMENTS)
    names = {"full_stop": "full stop", "comma": "comma", "next": NEXT}
    values = {
        f"{name}{end}": pl.col(f"value{end}").filter(pl.col("kind") == kind).first()
        for name, kind in names.items()
        for end in ("", "_low", "_high")
    }
    by_model = drawn.group_by("model", maintain_order=True).agg(**values).drop_nulls("full_stop")
    commas, following = by_model.drop_nulls("comma"), by_model.drop_nulls("next")
    ratio = pl.col("full_stop") / pl.col("comma")
    widest = commas.sort(ratio, "model", descending=[True, False], nulls_last=True).head(1)
    return {
        "n_comma": commas.height,
        "n_above_comma": in_most_documents(single, pl.col("full_stop") > pl.col("comma")).height,
        "widest": widest.select("model", "^full_stop.*$", "^comma.*$").to_dicts(),
        "n_next": following.height,
        "n_above_next": in_most_documents(single, pl.col("full_stop") > pl.col("next")).height,
    }
