"""Compression valleys: the matrix entropy of the residual states of each layer, with and without
key 0, and the norm of key 0's state.

Source: Queipo-de-Llano et al. 2025, arXiv 2510.06477.
"""

from sinkscope.declarations.experiment import EXPERIMENT_TOKENS, Experiment, Section
from sinkscope.tables.columns import count, fraction, layer, number, ratio, shared
from sinkscope.tables.table import Table

TABLES: dict[str, Table] = {
    "matrix_entropy": Table(
        "one row per model, document and layer. How many directions the residual states X "
        "[token, d] that enter a layer span, with and without key 0 (Queipo-de-Llano et al. "
        "2025): with the singular values s of X, which is not centred, p = s^2 / sum s^2 and the "
        "matrix entropy H(X) = -sum p log p; documents are cut to their first tokens (setting "
        "experiment_tokens).",
        {
            **shared("model", "document"),
            "layer": layer(
                "layer that the residual states enter, counted from 0; 0: the embeddings"
            ),
            "n_tokens": count("number of tokens read, key 0 included"),
            "entropy": number(
                "H(X) / log min(n_tokens, d), over the states of all tokens; 0: they lie on one "
                "line, 1: they are equally large in all directions; null for one token",
                "part of the maximum",
            ),
            "entropy_no_first": number(
                "the same over the states of all tokens except key 0: H / log min(n_tokens - 1, "
                "d); null for one or two tokens",
                "part of the maximum",
            ),
            "nats": number("H(X) over all tokens, not divided", "nats"),
            "nats_no_first": number(
                "H over all tokens except key 0, not divided; null for one token", "nats"
            ),
            "norm_ratio": ratio(
                "L2 norm of key 0's state divided by the median norm of the other tokens' states; "
                "null for one token"
            ),
            "square_share": fraction(
                "squared norm of key 0's state divided by the sum over all tokens; a lower bound "
                "of the largest p over all tokens, so that entropy must fall where it nears 1"
            ),
        },
        sort=("model", "document", "layer"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(EXPERIMENT_TOKENS,),
    sections={
        "depth": Section(
            title="Compression valleys",
            intro=(
                "Each token has a state, a vector that the layers rewrite. The matrix entropy of "
                "a text's states measures how many directions they span: 1 if they are equally "
                "large in all directions, 0 if all lie on one line. In many models it drops in "
                "the middle layers, a compression valley. Queipo-de-Llano et al. (2025) trace it "
                "to the token that is the attention sink: the norm of its state becomes so large "
                "that it dominates all others. If so, the valley vanishes once key 0, the first "
                "token, is left out."
            ),
            # Without the table `models`: the variants of softmax are the control here, models
            # trained alike whose first token need not become a sink.
            verdict=(
                "The first token's state causes a compression valley in "
                "{{ depth_entropy.n_valleys }} of "
                "{{ depth_entropy.n_models | counted('model') }}."
            ),
            tables=("matrix_entropy", "documents", "models"),
        ),
    },
)
