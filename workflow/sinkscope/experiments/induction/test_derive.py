"""Induction heads beside what they give the first token of ordinary text, on known tables."""

import numpy as np
import polars as pl
import pytest

from sinkscope.derive.job import write_derived
from sinkscope.experiments.induction.derive import with_ordinary_text


def test_peers_are_the_other_heads_of_the_layer_that_are_no_induction_heads():
    heads_table = pl.DataFrame(
        {
            "model": "m", "document": "a", "layer": [0, 0, 0, 1, 1], "head": [0, 1, 2, 0, 1],
            "sink_score": [0.9, 0.2, 0.4, 0.7, 0.8], "over_half": [1.0, 0.0, 0.5, 1.0, 1.0],
        }
    )  # fmt: skip
    scores_of = pl.DataFrame(
        {
            "model": "m", "layer": [0, 0, 0, 1, 1], "head": [0, 1, 2, 0, 1],
            "induction_score": [0.8, 0.0, 0.1, 0.5, 0.6],
        }
    )  # fmt: skip
    table = with_ordinary_text(scores_of, {"heads": heads_table}, 0.4).sort("layer", "head")
    assert table["first_token_peers"].to_list() == pytest.approx([0.3, 0.4, 0.2, None, None])
    assert table["over_half_peers"].to_list() == pytest.approx([0.25, 0.5, 0.0, None, None])


def test_the_interval_of_peers_is_over_documents():
    heads_table = heads(sink_score=[0.9, 0.8, 0.1, 0.3], over_half=[None, 1.0, 0.0, 0.5])
    scores_of = pl.DataFrame(
        {"model": ["m", "m"], "layer": [0, 0], "head": [0, 1], "induction_score": [0.9, 0.0]}
    )
    table = with_ordinary_text(scores_of, {"heads": heads_table}, 0.4).sort("head")
    columns = ["first_token_peers", "first_token_peers_low", "first_token_peers_high"]
    assert table.select(columns).row(0) == pytest.approx((0.2, 0.1, 0.3))
    assert table.select(columns).row(1) == (None, None, None)
    assert table.select("over_half", "over_half_n", "over_half_low").row(0) == (1.0, 1, None)


def heads(**columns):
    frame = {"model": ["m"] * 4, "document": ["a", "b", "a", "b"], "layer": [0] * 4}
    return pl.DataFrame(frame | {"head": [0, 0, 1, 1]} | columns)


def test_rest_is_the_mean_over_documents_of_the_same_head():
    heads_table = heads(sink_score=[0.2, 0.6, 0.0, 0.0], over_half=[0.1, 0.3, 0.0, 0.0])
    scores_of = pl.DataFrame(
        {"model": ["m", "m"], "layer": [0, 0], "head": [0, 1], "induction_score": [0.4, 0.39]}
    )
    table = with_ordinary_text(scores_of, {"heads": heads_table}, 0.4)
    assert table["is_induction"].to_list() == [True, False]
    np.testing.assert_allclose(table["first_token"], [0.4, 0.0])
    np.testing.assert_allclose(table["over_half"], [0.2, 0.0])
    # Of two documents the interval is from one to the other.
    columns = ["first_token_low", "first_token_high", "first_token_n", "over_half_low"]
    first, second = table.sort("head").select(columns).rows()
    assert first == pytest.approx((0.2, 0.6, 2, 0.1))
    assert second == (0, 0, 2, 0)


def test_tables_without_any_decoder_have_no_rows_and_all_columns(tmp_path):
    part, tables = tmp_path / "part", tmp_path / "tables"
    for name, folder in (("scores", part), ("patterns", part), ("heads", tables)):
        folder.mkdir(exist_ok=True)
        pl.DataFrame(schema={"model": pl.String}).write_parquet(folder / f"{name}.parquet")
    write_derived("induction", [part], tables, 0.4)
    table = pl.read_parquet(tables / "induction.parquet")
    assert table.is_empty()
    assert "is_induction" in table.columns
    assert pl.read_parquet(tables / "induction_patterns.parquet").is_empty()
