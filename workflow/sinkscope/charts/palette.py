"""Every colour of the report: models, key classes, key sets, and the scale of heat maps.

Models and classes have colours of middle lightness, so that they hold on white and on
near-black; neighbours in the lists stay apart under the common colour-vision deficiencies
(tests/charts/test_palette.py). No chart distinguishes things by colour alone.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence, Sized

import numpy as np

MODEL_COLOURS = (
    "#0072b2",  # blue
    "#d55e00",  # vermilion
    "#009e73",  # green
    "#cc79a7",  # pink
    "#8e44dd",  # violet
    "#8c4a2b",  # brown
    "#a39a4a",  # khaki
    "#ee66ee",  # orchid
    "#4b2dff",  # indigo
    "#b02078",  # raspberry
)
SHARED = "Models of one architecture share a colour. "
# Dashes of the lines of one chart, in addition to their colour.
LINE_DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))

# The models of this repository have the same colour in every grid. The variants of zoo-gpt2 share
# the colours of the first models: they are never drawn together.
OWN_MODELS = (
    *("minilm-l6", "smollm2-135m"),
    *("zoo-distilbert", "zoo-bert", "zoo-roberta"),
    *("zoo-opt", "zoo-gpt2", "zoo-falcon", "zoo-llama"),
    "distilbert-grammar",
    *("zoo-gpt2-off-by-one", "zoo-gpt2-sigmoid", "zoo-gpt2-learned-sink", "zoo-gpt2-gated"),
)

# Tokens that open a text (bos, cls) share a colour, and so do tokens that close it (sep, eos).
CLASS_COLOURS = {
    "bos": "#0072b2",
    "cls": "#0072b2",
    "sep": "#d55e00",
    "eos": "#d55e00",
    "mask": "#cc79a7",
    "first": "#009e73",
    "terminator": "#8e44dd",
    "punctuation": "#c08a00",
    "newline": "#4da3d9",
    "space": "#606078",
    "number": "#8c4a2b",
    "word": "#8a8f98",
}

KEY_SET_COLOURS = {
    **{name: CLASS_COLOURS[name] for name in ("bos", "cls", "sep", "eos", "mask")},
    "first_token": CLASS_COLOURS["first"],
    "first_terminator": CLASS_COLOURS["terminator"],
    "listed_sinks": "#b5a642",
    "sinks": "#8a8f98",
}

# Parts of a bar of the opening picture: key 0, other special tokens, other tokens of the text.
PART_COLOURS = {"first": "#2f7fc0", "special": "#8a8f98", "text": "#d55e00"}

# Widths 1 to 5 of the local window, one hue from light to dark.
WIDTH_COLOURS = ("#a6cfec", "#7db4de", "#559acd", "#3380b9", "#1a66a0")

# From no attention (paper) to all of it (navy): yellow, green and blue of falling lightness.
# Thumbnails, full maps, charts and legends all read these stops.
HEAT_STOPS = (
    "#fdfcf8",
    "#eef5cd",
    "#c9e8b8",
    "#8ad2bb",
    "#48b5c4",
    "#2490bf",
    "#2566ac",
    "#243d94",
    "#0a1a50",
)
# Heat maps are linear: no attention has the first stop, all of it the last. On the logarithmic
# scale, an option of single maps, HEAT_FLOOR or less has the first stop; it shows what is not a
# sink.
HEAT_FLOOR = 1e-3


def model_place(models: Sequence[str], model: str) -> int:
    """Index of a model's colour: fixed for OWN_MODELS, else the next free one.

    models: all models of the tables, sorted. After the last colour the first is used again.
    """
    places = {name: OWN_MODELS.index(name) for name in models if name in OWN_MODELS}
    free_places = (place for place in itertools.count() if place not in places.values())
    return (places | {name: next(free_places) for name in models if name not in places})[model]


def model_colour(models: Sequence[str], model: str) -> str:
    return MODEL_COLOURS[model_place(models, model) % len(MODEL_COLOURS)]


def model_colours(models: Mapping[str, str]) -> dict[str, str]:
    """The colour of each model. models: model to architecture. If there are too many models
    (share_colours), all models of one architecture have the same, the commonest architecture the
    first."""
    if not share_colours(models):
        return {name: model_colour(sorted(models), name) for name in models}
    counts = Counter(models.values())
    kinds = sorted(counts, key=lambda kind: (-counts[kind], kind))
    return {
        name: MODEL_COLOURS[kinds.index(kind) % len(MODEL_COLOURS)] for name, kind in models.items()
    }


def share_colours(models: Sized) -> bool:
    """Whether there are too many models for one colour each: more than this repository has, whose
    models of the same colour are never drawn together."""
    return len(models) > len(OWN_MODELS)


def rgb(colour: str) -> tuple[int, int, int]:
    """'#0072b2' as (0, 114, 178)."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def heat_table() -> np.ndarray:
    """[256, 3] uint8: the stops, joined by straight lines in RGB."""
    stops = np.array([rgb(stop) for stop in HEAT_STOPS], dtype=float)
    at = np.linspace(0, len(stops) - 1, 256)
    columns = [np.interp(at, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    return np.stack(columns, -1).round().astype(np.uint8)


def heat_index(attention: np.ndarray, *, log: bool = False) -> np.ndarray:
    """Entry of heat_table, uint8, of attention between 0 and 1 on the linear or logarithmic
    scale."""
    if not log:
        return (np.clip(attention, 0, 1) * 255).round().astype(np.uint8)
    decades = np.log10(np.clip(attention, HEAT_FLOOR, 1)) - np.log10(HEAT_FLOOR)
    return (decades / -np.log10(HEAT_FLOOR) * 255).round().astype(np.uint8)
