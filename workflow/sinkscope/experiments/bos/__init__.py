"""What a sink attaches to: texts with and without their special tokens, with another first word,
and with a sentence in front.
"""

from __future__ import annotations

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.declarations.settings import EXPERIMENT_TOKENS
from sinkscope.experiments.bos.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(EXPERIMENT_TOKENS,),
    sections={
        "bos": Section(
            title="What the sink holds on to: a token, or its place?",
            intro=(
                "The same texts run with and without their special tokens, equally long: does the "
                "first real token take over? Then with other words in the first place, and with "
                "another sentence in front, whose end is a terminator or, as a control, a comma: "
                "does the attention that the first terminator gets stay with it, go to the new "
                "first one, or stay in its place?"
            ),
            tables=("bos", "position_content", "documents", "models"),
            figures=("special", "first_word", "places"),
        ),
    },
)
