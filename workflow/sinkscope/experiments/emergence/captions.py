"""Phrases shared by the captions of several figures."""

from __future__ import annotations

from sinkscope.experiments.emergence.growth import WINDOW

MASS = (
    "sink mass[l] = mean over heads and queries of the attention to the first token and the "
    f"special tokens together, over held-out windows of {WINDOW} tokens"
)
UNTRAINED = "The leftmost point is the model before training; the axis is logarithmic."
