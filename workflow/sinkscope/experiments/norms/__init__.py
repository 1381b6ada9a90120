"""Norms of residual state, key and value at sinks; massive activations; and attention to sinks with
every key weighted by the norm of its value.

Sources: Sun et al. 2024, Guo et al. 2024, Kobayashi et al. 2020.
"""

from __future__ import annotations

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.declarations.settings import EXPERIMENT_TOKENS
from sinkscope.experiments.norms.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(EXPERIMENT_TOKENS,),
    reads=("documents_in_report",),
    sections={
        "norms": Section(
            title="Norms at sink tokens",
            intro=(
                "A head that has nothing to say parks its attention where it does least harm: on a "
                "token whose value is small. Here the norms of residual states, keys and values "
                "show whether sinks are such tokens, a few huge entries of the state show how a "
                "model marks them, and attention weighted by the norms of the values shows how "
                "much of a sink is left."
            ),
            tables=("norm_ratios", "norm_weighted", "activations", "norms", "documents", "models"),
            figures=("ratios", "positions", "weighted", "activations"),
        ),
    },
)
