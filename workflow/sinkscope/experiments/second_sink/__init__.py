"""The second sink: the first token that ends a sentence, which may act as a second BOS.

Source: Wray 2023, "Are two dummies better than one?": in Llama-2 the first . ? ! becomes a near
copy of the BOS.
"""

from sinkscope.declarations.experiment import EXPERIMENT_TOKENS, Experiment, Section, Setting
from sinkscope.experiments.second_sink.constants import SUMS, UNITS
from sinkscope.experiments.second_sink.tables import TABLES

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(
        EXPERIMENT_TOKENS,
        Setting(
            "second_sink_heads",
            [],
            "Single heads, LAYER/HEAD, whose attention is shown for models that have them; for "
            "other models two are chosen.",
            {
                "type": "array",
                "items": {"type": "string", "pattern": "^[0-9]+/[0-9]+$"},
                "uniqueItems": True,
                "maxItems": 4,
            },
        ),
    ),
    reads=("documents_in_report",),
    threshold=Setting(
        "second_sink_mass",
        0.1,
        "Least mean attention of later queries to the second sink of a layer.",
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    ),
    parts=(
        *("second_sink", "second_sink_local", "second_sink_maps", "second_sink_heads"),
        *(SUMS, UNITS),
    ),
    sections={
        "second_sink": Section(
            title="A second sink at the end of the first sentence?",
            intro=(
                "In Llama-2 the first token that ends a sentence (. ? !) becomes a near copy of "
                "the BOS: after it, two columns of the heat map stand out, and its state is "
                "nearly the same in all texts. Yet attention to a query's neighbours does not "
                "fall, as a second sink should cause. Here the first terminator of every "
                "document is analysed in the same ways, with controls: another mark at its "
                "position, and the next terminator."
            ),
            verdict=(
                "In {{ second_sink_mass.n_held }} of {{ second_sink_mass.n_models | "
                "counted('model') }}, the end of the first sentence gets {{ '%g' | "
                "format(second_sink_mass.threshold) }} or more of the attention of later tokens "
                "in most unchanged texts."
            ),
            tables=(*TABLES, "documents", "models"),
            figures=(
                *(
                    "heads",
                    "maps",
                    "mass",
                    "ratio",
                    "controls",
                    "states",
                    "convergence",
                    "matrix",
                    "local",
                ),
            ),
        ),
    },
)
