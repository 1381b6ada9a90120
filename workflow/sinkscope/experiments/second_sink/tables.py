"""The tables of the experiment on the second sink: the first token that ends a sentence."""

from __future__ import annotations

from sinkscope.experiments.second_sink.shown_tables import SHOWN
from sinkscope.experiments.second_sink.units import COSINE, DISTANCE, RATIO, TERMINATOR
from sinkscope.tables.columns import DOCUMENT, LAYER, MODEL, SHARE, estimated
from sinkscope.tables.table import Column, Table

# How like the state of the first terminator is to that of key 0, in one document.
LIKENESS = {
    "cosine": Column(
        "Float64",
        "cosine between the residual states of the first terminator and of key 0 that "
        "enter the layer",
        COSINE,
    ),
    "unit_distance": Column(
        "Float64",
        "distance between the same two states, each divided by its L2 norm",
        DISTANCE,
    ),
    "cosine_others": Column(
        "Float64",
        "for comparison with cosine: median cosine of all other positions' states to that "
        "of key 0; null if the document has no other position",
        COSINE,
    ),
}


def over_documents(column: Column) -> Column:
    """The mean of a column over documents."""
    return Column(column.type, f"{column.meaning}; mean over documents", column.unit)


OF_LAYERS = {
    "model": MODEL,
    "mark": Column(
        "String",
        "mark that stands at the first terminator in every document; own: each document as it is",
    ),
    "layer": LAYER,
    "n_documents": Column("UInt32", "number of documents that second_sink is the mean of", "count"),
    "first_token": Column(
        "Float64",
        "attention on key 0, mean over heads, over the queries after the first terminator "
        "(encoders: all queries except key 0 and that terminator) and over documents; "
        "null if no document has such a query",
        SHARE,
    ),
    "second_sink": Column(
        "Float64",
        "attention on the first terminator, averaged in the same way; null if no document "
        "has such a query",
        SHARE,
    ),
    "ratio": Column(
        "Float64",
        "second_sink divided by first_token, both means over documents; null if they are null",
        RATIO,
    ),
    "next_terminator": Column(
        "Float64",
        "attention on the second terminator, mean over heads, over the queries after it "
        "(encoders: all queries except key 0 and the two terminators) and over documents "
        "that have one; null if none has",
        SHARE,
    ),
    "strongest": Column(
        "Float64",
        "strongest of the table second_sink, the highest attention on a key other than 0, "
        "mean over documents; null if no document has such a key",
        SHARE,
    ),
    "threshold": Column(
        "Float64",
        "attention from which a layer holds a second sink (setting second_sink_mass)",
        SHARE,
    ),
    "is_second_sink": Column(
        "Boolean",
        "whether the layer holds a second sink: second_sink is at least threshold; false "
        "if second_sink is null",
    ),
    **{name: over_documents(column) for name, column in LIKENESS.items()},
    "n_states": Column("UInt32", "number of documents whose states convergence compares", "count"),
    "convergence": Column(
        "Float64",
        "cosine between the states of the first terminator in two documents, mean over "
        "all pairs of documents; null if n_states is 1",
        COSINE,
    ),
    "convergence_distance": Column(
        "Float64",
        "root mean square distance between the same states, each divided by its L2 norm, "
        "over all pairs of documents: sqrt(2 - 2 convergence); null if n_states is 1",
        DISTANCE,
    ),
}
# Those that are means over documents, or the ratio of two; and those with a number of their own.
MEANS = ("first_token", "second_sink", "ratio", "next_terminator", "strongest", *LIKENESS)
COUNTED = ("next_terminator", "strongest", "cosine", "cosine_others")

TABLES: dict[str, Table] = {
    "second_sink_layers": Table(
        "one row per model, mark and layer. The table second_sink as means over documents. It "
        'follows "Are two dummies better than one?" (2023): in Llama-2 the first token that ends '
        "a sentence is a second sink.",
        estimated(OF_LAYERS, MEANS, counted=COUNTED),
        sort=("model", "mark", "layer"),
    ),
    "second_sink": Table(
        "one row per model, document, mark and layer. The first terminator of each document, read "
        "as it is and with each of . ! ? and , in its place; the comma is the control. Documents "
        "are cut to their first tokens (setting experiment_tokens).",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "mark": Column(
                "String",
                "mark that stands at the first terminator: . ! ? or , (those that the vocabulary "
                "has as one token of the same form), or only the mark of the text itself if it is "
                "of another script or one of several in its token, such as ?!",
            ),
            "is_own": Column(
                "Boolean",
                "whether the mark is that of the text itself",
            ),
            "layer": LAYER,
            "key": TERMINATOR,
            "n_queries": Column(
                "UInt32",
                "number of queries that first_token and second_sink average over: those after the "
                "first terminator (encoders: all except key 0 and that terminator)",
                "count",
            ),
            "first_token": Column(
                "Float64",
                "attention on key 0, mean over heads and the n_queries: mean_i M[l,i,0]; null if "
                "n_queries is 0",
                SHARE,
            ),
            "second_sink": Column(
                "Float64",
                "attention on the first terminator, mean over heads and the n_queries: mean_i "
                "M[l,i,key]; null if n_queries is 0",
                SHARE,
            ),
            "ratio": Column(
                "Float64", "second_sink divided by first_token; null if n_queries is 0", RATIO
            ),
            "next_terminator": Column(
                "Float64",
                "attention on the second terminator, mean over heads and the queries after it "
                "(encoders: all except key 0 and the two terminators); null if the document has "
                "no second terminator or no such query",
                SHARE,
            ),
            "first_token_before": Column(
                "Float64",
                "attention on key 0, mean over heads and the queries between key 0 and the first "
                "terminator; null for encoders, and if no token is between them",
                SHARE,
            ),
            "strongest_key": Column(
                "UInt32",
                "position of the key other than 0 with the highest attention, mean over heads and "
                "the queries that see it, among keys that more than half of the queries see; it "
                "may be the first terminator; 0 if no key qualifies",
            ),
            "strongest_token": Column(
                "String",
                "token at strongest_key, as it is shown; ▁ is a space in front of it, ⏎ a line end",
            ),
            "strongest": Column(
                "Float64",
                "attention on strongest_key, mean over heads and the queries that see it; null if "
                "no key qualifies",
                SHARE,
            ),
            **LIKENESS,
        },
        sort=("model", "document", "mark", "layer"),
    ),
    **SHOWN,
}
