"""Markdown tables of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that ends with an empty line. Cells are written as they are."""
    lines = [f"| {' | '.join(line)} |" for line in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join([*lines, ""])


def escaped(text: str) -> str:
    """A text, escaped for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("_", "\\_").replace("<", "&lt;")
