"""Both counts of an encoder's max keys: without and with the queries at padding."""

from collections.abc import Sequence

import polars as pl

from sinkscope import words
from sinkscope.atlas.figures import max_keys
from sinkscope.charts.channels import panels
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_counts import with_documents, with_intervals
from sinkscope.charts.of_documents import behind
from sinkscope.charts.theme import ALL_DOCUMENTS, rounded
from sinkscope.findings.finding import Finding

N_TOKENS = 8
PANELS = {"tokens": "tokens: real queries only", "padded": "padded: PAD queries counted too"}
COUNTED = {"tokens": "max_attention_documents", "padded": "max_attention_documents_padded"}
FINDING = (
    "Counting the queries at padding changes the share of {{ token | token(key_class) }} most: "
    "from "
    "{{ share | percent }} to {{ share_padded | percent }} of max keys; {{ at_padding | integer }} "
    "of the {{ total_padded | integer }} queries counted that way "
    "({{ (at_padding / total_padded) | percent }}) are padding."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure | None:
    """None if padding is not counted, or if there is none: a single text has no padding."""
    tokens, padded = tables["max_attention_tokens"], tables.get("max_attention_tokens_padded")
    total, total_padded = (
        0 if frame is None else int(frame["count"].sum()) for frame in (tokens, padded)
    )
    if padded is None or total_padded <= total:
        return None
    drawn = rounded(side_by_side({"tokens": tokens, "padded": padded}, tables))
    counts = {"total": total, "total_padded": total_padded, "at_padding": total_padded - total}
    labels = list(PANELS.values())
    return Figure(
        name="max_attention_countings",
        title="Two ways to count",
        subject=model,
        finding=Finding(FINDING, {**most_changed(drawn), **counts}),
        caption=(
            "Study 1 padded its batch to the longest document and counted the queries at PAD, "
            "although its text says that PAD is left out. “tokens” counts real queries only and "
            "is the counting of every other figure; “padded” reproduces the published bars "
            "(except queries at padding that see no key). "
            f"Formula: {max_keys.FORMULA}. n = {words.integer(total)} and "
            f"{words.integer(total_padded)} max keys. "
            f"{behind(drawn, tables['documents'].height, mark='Rule')} (share of their own max "
            "keys). Unit: count, and share of n."
        ),
        chart=panels(
            max_keys.key_bars(drawn, "share of counted queries", 240), "counting", 2, labels
        ),
        data=drawn,
    )


def side_by_side(countings: dict[str, pl.DataFrame], tables: Tables) -> pl.DataFrame:
    """The most frequent max keys of either counting, with their share in both, and per document.
    tables: of the model."""
    keys = ["token", "key_class"]
    either = pl.concat([max_keys.top(frame, N_TOKENS).select(keys) for frame in countings.values()])
    shown = max_keys.labelled(either.unique(maintain_order=True)).with_row_index("rank", offset=1)
    model = tables["models"]["model"][0]
    parts = []
    for name, frame in countings.items():
        counted = tables[COUNTED[name]]
        shares = shown.join(
            frame.select(*keys, "count", "share", "n_tied"),
            on=keys, how="left", maintain_order="left",
        ).with_columns(
            pl.col("count", "share", "n_tied").fill_null(0),
            counting=pl.lit(PANELS[name]),
            model=pl.lit(model),
        )  # fmt: skip
        shares = with_intervals(shares, counted)
        parts.append(with_documents(shares, counted, tables["documents"]))
    return pl.concat(parts, how="diagonal_relaxed").select("counting", *max_keys.COLUMNS)


def most_changed(drawn: pl.DataFrame) -> dict[str, str | float]:
    """The token whose share changes most when queries at padding are counted."""
    means = drawn.filter(pl.col("document") == ALL_DOCUMENTS)
    both = means.pivot("counting", index=["label", "token", "key_class"], values="share")
    both = both.rename({PANELS["tokens"]: "share", PANELS["padded"]: "share_padded"})
    change = (pl.col("share_padded") - pl.col("share")).abs()
    ordered = both.sort(change, "label", descending=[True, False]).drop("label")
    return ordered.row(0, named=True)
