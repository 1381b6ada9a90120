"""The section on long texts: its finding from tables whose answer is known."""

import math

import polars as pl
import pytest

from drawing import figures_of
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.derive.job import write_derived
from sinkscope.experiments.long_texts import EXPERIMENT
from sinkscope.tables.read import read_tables

PERPLEXITIES = {"dense": 10.0, "window": 500.0, "sinks+window": 12.0, "rolling": 11.0}


def figures(folder, model="a", kinds=PERPLEXITIES):
    """A model that read two documents of 256 tokens through windows of 64 keys."""
    part = folder / "results" / "experiments" / "long_texts" / model
    part.mkdir(parents=True)
    rows, positions = [], []
    for document in ("one", "two"):
        for name, perplexity in kinds.items():
            window = None if name == "dense" else 64
            labels = {"model": model, "document": document, "attention": name, "window": window}
            loss = math.log(perplexity) + (0.1 if document == "one" else -0.1)
            rows.append(
                labels | {
                    "n_sinks": 4 if "sinks" in name or name == "rolling" else 0, "n_tokens": 256,
                    "share_of_pairs": 0.5, "loss": loss, "perplexity": math.exp(loss),
                    "loss_late": loss, "perplexity_late": math.exp(loss),
                }
            )  # fmt: skip
            positions += [labels | {"position": at, "loss": loss} for at in (0, 128)]
    for name, of_name in {"long_texts": rows, "long_text_positions": positions}.items():
        frame = pl.DataFrame(of_name, schema_overrides={"window": pl.UInt32})
        frame.write_parquet(part / f"{name}.parquet")
    write_derived("long_texts", [part], folder, None)
    return figures_of("long_texts", **read_tables(folder, EXPERIMENT.tables))


def test_perplexities_of_the_second_half_stand_side_by_side(tmp_path):
    (figure,) = figures(tmp_path)
    assert said(figure.finding.text) == [
        "256", "64", "500.0", "452.4", "552.6", "12.0", "10.9", "13.3", "4", "11.0", "10.0",
        "12.2", "10.0", "9.0", "11.1",
    ]  # fmt: skip
    assert "n = 2 documents" in figure.caption
    drawn = figure.data.filter(attention="dense", position=128)
    loss = math.log(10)
    assert drawn.select("panel", "document", "loss").rows() == [
        ("a, 64 keys", "all documents", pytest.approx(loss)),
        ("a, 64 keys", "one", pytest.approx(loss + 0.1)),
        ("a, 64 keys", "two", pytest.approx(loss - 0.1)),
    ]
    assert drawn.select("loss_low", "loss_high").row(0) == pytest.approx((loss - 0.1, loss + 0.1))
    as_svg(figure.spec())


def test_a_model_without_a_rolling_cache(tmp_path):
    kinds = {name: value for name, value in PERPLEXITIES.items() if name != "rolling"}
    (figure,) = figures(tmp_path, kinds=kinds)
    assert "rolling" not in figure.finding.text


def test_dense_attention_alone_draws_nothing(tmp_path):
    assert figures(tmp_path, kinds={"dense": 10.0}) == []
