"""Colours hold on white and near-black, and under colour-vision deficiencies."""

import itertools

import numpy as np
import pytest

from sinkscope.charts import palette
from sinkscope.keys import KEY_CLASSES

# Machado et al. 2009, severity 1, on linear RGB.
SEEN_BY = {
    "normal": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colour):
    c = np.array(palette.rgb(colour)) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB (D65) of linear RGB."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def luminance(colour):
    return linear(colour) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_models_stay_apart(eyes):
    seen = {c: lab(np.array(SEEN_BY[eyes]) @ linear(c)) for c in palette.MODEL_COLOURS}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 12, (one, other)


@pytest.mark.parametrize(
    "colour", sorted({*palette.MODEL_COLOURS, *palette.CLASS_COLOURS.values()})
)
def test_colours_hold_on_white_and_on_near_black(colour):
    on_white = 1.05 / (luminance(colour) + 0.05)
    on_black = (luminance(colour) + 0.05) / (luminance("#15171b") + 0.05)
    assert on_white > 2.6
    assert on_black > 2.6


def test_every_class_has_a_colour():
    assert list(palette.CLASS_COLOURS) == list(KEY_CLASSES)


def test_heat_darkens_with_attention():
    lightness = [lab(linear(f"#{r:02x}{g:02x}{b:02x}"))[0] for r, g, b in palette.heat_table()]
    assert all(a > b for a, b in itertools.pairwise(lightness))


def test_heat_scale_is_linear_or_logarithmic():
    assert palette.heat_index(np.array([0, 0.2, 0.5, 1])).tolist() == [0, 51, 128, 255]
    values = np.array([0, palette.HEAT_FLOOR, palette.HEAT_FLOOR**0.5, 1])
    assert palette.heat_index(values, log=True).tolist() == [0, 0, 128, 255]


def test_the_models_of_this_repository_keep_their_colours_in_every_grid():
    alone = {name: palette.model_colour([name], name) for name in palette.OWN_MODELS}
    together = sorted([*palette.OWN_MODELS, "another", "zzz"])
    assert alone == {name: palette.model_colour(together, name) for name in alone}
    compared = [name for name in alone if name not in palette.OWN_MODELS[-4:]]
    assert len({alone[name] for name in compared}) == len(compared) == 10


def test_other_models_take_the_colours_that_are_left():
    names = [*(f"m{i}" for i in range(9)), "smollm2-135m"]
    assert len({palette.model_colour(names, name) for name in names}) == 10
    assert palette.model_colour(["a", "b"], "a") == palette.MODEL_COLOURS[0]
    assert palette.model_colour([f"m{i:02}" for i in range(11)], "m10") == palette.MODEL_COLOURS[0]


def test_many_models_have_the_colours_of_their_architectures():
    kinds = {f"m{i:02}": "Llama" if i % 3 else "Qwen" for i in range(40)}
    colours = palette.model_colours(kinds)
    assert {colours[name] for name, kind in kinds.items() if kind == "Llama"} == {
        palette.MODEL_COLOURS[0]
    }
    assert {colours[name] for name, kind in kinds.items() if kind == "Qwen"} == {
        palette.MODEL_COLOURS[1]
    }
    few = palette.model_colours({"a": "Llama", "b": "Llama"})
    assert few["a"] != few["b"]
