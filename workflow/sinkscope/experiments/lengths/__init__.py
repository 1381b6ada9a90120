"""Sink mass against the length of the text, beside what uniform attention would give.

Means over documents mix lengths: attention to one token must fall as more tokens compete for it.
"""

from __future__ import annotations

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.experiments.lengths.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    tokens=None,  # whole documents, and what they begin with
    sections={
        "lengths": Section(
            title="Sinks in short and long texts",
            intro=(
                "A text of 16 tokens gives each of them a large part of attention even if the "
                "model has no preference; one of 500 tokens does not. So sink masses of texts of "
                "different lengths say little until an even spread of attention stands beside "
                "them. Here the same texts are read up to 16, 32, 64, ... tokens: what is left of "
                "the sink as they grow, and how far above an even spread does it stay?"
            ),
            tables=("sink_lengths", "models"),
        ),
    },
)
