"""The summary: sentences and numbers from the figures, each with its figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sinkscope import words
from sinkscope.charts.shown import ShownFigure
from sinkscope.findings.finding import Finding
from sinkscope.findings.lookup import listed, values_of

# Figures whose findings are the summary of a model, in this order.
IN_SUMMARY = ("max_attention", "sink_mass", "sink_rate", "max_attention_countings")
ONE = (
    "One token, {{ token | token(key_class) }}, is the max key of {{ share | percent }} of all "
    "queries and layers of {{ model }}."
)
SEVERAL = (
    "In {{ n_half }} of {{ n | counted('model') }}, one token receives the most attention from "
    "over half of all queries and layers; the share of the most frequent max key ranges from "
    "{{ low | percent }} to {{ high | percent }}."
)


@dataclass(frozen=True)
class Sentence:
    text: str
    figure: str


def of_model(figures: Sequence[ShownFigure]) -> list[Sentence]:
    by_name = {figure.name: figure for figure in figures}
    return [Sentence(by_name[name].finding, name) for name in IN_SUMMARY if name in by_name]


def headline(findings: pl.DataFrame) -> str:
    """One sentence over the models whose attention is softmax."""
    top = listed(findings, "max_attention_models", "top")
    if not top:
        return "No model with softmax has a result yet."
    if len(top) == 1:
        return Finding(ONE, top[0]).text
    shares = [entry["share"] for entry in top]
    facts = {
        "n": len(shares),
        "n_half": sum(share > 0.5 for share in shares),
        "low": min(shares),
        "high": max(shares),
    }
    return Finding(SEVERAL, facts).text


def highlights(findings: pl.DataFrame, model: str) -> dict[str, Any]:
    """max_key, share: the most frequent max key; mass, key_set, layer: the strongest sink mass,
    mean over documents; with their intervals. uniform: that mass under uniform attention."""
    top = values_of(findings, "max_attention", model)
    peak = values_of(findings, "sink_mass", model)
    return {
        "max_key": words.token(top["token"], top["key_class"]),
        "share": top["share"],
        "share_interval": (top["low"], top["high"]),
        "mass": peak["mass"],
        "uniform": peak["uniform"],
        "mass_interval": (peak["mass_low"], peak["mass_high"]),
        "key_set": words.key_set_label(peak["key_set"]),
        "layer": int(peak["layer"]),
    }
