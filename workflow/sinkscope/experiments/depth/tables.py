"""The table of the experiment on compression valleys."""

from __future__ import annotations

from sinkscope.tables.columns import DOCUMENT, MODEL, SHARE
from sinkscope.tables.table import Column, Table

TABLES: dict[str, Table] = {
    "matrix_entropy": Table(
        "one row per model, document and layer. How many directions the residual states X [token, "
        "d] that enter a layer fill, with and without key 0 (Queipo-de-Llano et al. 2025): with "
        "the singular values s of X, which is not centred, p = s^2 / sum s^2 and the matrix "
        "entropy H(X) = -sum p log p; documents are cut to their first tokens (setting "
        "experiment_tokens).",
        {
            "model": MODEL,
            "document": DOCUMENT,
            "layer": Column(
                "UInt16", "layer that the residual states enter, counted from 0; 0: the embeddings"
            ),
            "n_tokens": Column("UInt32", "number of tokens read, key 0 included", "count"),
            "entropy": Column(
                "Float64",
                "H(X) / log min(n_tokens, d), over the states of all tokens; 0: they lie on one "
                "line, 1: all directions hold the same amount; null for one token",
                "part of the maximum",
            ),
            "entropy_no_first": Column(
                "Float64",
                "the same over the states of all tokens except key 0: H / log min(n_tokens - 1, "
                "d); null for one or two tokens",
                "part of the maximum",
            ),
            "nats": Column("Float64", "H(X) over all tokens, not divided", "nats"),
            "nats_no_first": Column(
                "Float64",
                "H over all tokens except key 0, not divided; null for one token",
                "nats",
            ),
            "norm_ratio": Column(
                "Float64",
                "L2 norm of key 0's state divided by the median norm of the other tokens' states; "
                "null for one token",
                "ratio",
            ),
            "square_share": Column(
                "Float64",
                "squared norm of key 0's state divided by the sum over all tokens; a lower bound "
                "of the largest p over all tokens, so that entropy must fall where it nears 1",
                SHARE,
            ),
        },
        sort=("model", "document", "layer"),
    ),
}
