"""The exceptions whose messages are written for users."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sinkscope.printable import printable


class SinkscopeError(Exception):
    """One clear sentence: the file, row or model, what is wrong, and what to do about it. document:
    name of the document with the error, if it concerns a single one."""

    def __init__(self, sentence: str, document: str | None = None) -> None:
        super().__init__(sentence)
        self.document = document


class ModelError(SinkscopeError):
    """A fault of the model itself, which affects every document."""


class PassingError(SinkscopeError):
    """A fault of the machine (memory, disk, GPU, network): another attempt may succeed."""


class DocumentsError(PassingError):
    """Faults of the machine for some documents of a job. of_document: error by document name."""

    def __init__(self, of_document: Mapping[str, SinkscopeError]) -> None:
        super().__init__("\n".join(str(error) for error in of_document.values()))
        self.of_document = dict(of_document)


class DamagedError(SinkscopeError):
    """A result that differs from what its job wrote. path: the damaged file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; run again to compute it again.")
        self.path = path


def error_class(cause: Exception) -> type[SinkscopeError]:
    """PassingError if the machine is at fault for a library's exception, else SinkscopeError."""
    words = str(cause)
    at_fault = isinstance(cause, MemoryError) or "allocate memory" in words or "CUDA" in words
    return PassingError if at_fault else SinkscopeError


def about(document: str, error: SinkscopeError) -> SinkscopeError:
    """The error with a sentence that names the document, in the same class."""
    if error.document == document:
        return error
    return type(error)(f"document '{document}': {error}", document)


@contextmanager
def collected(problems: list[str]) -> Iterator[None]:
    """Catch a SinkscopeError of the block and add its sentences to `problems`."""
    try:
        yield
    except SinkscopeError as error:
        problems += str(error).splitlines()


def sentences(error: SinkscopeError) -> str:
    """The error as it is printed: one line per sentence."""
    return "\n".join(f"sinkscope: {printable(line)}" for line in str(error).splitlines())
