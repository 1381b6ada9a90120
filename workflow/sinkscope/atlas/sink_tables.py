"""The tables of found sinks: the keys, the layers of their lives, and their tokens."""

from __future__ import annotations

from sinkscope.tables.columns import DOCUMENT, KEY, KEY_CLASS, LAYER, MODEL, SHARE, TOKEN
from sinkscope.tables.table import Column, Table

CLOSE = "its residual state is close to that of key 0 (|cosine| above sink_cosine)"

SINKS: dict[str, Table] = {
    "found_sinks": Table(
        "one row per model, document, layer and key that is a sink of the layer by one of the two "
        "rules, or of one of its heads. Classes of tokens decide nothing here, they only describe.",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": LAYER,
            "key": KEY,
            "token": TOKEN,
            "key_class": KEY_CLASS,
            "is_sink": Column(
                "Boolean", "whether the key is in the key set sinks, by the rule of sink_rule"
            ),
            "by_attention": Column(
                "Boolean",
                "whether it is a sink by attention (head mean): over the queries that see it, the "
                "attention is on average above sink_floor and above sink_times uniform, and above "
                "uniform for at least the fraction sink_share of them; at least sink_queries see "
                "it",
            ),
            "by_state": Column(
                "Boolean", f"whether it is a sink by state: {CLOSE}; Wong et al. 2025"
            ),
            "n_heads": Column(
                "UInt16", "number of heads of the layer in which it is a sink by attention", "count"
            ),
            "n_queries": Column("UInt32", "number of queries that see the key", "count"),
            "received": Column(
                "Float64",
                "attention on the key, mean over heads and the n_queries that see it (head mean of "
                "the sink score)",
                SHARE,
            ),
            "mass": Column(
                "Float64",
                "the same, mean over all queries: its part of all attention of the layer",
                SHARE,
            ),
            "times_uniform": Column(
                "Float64",
                "received over what uniform attention would give the key: the mean of 1 / (number "
                "of keys that a query sees)",
                "ratio",
            ),
            "share_of_queries": Column(
                "Float64",
                "fraction of the n_queries that give it more than uniform attention; null where "
                "the attention is not above sink_floor and sink_times uniform, or fewer than "
                "sink_queries see the key",
                SHARE,
            ),
            "share_of_max_keys": Column(
                "Float64",
                "fraction of the layer's queries whose max key it is; far below mass where another "
                "key receives a little more in most queries",
                SHARE,
            ),
            "state_cosine": Column(
                "Float64",
                "cosine of the residual state that enters the layer to that of key 0; null where "
                "the model does not show its states",
                "cosine",
            ),
            "state_norm": Column(
                "Float64", "norm of this state over the median of the document's tokens", "ratio"
            ),
            "value_norm": Column(
                "Float64",
                "norm of its value (mean over key-value heads) over the median of the document's "
                "tokens",
                "ratio",
            ),
        },
        sort=("model", "document", "layer", "key"),
        csv=False,
    ),
    "sink_lives": Table(
        "one row per model, document and key that is a sink of at least one layer. Where its life "
        "as a sink begins, ends, and is strongest.",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "key": KEY,
            "token": TOKEN,
            "key_class": KEY_CLASS,
            "first_layer": Column("UInt16", "first layer in which it is a sink, counted from 0"),
            "last_layer": Column("UInt16", "last layer in which it is a sink"),
            "n_layers": Column("UInt16", "number of layers in which it is a sink", "count"),
            "peak_layer": Column("UInt16", "the layer among these in which its mass is largest"),
            "peak_mass": Column("Float64", "its mass there", SHARE),
            "first_close_layer": Column(
                "UInt16", f"first layer in which {CLOSE}; null without any, and for key 0"
            ),
            "last_close_layer": Column("UInt16", "last layer in which it is"),
        },
        sort=("model", "document", "key"),
    ),
    "sink_tokens": Table(
        "one row per model, token and key class that becomes a sink at least once. How many of its "
        "occurrences do.",
        {
            "model": MODEL,
            "token": TOKEN,
            "key_class": KEY_CLASS,
            "n_occurrences": Column("UInt32", "occurrences of the token in all documents", "count"),
            "n_judged": Column(
                "UInt32", "occurrences that at least sink_queries queries see", "count"
            ),
            "n_sinks": Column(
                "UInt32", "occurrences that are a sink of at least one layer", "count"
            ),
            "n_close": Column(
                "UInt32",
                "occurrences whose residual state is close to that of key 0 in at least one layer "
                "(|cosine| above sink_cosine); key 0 is not counted",
                "count",
            ),
            "n_documents": Column(
                "UInt32", "documents with the token long enough to judge it", "count"
            ),
            "n_sink_documents": Column(
                "UInt32", "documents with an occurrence that is a sink", "count"
            ),
            "first_layer": Column("UInt16", "first layer in which one of them is a sink"),
            "last_layer": Column("UInt16", "last layer in which one of them is a sink"),
            "peak_mass": Column("Float64", "largest mass of one of them, in its peak layer", SHARE),
        },
        sort=("model", "token", "key_class"),
    ),
}
