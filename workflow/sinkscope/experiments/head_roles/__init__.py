"""Is a head's sink a no-op or a broadcast? The rule of Fesser et al. 2026 (arXiv 2606.08105) for
every head, and edits of the sinks' values that test it."""

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
            "Number of documents per job (the first by name) over which edits are run.",
            {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        ),
        Setting(
            "single_heads",
            0,
            "Number of heads per document that are also edited alone: those whose output changes "
            "most without the sink.",
            {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        ),
    ),
    reads=("sink_queries",),
    parts=("head_roles_documents", "head_edits"),
    sections={
        "head_roles": Section(
            title="Does a head's sink do nothing, or send something?",
            intro=(
                "A head whose queries all attend to one token may be switched off: the token's "
                "value is almost zero (a no-op). Or the token may send the same large value to "
                "all queries (a broadcast). Fesser et al. (2026) distinguish the two in vision "
                "transformers by the norm of the token's value and by the number of directions "
                "that the head's outputs span. Here their rule is applied to language models, "
                "and the sinks are edited to measure what depends on them."
            ),
            verdict=(
                "Of {{ head_roles.n_sinks }} heads with a sink, {{ head_roles.n_no_op }} are "
                "no-ops (the sink sends almost nothing) and {{ head_roles.n_broadcast }} "
                "broadcasts (it sends the same to all queries)."
            ),
            # Without the table `models`: models whose attention is not softmax are a control.
            tables=(*TABLES, "models"),
        ),
    },
)
