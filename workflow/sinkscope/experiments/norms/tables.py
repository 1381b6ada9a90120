"""The tables of the experiment on norms at sink tokens and massive activations."""

from __future__ import annotations

from sinkscope.tables.columns import DOCUMENT, KEY_CLASS, LAYER, MODEL, SHARE, TOKEN
from sinkscope.tables.table import Column, Table

NORM = "L2 norm"
RATIO = "ratio"

STATE_LAYER = Column("UInt16", "layer that the residual state enters, counted from 0")
POSITION = Column("UInt32", "position of the token, counted from 0")

TABLES: dict[str, Table] = {
    "norms": Table(
        "one row per model, document, layer and position. Norms of what attention is computed "
        "from (Guo et al. 2024); only the first documents of the table of documents (setting "
        "documents_in_report), cut to their first tokens (setting experiment_tokens).",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": STATE_LAYER,
            "position": POSITION,
            "token": TOKEN,
            "key_class": KEY_CLASS,
            "state": Column("Float64", "norm of the residual state that enters the layer", NORM),
            "key": Column(
                "Float64",
                "norm of the key vector that enters the attention (after rotary embedding), mean "
                "over key-value heads",
                NORM,
            ),
            "value": Column(
                "Float64",
                "norm of the value vector, before the output projection, mean over key-value heads",
                NORM,
            ),
        },
        sort=("model", "document", "layer", "position"),
        csv=False,
    ),
    "norm_ratios": Table(
        "one row per model, document, layer and sink token. How the norms at a sink token differ "
        "from those at ordinary tokens: small values, large states (Guo et al. 2024); documents "
        "are cut to their first tokens (setting experiment_tokens).",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": STATE_LAYER,
            "sink": Column(
                "String",
                "kind of sink token, the first that fits: first_token (position 0), "
                "first_terminator (the first token that ends a sentence), or the class of a "
                "special token (bos, cls, sep or eos)",
            ),
            "position": Column(
                "UInt32",
                "position of the sink token, counted from 0; a special token that occurs twice "
                "has two rows",
            ),
            "state": Column(
                "Float64",
                "norm of its residual state divided by the median over all tokens that are not "
                "sinks; null if all tokens are sinks",
                RATIO,
            ),
            "key": Column(
                "Float64",
                "norm of its key vector (mean over key-value heads) divided by the median over "
                "all tokens that are not sinks; null if all tokens are sinks",
                RATIO,
            ),
            "value": Column(
                "Float64",
                "norm of its value vector (mean over key-value heads) divided by the median over "
                "all tokens that are not sinks; null if all tokens are sinks",
                RATIO,
            ),
        },
        sort=("model", "document", "layer", "sink", "position"),
    ),
    "norm_weighted": Table(
        "one row per model, document, layer and key set. Sink mass with and without weighting "
        "each key by the norm of its value, after Kobayashi et al. 2020; documents are cut to "
        "their first tokens (setting experiment_tokens).",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": LAYER,
            "key_set": Column(
                "String",
                "set of keys S that the attention is summed over: first_token, first_terminator, "
                "special (bos, cls, sep, eos and mask) or listed_sinks (key 0, special tokens "
                "except the mask, first terminator)",
            ),
            "n_keys": Column(
                "UInt32", "number of keys of the document in the set; 0 if it has none", "count"
            ),
            "mass": Column(
                "Float64",
                "attention on the keys of the set, summed over these keys, mean over heads and "
                "all queries: mean_i sum_{j in S} M[l,i,j]; not divided by the sum of the row, so "
                "compare it with norm_mass for softmax only",
                SHARE,
            ),
            "norm_mass": Column(
                "Float64",
                "the same with A[l,h,i,j] norm(v_j) in place of A[l,h,i,j], divided in each head "
                "by its sum over the keys of the row; v_j is the value before the output "
                "projection, which Kobayashi et al. 2020 include",
                SHARE,
            ),
        },
        sort=("model", "document", "layer", "key_set"),
    ),
    "activations": Table(
        "one row per model, document, layer and rank. The three largest entries of the residual "
        "state that enters a layer, and all massive ones (Sun et al. 2024); documents are cut to "
        "their first tokens (setting experiment_tokens).",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": STATE_LAYER,
            "rank": Column(
                "UInt32", "rank of the entry by magnitude within document and layer; 0 is largest"
            ),
            "dimension": Column("UInt32", "dimension of the residual state, counted from 0"),
            "position": POSITION,
            "token": TOKEN,
            "key_class": KEY_CLASS,
            "activation": Column("Float64", "value of the entry, with its sign", "activation"),
            "median": Column(
                "Float64",
                "median magnitude over all positions and dimensions of the document's state in "
                "this layer",
                "activation",
            ),
            "is_massive": Column(
                "Boolean",
                "whether the magnitude is above 100 and above 1,000 times the median (Sun et al. "
                "2024)",
            ),
        },
        sort=("model", "document", "layer", "rank"),
    ),
}
