"""Masks by name: which keys a query may attend to, written as a sum of sets of keys.

A mask is a text such as `sinks+window(16)` or `dense-sinks@4`:
  dense               all keys that the model lets the query see
  window(w)           keys fewer than w tokens away from the query, itself included
  first(k)            the first k tokens
  sinks               keys that are sinks of the layer in the dense pass over the same text
  special, ...        the keys of a listed key set (sinkscope.keys.LISTED_SETS)
  random(r)           r random keys per query beside the others, the same order in all layers
  random_per_layer(r) the same, drawn anew in every layer
`+` adds a set and `-` takes one away, whatever the order; `@L` leaves layers below L dense. Keys
that the model hides from a query stay hidden, and every query keeps itself.
"""

import re
from dataclasses import dataclass

from sinkscope.keys import KEY_SETS

SIZED = ("window", "first", "random", "random_per_layer")
RANDOM = ("random", "random_per_layer")
PLAIN = ("dense", *KEY_SETS)

_NAME = rf"(?:(?:{'|'.join(PLAIN)})|(?:{'|'.join(SIZED)})\([1-9][0-9]{{0,5}}\))"
PATTERN = rf"^{_NAME}(?:[+-]{_NAME})*(?:@[0-9]{{1,4}})?$"


@dataclass(frozen=True)
class Term:
    """A set of keys: its name and, for those of SIZED, its size."""

    name: str
    size: int = 0

    @property
    def is_keys(self) -> bool:
        """Whether it is a set of keys of the text, the same for every query."""
        return self.name == "first" or self.name in KEY_SETS


@dataclass(frozen=True)
class Mask:
    """add, remove: the terms after + and after -. from_layer: layers below stay dense."""

    text: str
    add: tuple[Term, ...]
    remove: tuple[Term, ...]
    from_layer: int

    @property
    def is_dense(self) -> bool:
        return Term("dense") in self.add and not self.remove

    @property
    def has_control(self) -> bool:
        """Whether it has a set of keys that a control can replace by random keys."""
        return any(term.is_keys for term in (*self.add, *self.remove)) and not self.is_dense


def parse(text: str) -> Mask:
    """text: matches PATTERN."""
    terms, _, layer = text.partition("@")
    signed = [
        (sign, Term(name, int(size or 0)))
        for sign, name, size in re.findall(r"([+-]|^)(\w+)(?:\((\d+)\))?", terms)
    ]
    return Mask(
        text,
        tuple(term for sign, term in signed if sign != "-"),
        tuple(term for sign, term in signed if sign == "-"),
        int(layer or 0),
    )
