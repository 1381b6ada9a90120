"""The exceptions that a user is meant to read."""

from __future__ import annotations


class SinkscopeError(Exception):
    """One clear sentence: the file, row or model, what is wrong, and what to do about it."""


class ModelError(SinkscopeError):
    """A fault of the model itself, which every document would meet."""
