"""Sink mass of key sets: phrases, labels and colours that several figures share."""

from collections.abc import Sequence

import polars as pl

from sinkscope import words
from sinkscope.charts.palette import KEY_SET_COLOURS

FORMULA = "mass[l] = mean over queries i of the sum over keys j in the set of M[l,i,j]"
ALL_SINKS = (
    "“All sinks” are the keys that the sink rule detects in a layer; “listed sinks” are the "
    "first token, the special tokens except the mask token, and the end of the first sentence."
)
# Key sets that do not overlap; the first terminator and both sets of sinks are not among them.
SINGLE = ("first_token", "bos", "cls", "sep", "eos", "mask")


def labels_and_colours(key_sets: Sequence[str]) -> dict[str, str]:
    return {words.key_set_label(name): KEY_SET_COLOURS[name] for name in key_sets}


def with_labels(frame: pl.DataFrame) -> pl.DataFrame:
    label = pl.col("key_set").map_elements(words.key_set_label, return_dtype=pl.String)
    return frame.with_columns(label=label)
