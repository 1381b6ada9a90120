"""Numbers and names as sentences show them."""

from __future__ import annotations

from collections.abc import Sequence

TIMES = "\u00d7"
KEY_SET_LABELS = {
    "first_token": "first token",
    "first_four": "first four tokens",
    "special": "special tokens",
    "first_terminator": "first terminator",
    "sinks": "all sinks",
}


def key_set_label(name: str) -> str:
    return KEY_SET_LABELS.get(name, name)


def percent(share: float) -> str:
    return f"{share:.1%}"


def mass(value: float) -> str:
    """Attention mass, two decimals: it is a part of 1."""
    return f"{value:.2f}"


def integer(value: int) -> str:
    return f"{value:,}"


def counted(number: int, noun: str) -> str:
    """'1 document', '8 documents'."""
    return f"{integer(number)} {noun}{'' if number == 1 else 's'}"


def mean_over(n_documents: int) -> str:
    """The end of a sentence about a mean; nothing where there is one document only."""
    return f", mean over {counted(n_documents, 'document')}" if n_documents > 1 else ""


def token(text: str, key_class: str) -> str:
    return f"“{text}” ({key_class})"


def listed(items: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def tokens_trained(number: int) -> str:
    """'1.3 million tokens', '820,000 tokens'."""
    if number >= 1_000_000_000:
        return f"{number / 1e9:.3g} billion tokens"
    if number >= 1_000_000:
        return f"{number / 1e6:.3g} million tokens"
    return f"{integer(number)} tokens"


def ranged(values: Sequence[int]) -> str:
    """'12', or '12 to 3,400' where they differ."""
    low, high = min(values), max(values)
    return integer(low) if low == high else f"{integer(low)} to {integer(high)}"


def attention_label(attention: str) -> str:
    """What turns logits into attention, as a reader says it."""
    return attention.replace("_", " ").replace("off by one", "off-by-one")


def joined(phrases: Sequence[str]) -> str:
    """One sentence of phrases that begin in lower case."""
    text = "; ".join(phrases)
    return f"{text[:1].upper()}{text[1:]}."


def window_text(window: int | None) -> str:
    """What part of a document a sink rate covers; window as in the table sink_rate."""
    return "whole documents" if window is None else f"the first {window} tokens"
