"""The keys that a mask allows for each query of a text, and those of its control with the same
number of keys."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sinkscope.experiments.masks.vocabulary import RANDOM, Mask, Term

# What random numbers are drawn for: the keys of random(r); those of controls that are allowed, and
# those that are taken away.
RANDOM_KEYS, IN_PLACE, TAKEN_AWAY = range(3)


@dataclass(frozen=True)
class Text:
    """One text. visible: [layer, query, key] bool, what the model lets a query see. sets: by name,
    [layer or 1, key] bool, the keys of each key set. seed: of its random numbers. layers: numbers
    of the layers; None if they count from 0 without gaps."""

    visible: np.ndarray
    sets: Mapping[str, np.ndarray]
    seed: Sequence[int]
    layers: Sequence[int] | None = None

    def priority(self, purpose: int, layer: int) -> np.ndarray:
        """[query, key] random numbers below 2 ** 61; the lowest is drawn first."""
        _, n_queries, n_keys = self.visible.shape
        return priority((*self.seed, purpose, layer), n_queries, n_keys)


# The layers of a mask, and the masks of a text, mostly need the same few.
@functools.lru_cache(maxsize=3)
def priority(seed: tuple[int, ...], n_queries: int, n_keys: int) -> np.ndarray:
    # Raw bits of PCG64: the stream of a bit generator is the same in all versions of NumPy.
    bits = np.random.PCG64(seed).random_raw(n_queries * n_keys)
    return (bits >> np.uint64(3)).astype(np.int64).reshape(n_queries, n_keys)


def allowed(mask: Mask, text: Text, *, control: bool = False) -> np.ndarray:
    """[layer, query, key] bool: the keys that each query may attend to.

    control: the mask with the same number of random keys per query in place of those of its key
    sets, drawn from other keys if the query sees enough.
    """
    of_layer = control_of_layer if control else mask_of_layer
    numbers = range(len(text.visible)) if text.layers is None else text.layers
    layers = [
        of_layer(mask, text, at) if number >= mask.from_layer else text.visible[at]
        for at, number in enumerate(numbers)
    ]
    return np.stack(layers)


def mask_of_layer(mask: Mask, text: Text, layer: int) -> np.ndarray:
    """[query, key] bool."""
    others, own = others_and_own(text.visible[layer])
    removed = union(mask.remove, text, layer, keys=None)
    among = others & ~removed
    kept = among & union(mask.add, text, layer, keys=None)
    for term in mask.add:
        if term.name in RANDOM:
            priority = text.priority(RANDOM_KEYS, 0 if term.name == "random" else layer)
            n_wanted = np.full(len(kept), term.size)
            kept |= drawn(n_wanted, among & ~kept, np.zeros_like(kept), priority)
    return kept | own


def control_of_layer(mask: Mask, text: Text, layer: int) -> np.ndarray:
    """[query, key] bool: the same number of keys per query as the mask."""
    others, own = others_and_own(text.visible[layer])
    among = others & ~union(mask.remove, text, layer, keys=False)
    base = among & union(mask.add, text, layer, keys=False)
    added = among & union(mask.add, text, layer, keys=True) & ~base
    removed = others & union(mask.remove, text, layer, keys=True)
    avoided = added | removed
    kept = base | drawn(added.sum(1), among & ~base, avoided, text.priority(IN_PLACE, 0))
    n_taken = (removed & (base | added)).sum(1)
    kept &= ~drawn(n_taken, kept, avoided, text.priority(TAKEN_AWAY, 0))
    # What is missing are the random keys of the mask itself.
    n_missing = mask_of_layer(mask, text, layer).sum(1) - (kept | own).sum(1)
    per_layer = any(term.name == "random_per_layer" for term in mask.add)
    priority = text.priority(RANDOM_KEYS, layer if per_layer else 0)
    kept |= drawn(n_missing, among & ~kept, avoided, priority)
    return kept | own


def others_and_own(visible: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both [query, key] bool: the other keys that a query sees, and the query itself."""
    own = np.eye(len(visible), dtype=bool) & visible
    return visible & ~own, own


def union(terms: Sequence[Term], text: Text, layer: int, *, keys: bool | None) -> np.ndarray:
    """[query, key] bool: the union of the terms except random ones. keys: only of those that are
    (True) or are not (False) sets of keys of the text."""
    n = text.visible.shape[1]
    place = np.arange(n)
    result = np.zeros((n, n), dtype=bool)
    for term in terms:
        if term.name in RANDOM or keys not in (None, term.is_keys):
            continue
        if term.name == "window":
            result |= np.abs(place[:, None] - place) < term.size
        elif term.name == "first":
            result |= place < term.size
        elif term.name == "dense":
            result |= True
        else:
            of_set = text.sets[term.name]
            result |= of_set[layer if len(of_set) > 1 else 0]
    return result


def drawn(
    n_wanted: np.ndarray, among: np.ndarray, last: np.ndarray, priority: np.ndarray
) -> np.ndarray:
    """[query, key] bool: n_wanted [query] of the keys `among`, or all of them if there are fewer,
    in the order of `priority`; those in `last` only where no others are left."""
    if (n_wanted <= 0).all():
        return np.zeros_like(among)
    order = np.where(among, priority + (last.astype(np.int64) << 61), np.iinfo(np.int64).max)
    # No two of a row are equal but those that are not drawn from, at its end.
    place = np.clip(n_wanted, 1, among.shape[1]) - 1
    highest = np.take_along_axis(np.sort(order, axis=1), place[:, None], axis=1)
    return among & (order <= highest) & (n_wanted > 0)[:, None]
