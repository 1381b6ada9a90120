"""The text of a document, shaded by what its tokens receive."""

import numpy as np
import pytest

from sinkscope.extract.cell import Cell
from sinkscope.report.text_view import FULL, received, shaded

LAYER = 3  # of a hybrid model, whose other layers have no attention


def cell(tokens, classes, scores, row_sum=1.0):
    """A causal cell of one layer with one head. scores: what each key gets of the queries that see
    it."""
    n = len(tokens)
    arrays = {
        "sink_score": np.array([[scores]], np.float32),
        "n_queries": np.arange(n, 0, -1, dtype=np.int32)[None],
        "row_sum": np.full((1, 1), row_sum, np.float32),
    }
    return Cell({"tokens": tokens, "classes": classes, "layers": [LAYER]}, arrays)


def test_a_token_receives_its_part_of_all_attention():
    attention = np.tril(np.array([[1, 0, 0], [0.5, 0.5, 0], [0.6, 0.1, 0.3]]))
    scores = attention.sum(0) / [3, 2, 1]
    of_cell = cell(["a", "b", "c"], ["word"] * 3, scores)
    assert received(of_cell)[0] == pytest.approx(attention.sum(0) / 3)
    doubled = cell(["a", "b", "c"], ["word"] * 3, 2 * scores, row_sum=2.0)
    assert received(doubled)[0] == pytest.approx(attention.sum(0) / 3)


def test_the_text_is_whole_and_each_token_has_its_part():
    text = "Z The ferry.\n\nIt was late"
    tokens = ["[CLS]", "Z", "▁The", "▁fer", "ry", ".", "⏎⏎", "It", "was", "late", "[SEP]"]
    classes = ["cls", "first", *["word"] * 8, "sep"]
    parts = shaded(cell(tokens, classes, [0.4] + [0.02] * 10), LAYER, text)
    assert "".join(part.text for part in parts if not part.is_special) == text
    assert [part.text for part in parts if part.is_special] == ["[CLS]", "[SEP]"]
    shown = {part.text: part for part in parts if part.part is not None}
    assert {"Z", "The", "fer", "ry", ".", "It"} <= set(shown)
    assert shown["[CLS]"].shade == pytest.approx(0.4 / FULL)
    assert shown["[CLS]"].is_named
    assert not shown["The"].is_named


def test_pieces_of_words_and_lower_case_find_their_place():
    parts = shaded(cell(["out", "##wei", "##ghed"], ["word"] * 3, [0.1] * 3), LAYER, "Outweighed")
    assert [part.text for part in parts] == ["Out", "wei", "ghed"]


def test_a_sink_of_white_space_is_shown_by_its_mark():
    parts = shaded(
        cell(["a", "⏎", "b"], ["word", "newline", "word"], [0.1, 0.6, 0.05]), LAYER, "a\nb"
    )
    assert [(part.text, part.is_named) for part in parts if part.part is not None] == [
        ("a", True), ("⏎", True), ("b", False)
    ]  # fmt: skip
    quiet = shaded(
        cell(["a", "⏎", "b"], ["word", "newline", "word"], [0.1, 0.001, 0.1]), LAYER, "a\nb"
    )
    assert "".join(part.text for part in quiet) == "a\nb"
