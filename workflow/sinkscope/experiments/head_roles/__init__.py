"""Does a head's sink do nothing, or send something? The rule of Fesser et al. 2026 (arXiv
2606.08105) for every head, and the proof by edits of what the sink sends."""

from __future__ import annotations

from sinkscope.declarations.experiment import (
    EXPERIMENT_TOKENS,
    MASK_SEED,
    Experiment,
    Section,
    Setting,
)
from sinkscope.experiments.head_roles.constants import KINDS
from sinkscope.experiments.head_roles.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(
        EXPERIMENT_TOKENS,
        MASK_SEED,
        Setting(
            "head_edits",
            ["zero", "remove"],
            "Edits of sinks whose effect on the loss is measured: zero, mean, other, remove.",
            {"type": "array", "uniqueItems": True, "items": {"enum": list(KINDS)}},
        ),
        Setting(
            "edited_documents",
            3,
            "Documents of each job, the first by name, over which edits are run.",
            {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        ),
        Setting(
            "single_heads",
            0,
            "Heads per document that are also edited alone: those whose removed sink changes "
            "their output most.",
            {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        ),
    ),
    reads=("sink_queries",),
    parts=("head_roles_documents", "head_edits"),
    sections={
        "head_roles": Section(
            title="Does a head's sink do nothing, or send something?",
            intro=(
                "A head whose queries all attend to one token may have switched itself off: that "
                "token's value is next to nothing. Or the token may be a loudspeaker: all queries "
                "receive the same from it. Fesser et al. (2026) tell the two apart in vision "
                "transformers by the norm of what the token sends and by how many directions the "
                "head's outputs fill. Here the same rule is applied to language models, and the "
                "sinks are edited to see what depends on them."
            ),
            verdict=(
                "Of {{ head_roles.n_sinks }} heads with a sink, {{ head_roles.n_no_op }} do "
                "nothing with it and {{ head_roles.n_broadcast }} send the same to all."
            ),
            # Without the table `models`: models whose attention is not softmax are a control.
            tables=tuple(TABLES),
        ),
    },
)
