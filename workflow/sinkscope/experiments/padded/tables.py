"""The table of max keys with padding counted, for comparison with Pramodith 2023."""

from __future__ import annotations

from sinkscope.tables.columns import KEY_CLASS, MODEL, SHARE, TOKEN
from sinkscope.tables.table import Column, Table

TABLES: dict[str, Table] = {
    "max_attention_tokens_padded": Table(
        "one row per encoder, token and key class. The columns of max_attention_tokens, with "
        "every document padded to the longest one and the queries at padding counted too, except "
        "those that see no key; only for comparison with the bars of Pramodith 2023.",
        {
            "model": MODEL,
            "token": TOKEN,
            "key_class": KEY_CLASS,
            "count": Column(
                "UInt64",
                "number of queries, those at padding included, summed over layers and documents, "
                "whose max key (argmax_j M[l,i,j], M the mean over heads) is this token",
                "count",
            ),
            "share": Column(
                "Float64", "count divided by the sum of all counts of the model", SHARE
            ),
            "n_ties": Column(
                "UInt64",
                "how many of count are ties: the attention on the second key differs by no more "
                "than float32 rounding (1 part in 2^20); the earliest of equal keys is counted",
                "count",
            ),
            "n_tied": Column(
                "UInt64",
                "how many of count are near ties: the attention on the second key is at most the "
                "fraction tie_tolerance smaller",
                "count",
            ),
        },
        sort=("model", "token", "key_class"),
    ),
}
