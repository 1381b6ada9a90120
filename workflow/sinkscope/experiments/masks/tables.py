"""The tables of the experiment on masks."""

from sinkscope.tables.columns import count, estimated, flag, fraction, number, shared, text
from sinkscope.tables.table import Table

MASK = text(
    "keys that a query may attend to: dense (all that the model allows), or a mask of the "
    "setting masks; every query keeps itself"
)
IS_CONTROL = flag(
    "whether the sinks, or other listed keys, of the mask are replaced by the same number of "
    "random keys per query"
)
NATS = "nats per token"
N_SINKS = number(
    "number of keys that are sinks of a layer in the dense pass, mean over layers", "count"
)
PAIRS = fraction(
    "number of query-key pairs that the mask allows over the number that the model allows, of "
    "all layers"
)
LOSS = number(
    "negative log likelihood, mean over the predicted tokens: for decoders all except the first; "
    "for encoders 15 % of the ordinary tokens (setting mask_seed), all masked at once; null for "
    "a model without an output head",
    NATS,
)
AGREEMENT = fraction(
    "fraction of the predictions whose most likely token is that of the dense pass; null for a "
    "model without an output head"
)
COSINE = number(
    "cosine between the final state of a token and that of the dense pass, mean over tokens",
    "cosine, -1 to 1",
)
OF_DOCUMENT = {
    "mask": MASK,
    "is_control": IS_CONTROL,
    "share_of_pairs": PAIRS,
    "n_sinks": N_SINKS,
}

TABLES: dict[str, Table] = {
    "mask_costs": Table(
        "one row per model, mask and control. The table masks over documents: the cost of "
        "restricted attention for a model.",
        estimated(
            {
                **shared("model"),
                **OF_DOCUMENT,
                "n_documents": count("number of documents"),
                "loss": number(
                    "negative log likelihood per predicted token of all documents together: sum "
                    "over tokens, divided by their number; null for a model without an output head",
                    NATS,
                ),
                "perplexity": number("exp of loss", "perplexity"),
                "loss_change": number(
                    "loss minus loss of the dense pass over the same tokens", NATS
                ),
                "control_loss": number(
                    "loss of the control minus loss of the mask, over the same tokens: above 0 if "
                    "the sinks do more than random keys; null for a control, a mask without one, "
                    "and a model without an output head",
                    NATS,
                ),
                "agreement": AGREEMENT,
                "cosine": COSINE,
                "control_cosine": number(
                    "cosine of the mask minus cosine of its control: above 0 if the sinks do more "
                    "than random keys; null for a control and for a mask without one",
                    "difference of cosines",
                ),
            },
            (
                *("loss", "perplexity", "loss_change", "control_loss"),
                *("agreement", "cosine", "control_cosine"),
            ),
        ),
        sort=("model", "mask", "is_control"),
    ),
    "masks": Table(
        "one row per model, document, mask and control. A text read with restricted attention. "
        "Documents are cut to their first tokens (setting experiment_tokens); those with fewer "
        "tokens than the setting sink_queries, in which no key can be a sink, are left out.",
        {
            **shared("model", "document"),
            **OF_DOCUMENT,
            "n_tokens": count("number of tokens read"),
            "n_predicted": count("number of tokens that are predicted"),
            "loss": LOSS,
            "agreement": AGREEMENT,
            "cosine": COSINE,
        },
        sort=("model", "document", "mask", "is_control"),
    ),
    "mask_layers": Table(
        "one row per model, document, mask, control and layer. Where attention goes under a mask; "
        "means over heads and queries.",
        {
            **shared("model", "document"),
            "mask": MASK,
            "is_control": IS_CONTROL,
            **shared("layer"),
            "dense_sinks": fraction("attention on the keys that are sinks in the dense pass"),
            "found_sinks": fraction(
                "attention on the keys that are sinks under the mask, by the same rule"
            ),
            "n_found": count("number of keys that are sinks under the mask"),
            "n_new": count("number of them that are not sinks of the layer in the dense pass"),
            "first_token": fraction("attention on key 0"),
            "own": fraction("attention of a query to its own token"),
            "local": fraction("attention on keys at most 5 tokens away, its position included"),
            "entropy": number(
                "entropy of a query's attention over the logarithm of the number of keys that "
                "the mask allows it, mean over queries with more than one; null without any",
                "part of the maximum",
            ),
        },
        sort=("model", "document", "mask", "is_control", "layer"),
        csv=False,
    ),
    "mask_sinks": Table(
        "one row per model, document, mask, control, layer and key that is a sink under the mask, "
        "by the rule of the setting sink_rule.",
        {
            **shared("model", "document"),
            "mask": MASK,
            "is_control": IS_CONTROL,
            **shared("layer", "key", "token", "key_class"),
            "is_dense_sink": flag("whether the key is a sink of the layer in the dense pass, too"),
            "n_queries": count("number of queries that see the key under the mask"),
            "received": fraction(
                "attention on the key, mean over heads and the queries that see it"
            ),
            "mass": fraction("attention on the key, mean over heads and all queries"),
        },
        sort=("model", "document", "mask", "is_control", "layer", "key"),
        csv=False,
    ),
}
