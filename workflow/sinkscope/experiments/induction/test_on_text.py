"""All induction heads on ordinary text: which have a picture, and what the pictures show."""

import base64
import io
import json
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image

from induction_heads import BUSY, RESTING, WITHOUT, drawn, heads, of_tables, patterns
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.charts.palette import heat_index, heat_table
from sinkscope.experiments.induction.figures.on_text import FIRST

PARKED = {(1, 2): 0.9, (2, 0): 0.3}


def entries(model, parked):
    parts = [patterns(model, *place, 0.8, value) for place, value in parked.items()]
    return pl.concat(parts)


def images_of(figure):
    """The title of each panel, and its picture [query, key, 3]."""
    found = {}
    for panel in figure.spec()["concat"]:
        [text] = re.findall(r'base64,([^"]+)', json.dumps(panel))
        picture = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")
        found[panel["title"]["text"]] = np.asarray(picture)
    return found


@pytest.fixture(scope="module")
def figure():
    table = heads("a", {(1, 2): (0.8, 0.9), (2, 0): (0.5, 0.7), (0, 3): (0.39, 0.6)})
    every = entries("a", PARKED | {(0, 3): 0.5})
    return of_tables(table, every)["induction_on_text"]


def test_every_induction_head_has_a_picture_of_its_attention_and_others_have_none(figure):
    images = images_of(figure)
    assert list(images) == ["a 1/2", "a 2/0"]
    for (name, pixels), parked in zip(images.items(), PARKED.values(), strict=True):
        expected = np.where(np.tri(len(pixels)), 0.001, 0)
        expected[1:, 0] = parked
        expected = np.hstack([np.repeat(expected[:, :1], FIRST, axis=1), expected[:, 1:]])
        colours = heat_table()[heat_index(expected.astype(np.float32))]
        np.testing.assert_array_equal(pixels, colours, err_msg=name)
    svg = as_svg(figure.spec())
    assert "score 0.80, first 0.90" in svg
    assert "score 0.50, first 0.30" in svg


def test_the_sentence_says_how_many_rest(figure):
    assert said(figure.finding.text) == ["1", "2", "0.30", "0", "2", "0.90", "2", "1"]
    alone = of_tables(heads("a", {(1, 2): (0.8, 0.9)}), entries("a", {(1, 2): 0.9}))
    assert said(alone["induction_on_text"].finding.text) == ["1", "1"]


def test_without_induction_heads_there_is_no_picture():
    assert "induction_on_text" not in drawn(WITHOUT)
    assert "induction_on_text" in drawn(WITHOUT, RESTING, BUSY)


def test_of_very_many_heads_each_model_has_its_strongest():
    one = heads("a", {(layer, head): (0.5 + layer / 100, 0.7)
                      for layer in range(20) for head in range(4)}, size=(20, 4))  # fmt: skip
    two = heads("b", {(1, 2): (0.8, 0.9)})
    places = [(layer, head) for layer in range(20) for head in range(4)]
    every = pl.concat([entries("a", dict.fromkeys(places, 0.6)), entries("b", {(1, 2): 0.9})])
    figure = of_tables(pl.concat([one, two]), every)["induction_on_text"]
    assert figure.data.height == 60
    assert figure.data.filter(model="b").height == 1
    assert figure.data.filter(model="a")["induction_score"].min() == pytest.approx(0.55)
    assert "60 of 81 are drawn" in figure.caption
    assert figure.finding.text.startswith("On one ordinary text 81 of 81 induction heads give ")
