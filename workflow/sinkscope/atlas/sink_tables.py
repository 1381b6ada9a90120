"""The tables of detected sinks: the keys per layer, the layers of each sink, and the tokens."""

from sinkscope.tables.columns import count, flag, fraction, layer, number, ratio, shared
from sinkscope.tables.table import Column, Table

CLOSE = "its residual state is close to that of key 0 (|cosine| above sink_cosine)"

SINKS: dict[str, Table] = {
    "found_sinks": Table(
        "one row per model, document, layer and key that is a sink of the layer by one of the "
        "two rules, or a sink of one of its heads. Token classes are descriptive; the rules do "
        "not use them.",
        {
            **shared("model", "document", "layer", "key", "token", "key_class"),
            "is_sink": flag("whether the key is in the key set sinks, by the rule of sink_rule"),
            "by_attention": flag(
                "whether it is a sink by attention (head mean): over the queries that see it, the "
                "attention is on average above sink_floor and above sink_times uniform, and above "
                "uniform for at least the fraction sink_share of them; at least sink_queries see "
                "it"
            ),
            "by_state": flag(f"whether it is a sink by state: {CLOSE}; Wong et al. 2025"),
            "n_heads": Column(
                "UInt16", "number of heads of the layer in which it is a sink by attention", "count"
            ),
            "n_queries": count("number of queries that see the key"),
            "received": fraction(
                "attention on the key, mean over heads and the n_queries that see it (head mean of "
                "the sink score)"
            ),
            "mass": fraction(
                "the same, mean over all queries: its part of all attention of the layer"
            ),
            "times_uniform": ratio(
                "received over what uniform attention would give the key: the mean of 1 / (number "
                "of keys that a query sees)"
            ),
            "share_of_queries": fraction(
                "fraction of the n_queries that give it more than uniform attention; null where "
                "the attention is not above sink_floor and sink_times uniform, or fewer than "
                "sink_queries see the key"
            ),
            "share_of_max_keys": fraction(
                "fraction of the layer's queries whose max key it is; far below mass where another "
                "key receives a little more in most queries"
            ),
            "state_cosine": number(
                "cosine of the residual state that enters the layer to that of key 0; null where "
                "the model does not show its states",
                "cosine",
            ),
            "state_norm": ratio("norm of this state over the median of the document's tokens"),
            "value_norm": ratio(
                "norm of its value (mean over key-value heads) over the median of the document's "
                "tokens"
            ),
        },
        sort=("model", "document", "layer", "key"),
        csv=False,
    ),
    "sink_lives": Table(
        "one row per model, document and key that is a sink of at least one layer: its first, "
        "last and strongest layer as a sink.",
        {
            **shared("model", "document", "key", "token", "key_class"),
            "first_layer": layer("first layer in which it is a sink, counted from 0"),
            "last_layer": layer("last layer in which it is a sink"),
            "n_layers": Column("UInt16", "number of layers in which it is a sink", "count"),
            "peak_layer": layer("the layer among these in which its mass is largest"),
            "peak_mass": fraction("its mass there"),
            "first_close_layer": layer(
                f"first layer in which {CLOSE}; null without any, and for key 0"
            ),
            "last_close_layer": layer("last layer in which it is"),
        },
        sort=("model", "document", "key"),
    ),
    "sink_tokens": Table(
        "one row per model, token and key class that becomes a sink at least once, with the "
        "number of its occurrences that do.",
        {
            **shared("model", "token", "key_class"),
            "n_occurrences": count("occurrences of the token in all documents"),
            "n_judged": count("occurrences that at least sink_queries queries see"),
            "n_sinks": count("occurrences that are a sink of at least one layer"),
            "n_close": count(
                "occurrences whose residual state is close to that of key 0 in at least one layer "
                "(|cosine| above sink_cosine); key 0 is not counted"
            ),
            "n_documents": count(
                "documents that contain the token and are long enough for the sink rule"
            ),
            "n_sink_documents": count("documents with an occurrence that is a sink"),
            "first_layer": layer("first layer in which one of them is a sink"),
            "last_layer": layer("last layer in which one of them is a sink"),
            "peak_mass": fraction("largest mass of one of them, in its peak layer"),
        },
        sort=("model", "token", "key_class"),
    ),
}
