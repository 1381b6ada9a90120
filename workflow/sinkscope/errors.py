"""The exceptions that a user is meant to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sinkscope.printable import printable


class SinkscopeError(Exception):
    """One clear sentence: the file, row or model, what is wrong, and what to do about it."""


class ModelError(SinkscopeError):
    """A fault of the model itself, which every document would meet."""


class PassingError(SinkscopeError):
    """A fault of the machine (memory, disk, GPU, network): another attempt may not meet it."""


def error_class(cause: Exception) -> type[SinkscopeError]:
    """The class for a sentence about what a library raised: is the machine at fault?"""
    words = str(cause)
    at_fault = isinstance(cause, MemoryError) or "allocate memory" in words or "CUDA" in words
    return PassingError if at_fault else SinkscopeError


@contextmanager
def collected(problems: list[str]) -> Iterator[None]:
    """Add the sentences of a SinkscopeError within the block to `problems`, and go on after it."""
    try:
        yield
    except SinkscopeError as error:
        problems += str(error).splitlines()


def sentences(error: SinkscopeError) -> str:
    """What is printed of an error: a line for each of its sentences."""
    return "\n".join(f"sinkscope: {printable(line)}" for line in str(error).splitlines())
