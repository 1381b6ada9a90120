"""The exceptions that a user is meant to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sinkscope.printable import printable


class SinkscopeError(Exception):
    """One clear sentence: the file, row or model, what is wrong, and what to do about it.

    document: the one that the sentence is about, where it is about one.
    """

    def __init__(self, sentence: str, document: str | None = None) -> None:
        super().__init__(sentence)
        self.document = document


class ModelError(SinkscopeError):
    """A fault of the model itself, which every document would meet."""


class PassingError(SinkscopeError):
    """A fault of the machine (memory, disk, GPU, network): another attempt may not meet it."""


class DocumentsError(PassingError):
    """Faults of the machine that some documents of a job met. of_document: its error by name."""

    def __init__(self, of_document: Mapping[str, SinkscopeError]) -> None:
        super().__init__("\n".join(str(error) for error in of_document.values()))
        self.of_document = dict(of_document)


class DamagedError(SinkscopeError):
    """A result that is not what its job wrote. path: of the file that is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; run again, and it is made again.")
        self.path = path


def error_class(cause: Exception) -> type[SinkscopeError]:
    """The class for a sentence about what a library raised: is the machine at fault?"""
    words = str(cause)
    at_fault = isinstance(cause, MemoryError) or "allocate memory" in words or "CUDA" in words
    return PassingError if at_fault else SinkscopeError


def about(document: str, error: SinkscopeError) -> SinkscopeError:
    """An error that a document met, of the same class, with a sentence that names the document."""
    if error.document == document:
        return error
    return type(error)(f"document '{document}': {error}", document)


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
