"""The exceptions that a user is meant to read."""

from __future__ import annotations


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
