"""The held-out loss of models of one family with each kind of attention."""

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import panels, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.lines import lines
from sinkscope.charts.tokens_trained import on_log_axis, tokens_axis
from sinkscope.experiments.emergence.growth import NO_TEXT, TEXTS, UNTRAINED, WINDOW, finished
from sinkscope.experiments.emergence.kinds import compared, model_lines
from sinkscope.findings.finding import Finding

FINDING = (
    "{% for family, rows in models | groupby('family', case_sensitive=true) %}"
    "{{ 'The' if loop.first else '; the' }} held-out loss of {{ family }} ends at "
    "{{ rows | phrased('{loss:.3f} with {kind}') | listed }}{% endfor %}."
)


def figure(tables: Tables) -> Figure | None:
    """One panel per family, one line per model."""
    rows = compared(tables)
    if rows.is_empty():
        return None
    of_models = rows.filter(pl.col("layer") == 0).select(
        "family", "model", "kind", "step", "tokens", loss="heldout_loss"
    )
    drawn = on_log_axis(of_models)
    line = lines(
        tokens_axis(drawn),
        alt.Y("loss:Q", title="held-out loss (nats per token)").scale(zero=False),
        model_lines(rows),
        tips(
            "model:N",
            ("kind:N", "attention"),
            ("tokens:Q", "tokens trained", ","),
            ("loss:Q", "held-out loss", ".4f"),
        ),
        width=560,
        height=240,
    )
    last = finished(of_models).select("model", "family", "kind", "loss")
    return Figure(
        name="alternatives_loss",
        title="Held-out loss with and without softmax",
        finding=Finding(FINDING, {"models": last.to_dicts()}),
        caption=(
            "Models of one family, trained alike except for the function from logits to "
            "attention. Loss "
            f"over held-out windows of {WINDOW} tokens, nats per predicted token. {UNTRAINED} "
            f"{NO_TEXT.format(TEXTS)} "
            f"n = {words.counted(drawn['step'].n_unique(), 'measurement')} per model. "
            "Unit: nats per token."
        ),
        chart=panels(line, "family", 1),
        data=drawn,
    )
