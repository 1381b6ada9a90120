"""When sinks appear: the records of the zoo's training, and alternatives to softmax.

Sources: Gu et al. 2024, Xiao et al. 2023.
"""

from __future__ import annotations

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.experiments.emergence.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    records={"emergence": "training_log.parquet", "attachment": "evaluation.parquet"},
    sections={
        "emergence": Section(
            title="When sinks appear",
            intro=(
                "The zoo's models are small and were trained by this repository from random "
                "weights, with their attention measured all the way, on texts that they were not "
                "trained on. They show when a sink appears, in which layers, what the loss does "
                "meanwhile, and what the sink holds on to: the first position, or a special token."
            ),
            tables=("emergence", "attachment"),
            figures=("growth", "layers", "trained", "attachment"),
        ),
        "alternatives": Section(
            title="Alternatives to softmax",
            intro=(
                "Softmax makes every row of attention sum to 1, so that a head with nothing to say "
                "has to put its attention somewhere. Here a model is trained again with attention "
                "that need not: softmax off-by-one (a zero logit beside those of the keys, so that "
                "rows sum to less than 1) and sigmoid (each key by itself, so that rows sum to "
                "anything)."
            ),
            tables=("emergence",),
            figures=("loss", "layers", "trained"),
            package="alternatives",
        ),
    },
)
