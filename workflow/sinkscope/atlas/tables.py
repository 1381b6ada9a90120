"""The tables of the atlas: max keys, sink mass, sink rate, heads, last layer, documents, models."""

from sinkscope.atlas.run_tables import RUN
from sinkscope.atlas.sink_tables import SINKS
from sinkscope.declarations.registry import experiments, statistics
from sinkscope.keys import LOCAL_WIDTHS
from sinkscope.tables.columns import (
    KEY_CLASS,
    count,
    fraction,
    interval_columns,
    layer,
    number,
    ratio,
    shared,
    text,
)
from sinkscope.tables.table import Column, Table


def columns_of(axes: tuple[str, ...]) -> dict[str, Column]:
    """Columns of the statistics with these axes; one per width if they also have the axis width."""
    columns = {}
    for one in statistics():
        if not one.has_table and one.axes in (axes, (*axes, "width")):
            for width in LOCAL_WIDTHS if "width" in one.axes else (0,):
                source = f" ({one.source})" if one.source else ""
                meaning = one.definition.format(width=width)
                columns[one.column_at(width)] = number(meaning + source, one.unit)
    return columns


MEANINGS = {one.name: f"{one.definition} ({one.source})" for one in statistics() if one.has_table}

HISTOGRAM = Table(
    "one row per model, token and key class. A histogram of max keys. The max key of a query in a "
    "layer is the key that receives the most attention, mean over heads: argmax_j M[l,i,j] "
    "(Pramodith 2023).",
    {
        **shared("model", "token"),
        "key_class": text(f"{KEY_CLASS.meaning}; null in sinkscope.observe without a tokenizer"),
        "count": Column(
            "UInt64",
            "number of queries, summed over layers and documents, whose max key is this token; "
            "all counts of a model add up to layers x tokens",
            "count",
        ),
        "share": fraction("count divided by the sum of all counts of the model"),
        "n_ties": Column(
            "UInt64",
            "how many of count are ties: the attention on the second key differs by no more than "
            "float32 rounding (1 part in 2^20); the earliest of equal keys is counted",
            "count",
        ),
        "n_tied": Column(
            "UInt64",
            "how many of count are near ties: the attention on the second key is at most the "
            "fraction tie_tolerance (a setting) smaller. The histogram counts only one of two "
            "nearly equal keys; sink_mass shows both",
            "count",
        ),
    },
    sort=("model", "token", "key_class"),
)

EPSILON = fraction("sink score above which a head counts (setting epsilon)")
SCORED_KEY = text(
    "key whose sink score is compared with epsilon: first_token for key 0, or a key class for the "
    "key of that class with the highest score"
)
WINDOW = Column(
    "UInt32",
    "number of first tokens of each document that are used as queries (setting window); null: all "
    "queries of the document",
    "tokens",
)

