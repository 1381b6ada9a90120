"""Learned, gated and found sinks in one figure, from tables whose answer is known."""

import polars as pl
import pytest

from atlas.figures.test_found import table
from sentences import said
from sinkscope.atlas.figures.job import figures_of_all
from sinkscope.atlas.figures.virtual.by_layer import figure
from sinkscope.atlas.tables import TABLES
from sinkscope.charts.figure import as_svg
from sinkscope.tables.contract import empty

DOCUMENTS = ("a", "b")


def rows_of(column, values):
    """values: {(model, layer): [value of head 0, of head 1]}, in both documents."""
    return [
        {"model": model, "document": document, "layer": layer, "head": head, column: value}
        for (model, layer), heads in values.items()
        for document in DOCUMENTS
        for head, value in enumerate(heads)
    ]


def tables_of(virtual, gates, found):
    models = sorted({model for model, _ in [*virtual, *gates, *found]})
    masses = [
        {"model": m, "document": d, "layer": layer, "key_set": "sinks", "n_keys": 1, "mass": value}
        for (m, layer), value in found.items()
        for d in DOCUMENTS
    ]
    documents = [{"model": m, "document": d, "n_tokens": 9} for m in models for d in DOCUMENTS]
    facts = [{"model": m, "family": "decoder", "attention": "softmax"} for m in models]
    return {
        "virtual_sink": table("virtual_sink", rows_of("mass", virtual)),
        "gates": table("gates", rows_of("gate", gates)),
        "sink_mass": table("sink_mass", masses),
        "documents": table("documents", documents),
        "models": table("models", facts),
    }


def test_each_model_says_what_its_virtual_key_and_its_gates_take():
    drawn = figure(
        tables_of(
            {("oss", 0): [0.2, 0.4], ("oss", 2): [0.5, 0.7]},
            {("next", 3): [0.1, 0.2], ("next", 7): [0.3, 0.5]},
            {("oss", 0): 0.3, ("oss", 2): 0.1, ("next", 3): 0.05, ("next", 7): 0.4,
             ("plain", 0): 0.8},
        )
    )  # fmt: skip
    assert "NaN" not in as_svg(drawn.spec())
    assert said(drawn.finding.text, "gates", "virtual key", "layer", "next", "oss") == [
        "gates", "layer", "3", "next", "0.15", "0.15", "0.15",
        "virtual key", "oss", "0.60", "0.60", "0.60", "layer", "2", "0.10",
    ]  # fmt: skip
    means = drawn.data.filter(pl.col("value_low").is_not_null())
    assert set(means["model"]) == {"oss", "next"}  # plain has neither
    values = {(m, layer, line): v for m, layer, line, v in
              means.select("model", "layer", "line", "value").iter_rows()}  # fmt: skip
    assert values["oss", 0, "virtual key"] == pytest.approx(0.3)
    assert values["oss", 2, "tokens that are sinks"] == pytest.approx(0.1)
    assert values["next", 7, "gate"] == pytest.approx(0.4)
    assert ("next", 3, "virtual key") not in values


def test_without_either_there_is_no_figure():
    assert figure(tables_of({}, {}, {("plain", 0): 0.8})) is None
    assert figures_of_all({name: empty(one) for name, one in TABLES.items()}) == []
