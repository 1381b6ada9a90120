"""Induction heads: heads that attend to the token after the last occurrence of the current token.
Repeated random tokens reveal them, because nothing else helps to predict the next one. Sources:
Olsson et al. 2022, Guo et al. 2024.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sinkscope.declarations.experiment import Experiment, Section, Setting
from sinkscope.documents import AnyDocument
from sinkscope.experiments.induction.tables import TABLES

# Characters per token, space included: more than tokenizers with large vocabularies need.
CHARACTERS = 8


def ordinary_text(
    documents: Sequence[AnyDocument], settings: Mapping[str, Any]
) -> list[AnyDocument]:
    """The document on which induction heads are shown: the first document, by name, that is long
    enough for their patterns, else the longest."""
    n_tokens = max(2 * settings["induction_tokens"] + 1, settings["induction_text_tokens"])
    enough = CHARACTERS * n_tokens
    by_name = sorted(documents, key=lambda document: document.name)
    longest = max(by_name, key=lambda document: document.n_characters)
    return [next((document for document in by_name if document.n_characters >= enough), longest)]


EXPERIMENT = Experiment(
    tables=TABLES,
    families=("decoder",),
    chooses=ordinary_text,
    settings=(
        Setting(
            "induction_tokens",
            25,
            "Random tokens that are repeated once to find induction heads.",
            {"type": "integer", "minimum": 2, "maximum": 10_000},
        ),
        Setting(
            "induction_seeds",
            10,
            "Sequences of random tokens that scores are averaged over.",
            {"type": "integer", "minimum": 1, "maximum": 10_000},
        ),
        Setting(
            "induction_text_tokens",
            128,
            "First tokens of a text on which the attention of induction heads is shown.",
            {"type": "integer", "minimum": 2, "maximum": 1024},
        ),
    ),
    threshold=Setting(
        "induction_threshold",
        0.4,
        "Induction score from which a head is an induction head.",
        {"type": "number", "minimum": 0, "maximum": 1},
    ),
    parts=("scores", "patterns"),
    beside=("heads",),
    sections={
        "induction": Section(
            title="Dormant induction heads",
            intro=(
                "An induction head attends to the token after the last occurrence of the current "
                "token, and so predicts that it follows again. Repeated random tokens reveal "
                "such heads of the decoders, because nothing else helps to predict them. "
                "Ordinary text repeats little, so the same heads are also measured on the "
                "corpus: do they attend to the first token instead?"
            ),
            verdict=(
                "{{ induction_dormancy.n_resting }} of "
                "{{ induction_dormancy.n_heads | counted('induction head') }} "
                "{{ 'gives' if induction_dormancy.n_resting == 1 else 'give' }} the first token "
                "more than half of the attention in most ordinary texts."
            ),
            tables=("induction", "induction_patterns", "heads", "documents", "models"),
            figures=("scores", "patterns", "on_text", "dormancy", "every_head"),
        ),
    },
)
