"""The table of the experiment on sinks and the length of the text."""

from __future__ import annotations

from sinkscope.tables.columns import DOCUMENT, LAYER, MODEL, SHARE
from sinkscope.tables.table import Column, Table

TABLES: dict[str, Table] = {
    "sink_lengths": Table(
        "one row per model, document, length, layer and key set. Sink mass of the beginnings of a "
        "document, 16, 32, 64, ... tokens long, and of the whole document, beside that of uniform "
        "attention. A beginning is what the model reads of the document if its end is cut: "
        "encoders keep the special tokens and the mask token after the text.",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "n_tokens": Column(
                "UInt32",
                "number of tokens of the beginning, special tokens included; the largest of a "
                "document is the whole document, or what the model takes of it",
                "count",
            ),
            "layer": LAYER,
            "key_set": Column(
                "String",
                "set of keys S that the attention is summed over: first_token (key 0) or "
                "listed_sinks (key 0, special tokens except the mask, first terminator)",
            ),
            "n_keys": Column("UInt32", "number of keys of the beginning in the set", "count"),
            "mass": Column(
                "Float64",
                "attention on the keys of the set, summed over these keys, mean over heads and "
                "all queries of the beginning: mean_i sum_{j in S} M[l,i,j]",
                SHARE,
            ),
            "uniform": Column(
                "Float64",
                "the same for a model whose queries give all keys that they see the same "
                "attention: mean_i (number of keys of S that i sees) / (number of keys that i "
                "sees); for key 0 and n tokens (1 + 1/2 + ... + 1/n) / n under a causal mask, 1/n "
                "without a mask",
                SHARE,
            ),
            "times_uniform": Column(
                "Float64", "mass divided by uniform; 1: no more than uniform attention", "ratio"
            ),
        },
        sort=("model", "document", "n_tokens", "layer", "key_set"),
    ),
}