TABLES: dict[str, Table] = {
    "max_attention_tokens": HISTOGRAM,
    "max_attention_documents": Table(
        "one row per model, document, token and key class. The counts of max_attention_tokens, "
        "document by document.",
        {
            **shared("model", "document", "token", "key_class"),
            "count": Column(
                "UInt64",
                "number of queries of the document, summed over layers, whose max key is this "
                "token; all counts of a document add up to layers x tokens",
                "count",
            ),
        },
        sort=("model", "document", "token", "key_class"),
        csv=False,
    ),
    "sink_mass": Table(
        "one row per model, document, layer and key set. Sink mass is the attention that a set of "
        "keys receives together (Pramodith 2023).",
        {
            **shared("model", "document", "layer"),
            "key_set": text(
                "set of keys S that the attention is summed over; sets may overlap: first_token "
                "(key 0), first_four (keys 0 to 3; Xiao et al. 2023), each key class, special "
                "(bos, cls, sep, eos and mask), first_terminator (the first token that ends a "
                "sentence), listed_sinks (key 0, the special tokens except the mask, and the first "
                "terminator), and sinks (the keys that are sinks of this layer, see found_sinks)"
            ),
            "n_keys": count("number of keys of the document in the set; 0 if it has none"),
            **columns_of(("layer", "key_set")),
            "uniform_mass": fraction(
                "the mass if every query gave all keys that it sees the same attention"
            ),
            "times_uniform": ratio(
                "mass over uniform_mass; it makes masses of texts of different lengths "
                "comparable; null for a set without keys"
            ),
        },
        sort=("model", "document", "layer", "key_set"),
    ),
    "sink_mass_means": Table(
        "one row per model, layer and key set. The table sink_mass as means over the documents "
        "that have keys of the set.",
        {
            **shared("model", "layer"),
            "key_set": text("set of keys S, as in the table sink_mass"),
            "n_documents": count(
                "number of documents that have keys of the set; for sinks, documents that are "
                "long enough for the sink rule"
            ),
            "mass": fraction(
                "mass of the table sink_mass, mean over n_documents; null if n_documents is 0"
            ),
            **interval_columns("mass"),
            "n_strict": count("number of these documents that have a strict_mass"),
            "strict_mass": fraction(
                "strict_mass of the table sink_mass, mean over n_strict documents; null if "
                "n_strict is 0"
            ),
            **interval_columns("strict_mass"),
            "uniform_mass": fraction(
                "uniform_mass of the table sink_mass, mean over n_documents: the mass if every "
                "query gave all keys that it sees the same attention"
            ),
            **interval_columns("uniform_mass"),
            "times_uniform": ratio(
                "times_uniform of the table sink_mass, mean over those of n_documents that have "
                "keys of the set; comparable where texts differ in length"
            ),
            **interval_columns("times_uniform", "ratio"),
        },
        sort=("model", "layer", "key_set"),
    ),
    "sink_rate": Table(
        "one row per model, layer, key set and window. Sink rate is the fraction of heads that "
        "attend strongly to one key (Gu et al. 2024).",
        {
            **shared("model", "layer"),
            "key_set": SCORED_KEY,
            "epsilon": EPSILON,
            "window": WINDOW,
            "n_documents": count(
                "number of documents that enter the rate: at least window tokens long, with a key "
                "of the set that more than half of the queries see"
            ),
            "rate": fraction(
                "fraction of (document, head) pairs whose sink score is above epsilon; the score "
                "of key j is the mean of A[l,h,i,j] over the queries i that see it, and only keys "
                "that more than half of the queries see are counted; null if n_documents is 0. "
                "Under a causal mask short documents raise the score of key 0, so compare models "
                "with the same window"
            ),
            **interval_columns("rate", prefix=""),
        },
        sort=("model", "layer", "key_set", "window"),
    ),
    "sink_rate_documents": Table(
        "one row per model, document, layer, key set and window. The heads that sink_rate counts, "
        "document by document; only documents that enter the rate.",
        {
            **shared("model", "document", "layer"),
            "key_set": SCORED_KEY,
            "epsilon": EPSILON,
            "window": WINDOW,
            "n_heads": count("number of heads of the layer that have a score"),
            "n_above": count("number of these heads whose sink score is above epsilon"),
        },
        sort=("model", "document", "layer", "key_set", "window"),
        csv=False,
    ),
    "heads": Table(
        "one row per model, document, layer and head. Statistics of single attention heads.",
        {
            **shared("model", "document", "layer", "head"),
            "n_queries": count("number of queries that see key 0"),
            "sink_score": fraction(
                "attention on key 0, mean over the n_queries that see it: mean_i A[l,h,i,0] (Gu "
                "et al. 2024)"
            ),
            "times_uniform": ratio("sink_score over what uniform attention would give key 0"),
            **columns_of(("layer", "head")),
        },
        sort=("model", "document", "layer", "head"),
        csv=False,
    ),
    "virtual_sink": Table(
        "one row per model, document, layer and head with a virtual key: one that belongs to no "
        "token and has no value, but takes its part of every row. Rows over the tokens then sum to "
        "less than 1 (row_sum in the table heads).",
        {
            **shared("model", "document", "layer", "head"),
            "mass": fraction(MEANINGS["virtual_sink"]),
        },
        sort=("model", "document", "layer", "head"),
    ),
    "gates": Table(
        "one row per model, document, layer and head with a gate on its output. A head whose gate "
        "is closed needs no sink to be silent.",
        {
            **shared("model", "document", "layer", "head"),
            "gate": number(MEANINGS["gate"], "factor"),
        },
        sort=("model", "document", "layer", "head"),
    ),
    "last_layer_keys": Table(
        "one row per model, document and key: the attention on each token in the last layer.",
        {
            **shared("model", "document"),
            "layer": layer("index of the last layer of the model, counted from 0"),
            **shared("key", "token", "key_class"),
            "n_queries": count("number of queries that see the key"),
            "received": fraction(
                "attention on the key, mean over heads and over the n_queries that see it: mean_i "
                "M[l,i,j]; null if no query sees it"
            ),
            "share": fraction(
                "fraction of the document's queries whose max key in this layer is this key "
                "(Pramodith 2023)"
            ),
        },
        sort=("model", "document", "layer", "key"),
        csv=False,
    ),
    **(RUN | SINKS),
}


def tables_of_atlas() -> dict[str, Table]:
    """All tables of the atlas, including those of experiments that feed it."""
    feeding = [one.tables for one in experiments().values() if one.feeds_atlas]
    return TABLES | {name: table for tables in feeding for name, table in tables.items()}
