"""Attention to key 0 with the text's first word, and with other beginnings."""

import altair as alt
import polars as pl

from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, mean_panels
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.experiments.bos.means import GROUPS, at_peak, known_content, of_roles
from sinkscope.findings.finding import Facts, Finding

LINES: dict[str, Look] = {
    "the text as it is": (CLASS_COLOURS["first"], (1, 0)),
    "another first word": ("#cc79a7", (6, 3)),
    "a sentence in front": ("#d55e00", (2, 2)),
}
INPUTS = dict(zip(("text", "other_first_word", "filler"), LINES, strict=True))
CHANGE = pl.col("change")
ALIKE = 0.1  # relative change below which attention is the same

FINDING = (
    "With another first word, the largest attention to key 0 changes by less than a tenth in most "
    "documents of {{ n_alike }} of {{ n_models | counted('model') }}; it changes most in "
    "{% for row in most_changed %}{{ row.model }}, from "
    "{{ row.text | estimate(row.text_low, row.text_high) }} to "
    "{{ row.other_first_word | estimate(row.other_first_word_low, row.other_first_word_high) }} "
    "(layer {{ row.layer }}){% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    """One panel per model, one line per input."""
    content = known_content(tables)
    means = of_roles(content)
    changes = changes_at_peak(means)
    if changes.is_empty():
        return None
    chosen = pl.col("role") == "first_token", pl.col("input").is_in(list(INPUTS))
    masses = with_documents(
        means.filter(*chosen),
        content.filter(*chosen),
        ["model", "input", "layer"],
        {"mass": "mass"},
        tables["documents"],
    )
    drawn = masses.with_columns(line=pl.col("input").replace_strict(INPUTS)).drop("input")
    drawn = drawn.sort("model", "layer", "line", maintain_order=True)
    n_documents = content["document"].n_unique()
    y = alt.Y("value:Q", title="attention to key 0").scale(domain=[0, 1])
    facts: Facts = {
        "n_alike": in_most_documents(of_documents(content, changes), CHANGE < ALIKE).height,
        "n_models": changes.height,
        "most_changed": changes.head(1).to_dicts(),
    }
    return Figure(
        name="bos_first_word",
        title="Does position 0 get attention whatever its token?",
        finding=Finding(FINDING, facts),
        caption=(
            "The first real token is replaced by other ordinary words (the same in all texts), "
            "or a sentence is put in front of the text. If a special token is in front, it is "
            "key 0. Formula: mean over queries i after the first terminator (encoders: all "
            "others) of M[l,i,0]. Mean over heads, queries and n = "
            f"{documents_in(content, GROUPS)}; {behind(drawn, n_documents)}. Unit: part of 1, "
            "linear scale. Layers count from 0."
        ),
        chart=mean_panels(drawn, y, LINES),
        data=drawn,
    )


def of_documents(content: pl.DataFrame, changes: pl.DataFrame) -> pl.DataFrame:
    """model, document, change: as in changes_at_peak, in the same layers."""
    rows = content.join(changes, on=["model", "layer"], how="semi")
    text, other = (
        pl.col("mass").filter(pl.col("input") == name, pl.col("role") == "first_token").first()
        for name in ("text", "other_first_word")
    )
    return rows.group_by("model", "document").agg(change=(other / text - 1).abs())


def changes_at_peak(means: pl.DataFrame) -> pl.DataFrame:
    """model, layer, text, other_first_word, change: attention to key 0 in the layer where it is
    highest, per model; the largest relative change first. Models without the input other_first_word
    are left out: their vocabulary has no ordinary words."""
    if "other_first_word" not in means["input"]:
        return pl.DataFrame()
    peak = at_peak(means, "first_token").filter(
        pl.col("role") == "first_token", pl.col("input").is_in(["text", "other_first_word"])
    )
    change = (pl.col("other_first_word") / pl.col("text") - 1).abs()
    by, ends = ["model", "layer"], ["mass", "mass_low", "mass_high"]
    wide = peak.pivot("input", index=by, values=ends)
    # Columns of the pivot: mass_text, mass_low_text, mass_high_text, and those of the other input.
    names = {
        f"{end}_{name}": f"{name}{end.removeprefix('mass')}"
        for name in ("text", "other_first_word")
        for end in ends
    }
    return (
        wide.rename(names)
        .drop_nulls(["text", "other_first_word"])
        .with_columns(change=change)
        .sort("change", "model", descending=[True, False])
    )
