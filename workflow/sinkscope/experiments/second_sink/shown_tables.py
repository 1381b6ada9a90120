"""The tables of the second sink that are of the documents that the report shows one by one."""

from __future__ import annotations

from sinkscope.experiments.second_sink.units import COSINE, STATE_LAYER, TERMINATOR
from sinkscope.tables.columns import DOCUMENT, KEY, LAYER, MODEL, QUERY, SHARE
from sinkscope.tables.table import Column, Table

SHOWN: dict[str, Table] = {
    "second_sink_local": Table(
        "one row per decoder, document, layer and query. Whether the second sink takes its "
        "attention from the query's neighbours; only the first documents of the table of "
        "documents (setting documents_in_report), each as it is.",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": LAYER,
            "query": QUERY,
            "key": TERMINATOR,
            "first_token": Column(
                "Float64",
                "attention of the query on key 0, mean over heads: M[l,i,0]",
                SHARE,
            ),
            "second_sink": Column(
                "Float64",
                "attention of the query on the first terminator, mean over heads: M[l,i,key]; 0 "
                "for queries before it",
                SHARE,
            ),
            "local": Column(
                "Float64",
                "attention of the query on keys at most 5 tokens away, its position included, "
                "mean over heads: sum_{|i-j| <= 5} M[l,i,j]",
                SHARE,
            ),
            "local_no_first": Column("Float64", "local without key 0; not rescaled", SHARE),
        },
        sort=("model", "document", "layer", "query"),
        csv=False,
    ),
    "second_sink_states": Table(
        "one row per model, layer and ordered pair of documents, each document with itself "
        "included. Likeness of the first terminators of two documents; only the first documents "
        "of the table of documents (setting documents_in_report), each as it is.",
        {
            "model": MODEL,
            "layer": STATE_LAYER,
            "document": DOCUMENT,
            "other": Column("String", "name of the document that it is compared with"),
            "cosine": Column(
                "Float64",
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
            "model": MODEL,
            "document": DOCUMENT,
            "layer": Column(
                "UInt16",
                "layer, counted from 0: the middle of the first or of the third quarter of the "
                "layers",
            ),
            "second_sink": TERMINATOR,
            "query": QUERY,
            "key": KEY,
            "token": Column(
                "String",
                "token at key, as it is shown; ▁ is a space in front of it, ⏎ a line end",
            ),
            "attention": Column(
                "Float64",
                "attention that the query gives the key, mean over heads: M[l,i,j]; 0 for keys "
                "that the query does not see",
                SHARE,
            ),
        },
        sort=("model", "layer", "query", "key"),
        csv=False,
    ),
}
