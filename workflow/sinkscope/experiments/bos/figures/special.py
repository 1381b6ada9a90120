"""With and without special tokens: does the first real token take over?"""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import Look, mean_panels
from sinkscope.charts.of_documents import behind, with_documents
from sinkscope.charts.palette import CLASS_COLOURS
from sinkscope.charts.select import documents_in, in_most_documents
from sinkscope.findings.finding import Facts, Finding
from sinkscope.means import over_documents

LINES: dict[str, Look] = {
    "with: special token": (CLASS_COLOURS["bos"], (1, 0)),
    "with: first real token": (CLASS_COLOURS["first"], (2, 2)),
    "without: first real token": (CLASS_COLOURS["first"], (1, 0)),
}
MASSES = ["first_token", "first_word"]
TAKES_OVER = 0.5  # fraction of the special token's attention

FINDING = (
    "{% macro change(row) %}{{ row.model }} ({{ row.word|estimate(row.word_low, row.word_high) }} "
    "instead of {{ row.special|estimate(row.special_low, row.special_high) }} in layer "
    "{{ row.layer }}){% endmacro %}"
    "Without special tokens, the first real token takes over at least half of the special "
    "token's largest attention in most documents of {{ n_over }} of "
    "{{ n_models | counted('model') }}"
    "{{ ': ' if n_models == 1 else '; most in ' }}{{ change(extremes[0]) }}"
    "{{ ', least in ' ~ change(extremes[1]) if n_models > 1 }}."
)


def figure(tables: Tables) -> Figure | None:
    """One panel per model: attention to the special token and to the first real token, by layer."""
    table = tables["bos"]
    with_, without = means(table, "with"), means(table, "without")
    takeovers = takeover(with_, without)
    if takeovers.is_empty():
        return None
    labels = list(LINES)
    lines = {"with": dict(zip(MASSES, labels, strict=False)), "without": {"first_word": labels[2]}}
    parts = [
        with_documents(
            mean,
            table.filter(pl.col("input") == name),
            ["model", "layer"],
            lines[name],
            tables["documents"],
        )
        for name, mean in (("with", with_), ("without", without))
    ]
    drawn = pl.concat(parts).sort("model", "layer", "line", maintain_order=True)
    n_documents = table["document"].n_unique()
    y = alt.Y("value:Q", title="attention of later queries").scale(domain=[0, 1])
    return Figure(
        name="bos_on_off",
        title="With and without special tokens",
        finding=finding(takeovers, table),
        caption=(
            "The same texts, equally long: with the special tokens of the family around them (or "
            f"its BOS in front), and without any.{exceptions(tables)} Formula: mean over queries i "
            "after both (encoders: all others) of M[l,i,k], for the special token k = 0 and for "
            "the first real token. Mean over heads, queries and "
            f"n = {documents_in(table)}; {behind(drawn, n_documents)}. Unit: part of 1, linear "
            "scale. Layers count from 0."
        ),
        chart=mean_panels(drawn, y, LINES),
        data=drawn,
    )


def means(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """model, layer, first_token, first_word of one input: means over documents with their
    intervals."""
    return over_documents(table.filter(pl.col("input") == name), ["model", "layer"], MASSES)


def takeover(with_: pl.DataFrame, without: pl.DataFrame) -> pl.DataFrame:
    """model, layer, special, word (with their intervals), part: attention to the special token in
    the layer where it is highest, and, without special tokens, attention to the first real token in
    that layer. The largest part comes first."""
    best = (
        with_.drop_nulls("first_token")
        .sort("model", "first_token", "layer", descending=[False, True, False])
        .group_by("model", maintain_order=True)
        .first()
        .select("model", "layer", **named("special", "first_token"))
    )
    words_alone = without.select("model", "layer", **named("word", "first_word"))
    return (
        best.join(words_alone, on=["model", "layer"])
        .with_columns(part=pl.col("word") / pl.col("special"))
        .sort("part", "model", descending=[True, False])
    )


def named(name: str, column: str) -> dict[str, str]:
    """A column and its interval under another name."""
    return {f"{name}{end}": f"{column}{end}" for end in ("", "_low", "_high")}


def by_document(table: pl.DataFrame, takeovers: pl.DataFrame) -> pl.DataFrame:
    """model, document, special, word: as in `takeover`, of every document, in the layer of its
    model."""
    by = ["model", "document", "layer"]
    special = table.filter(input="with").select(*by, special="first_token")
    word = table.filter(input="without").select(*by, word="first_word")
    return special.join(word, on=by).join(takeovers, on=["model", "layer"], how="semi")


def finding(takeovers: pl.DataFrame, table: pl.DataFrame) -> Finding:
    """table: the table bos."""
    extremes = takeovers if takeovers.height == 1 else takeovers[[0, -1]]
    takes_over = pl.col("word").fill_nan(None) >= TAKES_OVER * pl.col("special").fill_nan(None)
    n_over = in_most_documents(by_document(table, takeovers), takes_over).height
    facts: Facts = {"n_over": n_over, "n_models": takeovers.height, "extremes": extremes.to_dicts()}
    return Finding(FINDING, facts)


def exceptions(tables: Tables) -> str:
    """Sentences of the caption: models that usually read no special token in front, and models that
    are not shown."""
    table, content = tables["bos"], tables["position_content"]
    unusual = table.filter(~pl.col("is_usual"))["model"].unique().sort().to_list()
    absent = sorted(set(content["model"]) - set(table["model"]))
    text = ""
    if unusual:
        text += (
            f" {words.listed(unusual)} usually {'reads' if len(unusual) == 1 else 'read'} texts "
            "without a special token in front: BOS is added for this comparison."
        )
    if absent:
        text += (
            " Not shown, because the tokenizer puts no token in front or no text has room for it: "
            f"{words.listed(absent)}."
        )
    return text
