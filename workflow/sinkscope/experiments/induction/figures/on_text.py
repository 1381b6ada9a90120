"""The attention of all induction heads on the first tokens of one ordinary text."""

from typing import Any

import numpy as np
import polars as pl

from sinkscope import words
from sinkscope.atlas.maps import image
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.heat_maps import Picture, small_maps
from sinkscope.experiments.induction.heads import HALF, SOURCE, measured
from sinkscope.findings.finding import Finding

COLUMNS = 5
FIRST = 6  # pixels of the first key, which would be one at the border
MOST_HEADS = 60  # images, about 400 kB
HEAD = ["model", "layer", "head"]
RESTING = (
    "On one ordinary text {{ n_resting }} of {{ n_heads | counted('induction head') }} "
    "{{ 'gives' if n_resting == 1 else 'give' }} the first token more than half of "
    "{{ 'its' if n_resting == 1 else 'their' }} attention"
    "{% if n_heads > 1 %}: from {{ least[0].on_text | mass }} ({{ least[0] | head_name }}) to "
    "{{ most[0].on_text | mass }} ({{ most[0] | head_name }}){% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    patterns = tables["induction_patterns"].filter(input="ordinary")
    maps = patterns.with_columns(pl.col("attention").fill_nan(None))
    heads = measured(tables).filter("is_induction")
    every = heads.join(of_heads(maps), on=HEAD).sort(
        "induction_score", *HEAD, descending=[True, *[False] * 3]
    )
    if every.is_empty():
        return None
    drawn = fairly(every).select(*HEAD, "induction_score", "on_text", "n_tokens")
    some = f" {drawn.height} of {heads.height} are drawn." if drawn.height < heads.height else ""
    return Figure(
        name="induction_on_text",
        title="All induction heads on ordinary text",
        finding=Finding(RESTING, facts_of(every)),
        caption=(
            "Attention from every query (rows) to every key (columns) of the first "
            f"{words.ranged(drawn['n_tokens'].to_list())} tokens of one document, one picture per "
            "induction head: layer and head, its induction score on repeated tokens, and the "
            "attention that it gives the first token here, mean over queries i > 0 of A[l,h,i,0]. "
            "The first key is drawn wider; where its column stands out, the head is dormant. "
            f"{SOURCE}. Formula: A[l,h,i,j]. "
            f"n = {words.counted(drawn.height, 'head')}, one text each.{some} Unit: part of 1, "
            "linear scale. Layers and heads count from 0."
        ),
        chart=small_maps(pictures(drawn, maps), COLUMNS),
        data=drawn,
    )


def of_heads(maps: pl.DataFrame) -> pl.DataFrame:
    """model, layer, head, n_tokens, on_text: attention to key 0, mean over the queries after it."""
    to_first = pl.col("attention").filter(pl.col("key") == 0, pl.col("query") > 0)
    rows = maps.group_by(HEAD).agg(n_tokens=pl.col("query").max() + 1, on_text=to_first.mean())
    return rows.drop_nulls("on_text")


def fairly(heads: pl.DataFrame) -> pl.DataFrame:
    """At most MOST_HEADS heads, divided evenly between models, the strongest of each; sorted by
    model, layer and head. heads: the strongest first."""
    rank = pl.int_range(pl.len()).over("model")
    kept = heads.sort(rank, maintain_order=True).head(MOST_HEADS)
    return kept.sort(HEAD)


def facts_of(heads: pl.DataFrame) -> dict[str, Any]:
    ordered = heads.select(*HEAD, "on_text").sort("on_text", *HEAD)
    return {
        "n_heads": heads.height,
        "n_resting": heads.filter(pl.col("on_text") > HALF).height,
        "least": ordered.head(1).to_dicts(),
        "most": ordered.tail(1).to_dicts(),
    }


def pictures(drawn: pl.DataFrame, maps: pl.DataFrame) -> dict[tuple[str, str], Picture]:
    """By name and numbers of the head, the image of its map."""
    of_pattern = {}
    for row in drawn.iter_rows(named=True):
        cells = maps.filter(*(pl.col(name) == row[name] for name in HEAD))
        matrix = np.zeros((row["n_tokens"], row["n_tokens"]), np.float32)
        matrix[cells["query"], cells["key"]] = cells["attention"].fill_null(0)
        name = f"{row['model']} {row['layer']}/{row['head']}"
        numbers = f"score {words.mass(row['induction_score'])}, first {words.mass(row['on_text'])}"
        drawn_matrix = np.hstack([np.repeat(matrix[:, :1], FIRST, axis=1), matrix[:, 1:]])
        head = {key: row[key] for key in HEAD}
        of_pattern[name, numbers] = Picture(
            image(drawn_matrix), row["n_tokens"], widen=FIRST, row=head
        )
    return of_pattern
