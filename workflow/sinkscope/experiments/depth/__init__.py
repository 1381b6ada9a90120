"""Compression valleys: the matrix entropy of the residual states of each layer, with and without
key 0, beside the norm of key 0's state.

Source: Queipo-de-Llano et al. 2025, arXiv 2510.06477.
"""

from __future__ import annotations

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.declarations.settings import EXPERIMENT_TOKENS
from sinkscope.experiments.depth.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(EXPERIMENT_TOKENS,),
    sections={
        "depth": Section(
            title="Compression valleys",
            intro=(
                "Each token has a state, a vector that the layers rewrite. The matrix entropy of a "
                "text's states says how many directions they fill: 1 if all directions hold the "
                "same amount, 0 if all states lie on one line. In many models it drops in the "
                "middle layers, a compression valley. Queipo-de-Llano et al. (2025) trace it to "
                "the token that is the attention sink: its state grows so long that it outweighs "
                "all others. If so, the valley is gone once key 0, the first token, is left out."
            ),
            # Without the table `models`: the variants of softmax are the control here, models
            # trained alike whose first token need not become a sink.
            tables=("matrix_entropy", "documents"),
        ),
    },
)
