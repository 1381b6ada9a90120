"""The cost of restricted attention: a model runs with fewer keys per query. Masks of sinks and a
window follow Xiao et al. 2023 (arXiv 2309.17453), random keys BigBird (Zaheer et al. 2020). Each
mask with sinks has a control with the same number of random keys in their place.
"""

from sinkscope.declarations.experiment import (
    EXPERIMENT_TOKENS,
    MASK_SEED,
    Experiment,
    Section,
    Setting,
)
from sinkscope.experiments.masks.tables import TABLES
from sinkscope.experiments.masks.vocabulary import PATTERN

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(
        EXPERIMENT_TOKENS,
        Setting(
            "masks",
            [
                "sinks",
                "window(16)",
                "sinks+window(16)",
                "sinks+window(16)+random(16)",
                "dense-sinks",
            ],
            "Sets of keys that a query may attend to, such as first(4)+window(64) or "
            "dense-sinks@2; dense attention, and a control of each mask with sinks, are run too.",
            {
                "type": "array",
                "uniqueItems": True,
                "items": {
                    "type": "string",
                    "pattern": PATTERN,
                    "title": "a sum of sets of keys, such as sinks+window(16) or dense-sinks@2",
                },
            },
        ),
        MASK_SEED,
    ),
    reads=(
        *("sink_rule", "sink_times", "sink_floor", "sink_share", "sink_queries", "sink_cosine"),
    ),
    parts=("masks", "mask_layers", "mask_sinks"),
    sections={
        "masks": Section(
            title="The cost of restricted attention",
            intro=(
                "If most attention goes to a few sinks, a model may need far fewer keys: the "
                "sinks and a window of neighbours (Xiao et al. 2023), perhaps some random keys. "
                "Here each model runs with such masks, and with all keys except its sinks. Every "
                "mask with sinks has a control with the same number of random keys in their "
                "place: if the control costs more, the sinks matter and not only the number of "
                "keys."
            ),
            verdict=(
                "Keeping the sinks costs less than keeping the same number of random keys, "
                "beyond the interval, in {{ masks_cost.n_more }} of "
                "{{ masks_cost.n_models | counted('model') }}."
            ),
            # Without the table `models`: models whose attention is not softmax are the control of
            # what a sink is for, since nothing makes them attend to one.
            tables=(*TABLES, "models"),
            figures=("cost", "states", "rearranged"),
        ),
    },
)
