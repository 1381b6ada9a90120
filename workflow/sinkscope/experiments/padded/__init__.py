"""Max keys of encoders counted as in study 1: documents padded to the longest of them, with the
queries at padding counted too.

Only for comparison with the published bars: padding is not text, and what its queries attend to
says nothing about the documents. Source: Pramodith 2023, whose notebook counts PAD rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sinkscope.declarations.experiment import Experiment
from sinkscope.documents import Document
from sinkscope.experiments.padded.tables import TABLES


def everything(documents: Sequence[Document], settings: Mapping[str, Any]) -> Sequence[Document]:
    return documents


EXPERIMENT = Experiment(
    tables=TABLES,
    families=("encoder",),
    chooses=everything,  # each is padded to the longest of all
    reads=("truncate", "tie_tolerance"),
    tokens=None,
    feeds_atlas=True,
)
