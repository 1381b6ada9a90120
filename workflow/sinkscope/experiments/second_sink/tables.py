"""The tables of the experiment on the second sink: the first token that ends a sentence."""

from sinkscope.tables.columns import (
    count,
    estimated,
    flag,
    fraction,
    layer,
    number,
    position,
    ratio,
    shared,
    text,
)
from sinkscope.tables.table import Column, Table

COSINE = "cosine, -1 to 1"
DISTANCE = "L2 distance, 0 to 2"

TERMINATOR = position(
    "position of the first terminator, the first token that ends a sentence, counted from 0"
)
# How like the state of the first terminator is to that of key 0, in one document.
LIKENESS = {
    "cosine": number(
        "cosine between the residual states of the first terminator and of key 0 that "
        "enter the layer",
        COSINE,
    ),
    "unit_distance": number(
        "distance between the same two states, each divided by its L2 norm", DISTANCE
    ),
    "cosine_others": number(
        "for comparison with cosine: median cosine of all other positions' states to that "
        "of key 0; null if the document has no other position",
        COSINE,
    ),
}


def over_documents(column: Column) -> Column:
    """The mean of a column over documents."""
    return Column(column.type, f"{column.meaning}; mean over documents", column.unit)


OF_LAYERS = {
    **shared("model"),
    "mark": text(
        "mark that stands at the first terminator in every document; own: each document as it is"
    ),
    **shared("layer"),
    "n_documents": count("number of documents that second_sink is the mean of"),
    "first_token": fraction(
        "attention on key 0, mean over heads, over the queries after the first terminator "
        "(encoders: all queries except key 0 and that terminator) and over documents; "
        "null if no document has such a query"
    ),
    "second_sink": fraction(
        "attention on the first terminator, averaged in the same way; null if no document "
        "has such a query"
    ),
    "ratio": ratio(
        "second_sink divided by first_token, both means over documents; null if they are null"
    ),
    "next_terminator": fraction(
        "attention on the second terminator, mean over heads, over the queries after it "
        "(encoders: all queries except key 0 and the two terminators) and over documents "
        "that have one; null if none has"
    ),
    "strongest": fraction(
        "strongest of the table second_sink, the highest attention on a key other than 0, "
        "mean over documents; null if no document has such a key"
    ),
    "threshold": fraction(
        "least attention for a second sink of the layer (setting second_sink_mass)"
    ),
    "is_second_sink": flag(
        "whether the layer holds a second sink: second_sink is at least threshold; false "
        "if second_sink is null"
    ),
    **{name: over_documents(column) for name, column in LIKENESS.items()},
    "n_states": count("number of documents whose states convergence compares"),
    "convergence": number(
        "cosine between the states of the first terminator in two documents, mean over "
        "all pairs of documents; null if n_states is 1",
        COSINE,
    ),
    "convergence_low": number(
        "low end of the 95 % bootstrap interval over documents of convergence, over the pairs of "
        "different documents of each resample; only of the texts as they are (mark own), and null "
        "if they are fewer than three or more than documents_in_report",
        COSINE,
    ),
    "convergence_high": number("high end of the same interval of convergence", COSINE),
    "convergence_distance": number(
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
        "follows Wray 2023: in Llama-2 the first token that ends a sentence is a second sink.",
        estimated(OF_LAYERS, MEANS, counted=COUNTED),
        sort=("model", "mark", "layer"),
    ),
    "second_sink": Table(
        "one row per model, document, mark and layer. The first terminator of each document, "
        "unchanged and replaced by each of . ! ? and ,; the comma is the control. Documents are "
        "cut to their first tokens (setting experiment_tokens).",
        {
            **shared("model", "document"),
            "mark": text(
                "mark that stands at the first terminator: . ! ? or , (those that the vocabulary "
                "has as one token of the same form), or only the mark of the text itself if it is "
                "of another script or one of several in its token, such as ?!"
            ),
            "is_own": flag("whether the mark is that of the text itself"),
            **shared("layer"),
            "key": TERMINATOR,
            "n_queries": count(
                "number of queries that first_token and second_sink average over: those after the "
                "first terminator (encoders: all except key 0 and that terminator)"
            ),
            "first_token": fraction(
                "attention on key 0, mean over heads and the n_queries: mean_i M[l,i,0]; null if "
                "n_queries is 0"
            ),
            "second_sink": fraction(
                "attention on the first terminator, mean over heads and the n_queries: mean_i "
                "M[l,i,key]; null if n_queries is 0"
            ),
            "ratio": ratio("second_sink divided by first_token; null if n_queries is 0"),
            "next_terminator": fraction(
                "attention on the second terminator, mean over heads and the queries after it "
                "(encoders: all except key 0 and the two terminators); null if the document has "
                "no second terminator or no such query"
            ),
            "first_token_before": fraction(
                "attention on key 0, mean over heads and the queries between key 0 and the first "
                "terminator; null for encoders, and if no token is between them"
            ),
            "strongest_key": position(
                "position of the key other than 0 with the highest attention, mean over heads and "
                "the queries that see it, among keys that more than half of the queries see; it "
                "may be the first terminator; 0 if no key qualifies"
            ),
            "strongest_token": text(
                "token at strongest_key, as it is shown; ▁ is a space in front of it, ⏎ a line end"
            ),
            "strongest": fraction(
                "attention on strongest_key, mean over heads and the queries that see it; null if "
                "no key qualifies"
            ),
            **LIKENESS,
        },
        sort=("model", "document", "mark", "layer"),
    ),
    # Of the documents that the report shows individually.
    "second_sink_local": Table(
        "one row per decoder, document, layer and query. Whether attention on the second sink "
        "reduces that on the query's neighbours; only the first documents of the table of "
        "documents (setting documents_in_report), each as it is.",
        {
            **shared("model", "document", "layer", "query"),
            "key": TERMINATOR,
            "first_token": fraction("attention of the query on key 0, mean over heads: M[l,i,0]"),
            "second_sink": fraction(
                "attention of the query on the first terminator, mean over heads: M[l,i,key]; 0 "
                "for queries before it"
            ),
            "local": fraction(
                "attention of the query on keys at most 5 tokens away, its position included, "
                "mean over heads: sum_{|i-j| <= 5} M[l,i,j]"
            ),
            "local_no_first": fraction("local without key 0; not rescaled"),
        },
        sort=("model", "document", "layer", "query"),
        csv=False,
    ),
    "second_sink_states": Table(
        "one row per model, layer and ordered pair of documents, each document with itself "
        "included. Similarity of the first terminators of two documents; only the first "
        "documents of the table of documents (setting documents_in_report), each as it is.",
        {
            **shared("model"),
            "layer": layer("layer that the residual states enter, counted from 0"),
            **shared("document"),
            "other": text("name of the document that it is compared with"),
            "cosine": number(
                "cosine between the residual states of the first terminators of the two documents",
                COSINE,
            ),
        },
        sort=("model", "layer", "document", "other"),
    ),
    "second_sink_maps": Table(
        "one row per model, layer, query and key. Attention of two layers among the first 48 "
        "tokens of one document per model, which has at least 48 tokens and its first terminator "
        "among the first 24.",
        {
            **shared("model", "document"),
            "layer": layer(
                "layer, counted from 0: the one at the depth of layer 5, or of layer 20, of the 32 "
                "of Llama-2-7B"
            ),
            "second_sink": TERMINATOR,
            **shared("query", "key"),
            "token": text(
                "token at key, as it is shown; ▁ is a space in front of it, ⏎ a line end"
            ),
            "attention": fraction(
                "attention that the query gives the key, mean over heads: M[l,i,j]; 0 for keys "
                "that the query does not see"
            ),
        },
        sort=("model", "layer", "query", "key"),
        csv=False,
    ),
    "second_sink_heads": Table(
        "one row per model, layer, head, query and key. Attention of single heads among the same "
        "tokens: those of the setting second_sink_heads that the model has; if it has none of "
        "them, the head of layer 0 that gives earlier pieces of the query's own word most (if the "
        "text has words of several tokens), and the head of the first layer of second_sink_maps "
        "that gives key 0 most.",
        {
            **shared("model", "document", "layer", "head"),
            "second_sink": TERMINATOR,
            **shared("query", "key", "token"),
            "attention": fraction(
                "attention that the query gives the key: A[l,h,i,j]; 0 for keys that the query "
                "does not see"
            ),
        },
        sort=("model", "layer", "head", "query", "key"),
        csv=False,
    ),
}
