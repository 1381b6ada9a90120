"""Settings that several experiments declare."""

from __future__ import annotations

from sinkscope.declarations.experiment import Setting

EXPERIMENT_TOKENS = Setting(
    "experiment_tokens",
    128,
    "First tokens of every document that experiments look at.",
    {"type": "integer", "minimum": 16, "maximum": 1_000_000},
)
