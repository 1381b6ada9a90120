"""Masks by name: the keys that they allow, and their equal-budget controls."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkscope.experiments.masks.allowed import Text, allowed
from sinkscope.experiments.masks.vocabulary import PATTERN, Mask, Term, parse
from sinkscope.measure.prediction import seed_of

MASKS = (
    *("dense", "sinks", "window(3)", "sinks+window(3)", "sinks+window(3)+random(2)"),
    *("dense-sinks", "first(2)+window(4)-sinks", "special+random_per_layer(3)", "window(2)@2"),
    *("dense-window(3)", "sinks+random(4)-first_token@1"),
)


def text(n=12, seed=0, causal=True, sinks=((0,), (0, 5), ()), n_layers=3):
    """A text of n tokens with special tokens at both ends. sinks: those of each layer."""
    seen = np.tril(np.ones((n, n), bool)) if causal else np.ones((n, n), bool)
    is_sink, special = np.zeros((n_layers, n), bool), np.zeros((1, n), bool)
    for layer, keys in enumerate(sinks):
        is_sink[layer, list(keys)] = True
    special[0, [0, n - 1]] = True
    first = np.zeros((1, n), bool)
    first[0, 0] = True
    sets = {"sinks": is_sink, "special": special, "first_token": first}
    return Text(np.tile(seen, (n_layers, 1, 1)), sets, seed_of(seed, "document"))


def keys(mask, made, layer, query, **options):
    return np.flatnonzero(allowed(parse(mask), made, **options)[layer, query]).tolist()


@pytest.mark.parametrize("mask", MASKS)
def test_what_is_written_is_read(mask):
    assert re.match(PATTERN, mask)
    assert parse(mask).text == mask


def test_the_parts_of_a_mask():
    window = Term("window", 3)
    assert parse("dense-sinks") == Mask("dense-sinks", (Term("dense"),), (Term("sinks"),), 0)
    assert parse("sinks+window(3)@4") == Mask("sinks+window(3)@4", (Term("sinks"), window), (), 4)
    assert [mask for mask in MASKS if not parse(mask).has_control] == [
        *("dense", "window(3)", "window(2)@2", "dense-window(3)")
    ]


@pytest.mark.parametrize(
    "mask", ["", "+sinks", "sinks+", "window", "window(0)", "window(-1)", "sinks(3)", "sinks@",
             "nothing", "sinks + window(3)", "dense@1.5", "window(3)x"],
)  # fmt: skip
def test_what_is_no_mask_is_refused(mask):
    assert not re.match(PATTERN, mask)


def test_the_sets_of_keys():
    made = text()
    assert keys("sinks", made, 1, 8) == [0, 5, 8]
    assert keys("sinks", made, 2, 8) == [8]  # no sink in this layer: only itself
    assert keys("window(3)", made, 0, 8) == [6, 7, 8]
    assert keys("first(2)+window(2)", made, 0, 8) == [0, 1, 7, 8]
    assert keys("special", made, 0, 8) == [0, 8]
    assert keys("dense-sinks", made, 1, 6) == [1, 2, 3, 4, 6]
    assert keys("dense-sinks", made, 1, 5) == [1, 2, 3, 4, 5]  # itself, though it is a sink
    assert keys("dense-window(3)", made, 0, 5) == [0, 1, 2, 5]
    assert keys("window(2)@2", made, 1, 4) == [0, 1, 2, 3, 4]
    assert keys("window(2)@2", made, 2, 4) == [3, 4]
    # Layers without attention leave gaps in the numbers.
    gaps = Text(made.visible, made.sets, made.seed, [0, 2, 4])
    assert keys("window(2)@2", gaps, 0, 4) == [0, 1, 2, 3, 4]
    assert keys("window(2)@2", gaps, 1, 4) == [3, 4]
    both = text(causal=False)
    assert keys("window(3)", both, 0, 5) == [3, 4, 5, 6, 7]
    assert keys("special", both, 0, 5) == [0, 5, 11]


def test_random_keys_are_the_same_in_all_layers_or_drawn_anew():
    made = text(n=40, sinks=((), (), ()))
    same = allowed(parse("window(2)+random(5)"), made)
    assert (same == same[0]).all()
    assert (same[0].sum(1) == np.minimum(np.arange(40) + 1, 7)).all()
    anew = allowed(parse("window(2)+random_per_layer(5)"), made)
    assert (anew.sum(2) == same.sum(2)).all()
    assert (anew[0] != anew[1]).any()


def test_the_same_seed_gives_the_same_masks_and_another_does_not():
    mask = parse("sinks+random(3)")
    for control in (False, True):
        one = allowed(mask, text(30, seed=1), control=control)
        assert (one == allowed(mask, text(30, seed=1), control=control)).all()
        assert (one != allowed(mask, text(30, seed=2), control=control)).any()
    other = Text(text(30).visible, text(30).sets, seed_of(0, "another document"))
    assert (allowed(mask, text(30)) != allowed(mask, other)).any()


def test_random_keys_are_what_they_were():
    """Stored numbers: another version of NumPy, or of this code, must not draw others."""
    assert keys("random(3)", text(), 0, 11) == STORED
    assert keys("sinks+window(2)", text(), 1, 11, control=True) == STORED_CONTROL


STORED = [3, 4, 7, 11]
STORED_CONTROL = [4, 7, 10, 11]


def test_a_control_has_other_keys_than_the_sinks():
    made = text(n=40)
    control = allowed(parse("sinks+window(3)"), made, control=True)
    assert not control[1, 10:, [0, 5]].any()
    removed = allowed(parse("dense-sinks"), made, control=True)
    # Each of these queries has lost two keys, and neither is a sink.
    assert (removed[1, 10:].sum(1) == np.arange(10, 40) - 1).all()
    assert removed[1, 10:, [0, 5]].all()


@given(
    st.sampled_from(MASKS), st.integers(2, 25), st.integers(0, 9), st.booleans(),
    st.lists(st.sets(st.integers(0, 24), max_size=6), min_size=3, max_size=3), st.booleans(),
)  # fmt: skip
def test_what_holds_of_every_mask_and_its_control(mask, n, seed, causal, sinks, sliding):
    made = text(n, seed, causal, [[key for key in of if key < n] for of in sinks])
    if sliding:  # a model that hides more than the future
        near = np.abs(np.arange(n)[:, None] - np.arange(n)) < 6
        made = Text(made.visible & near, made.sets, made.seed)
    mask = parse(mask)
    found, control = allowed(mask, made), allowed(mask, made, control=True)
    for kept in (found, control):
        assert not (kept & ~made.visible).any()
        assert kept[:, np.arange(n), np.arange(n)].all()
    assert (found.sum(2) == control.sum(2)).all()
    below = mask.from_layer
    assert (found[:below] == made.visible[:below]).all()
    if not mask.has_control:
        assert (found == control).all()
