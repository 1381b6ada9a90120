"""Formatting of numbers and names in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

TIMES = "\u00d7"
FEW = 3  # largest number of models that a sentence names individually
KEY_SET_LABELS = {
    "first_token": "first token",
    "first_four": "first four tokens",
    "special": "special tokens",
    "first_terminator": "first terminator",
    "listed_sinks": "listed sinks",
    "sinks": "all sinks",
}


def key_set_label(name: str) -> str:
    return KEY_SET_LABELS.get(name, name)


def key_set_noun(name: str) -> str:
    """'first terminator', 'sep token'."""
    return KEY_SET_LABELS.get(name, f"{name} token")


def percent(share: float) -> str:
    return f"{share:.1%}"


def whole_percent(share: float) -> str:
    """'79 %'; '4.2 %' below 10 %."""
    return f"{share:{'.0%' if share >= 0.0995 else '.1%'}}".replace("%", " %")


def bare(token: str) -> str:
    """A token as it reads in a sentence: without the marks of a space and of a continued word."""
    return token.strip("\u2581").removeprefix("##") or token


def layers(ends: Sequence[int]) -> str:
    """'layer 3', 'layers 3 to 9'; ends: the first and the last."""
    first, last = ends
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def mass(value: float) -> str:
    """Attention mass with two decimals; it is a fraction of 1."""
    return f"{value:z.2f}"


def decimals(value: float, digits: int) -> str:
    """'0.843', '25,134'; what rounds to 0 has no sign."""
    return f"{value:z,.{digits}f}"


def times(value: float, digits: int = 2) -> str:
    """'0.47 \u00d7': a ratio."""
    return f"{decimals(value, digits)} {TIMES}"


def integer(value: int) -> str:
    return f"{value:,}"


def counted(number: int, noun: str) -> str:
    """'1 document', '8 documents'."""
    return f"{integer(number)} {noun}{'' if number == 1 else 's'}"


def spans(numbers: Sequence[int]) -> str:
    """'0 to 3, 7' of ascending whole numbers."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        f"{part[0]} to {part[-1]}" if len(part) > 1 else str(part[0]) for part in parts
    )


def mean_over(n_documents: int) -> str:
    """The end of a sentence about a mean; empty for a single document."""
    return f", mean over {counted(n_documents, 'document')}" if n_documents > 1 else ""


def estimate(
    value: float, low: float | None = None, high: float | None = None, form: str = ".2f"
) -> str:
    """'0.38 [0.31, 0.44]': a mean with its interval, if there is one; what rounds to 0 has no
    sign."""
    interval = "" if low is None or high is None else f" [{low:z{form}}, {high:z{form}}]"
    return f"{value:z{form}}{interval}"


def percent_estimate(value: float, low: float | None = None, high: float | None = None) -> str:
    """'38.1% [31.0%, 44.2%]'."""
    return estimate(value, low, high, ".1%")


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
    """'12', or '12 to 3,400' if the values differ."""
    low, high = min(values), max(values)
    return integer(low) if low == high else f"{integer(low)} to {integer(high)}"


def attention_label(attention: str) -> str:
    """Readable name of the function that turns logits into attention."""
    return attention.replace("_", " ").replace("off by one", "off-by-one")


def joined(phrases: Sequence[str]) -> str:
    """One sentence of phrases that begin in lower case."""
    text = "; ".join(phrases)
    return f"{text[:1].upper()}{text[1:]}."


def window_text(window: int | None) -> str:
    """The part of a document that a sink rate covers; window as in the table sink_rate."""
    return "whole documents" if window is None else f"the first {window} tokens"


def models_or_number(names: Sequence[str]) -> str:
    """The models by name, or their number if there are more than FEW."""
    return listed(names) if len(names) <= FEW else counted(len(names), "model")


def names(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """The models that a list of facts is about."""
    return [entry["model"] for entry in entries]


def phrased(entries: Iterable[Mapping[str, Any]], phrase: str) -> list[str]:
    """A phrase for each entry of a list of facts; '{layer}' and '{mass:.2f}' stand for values."""
    return [phrase.format(**entry) for entry in entries]


def separator(place: int, n: int) -> str:
    """Separator before item `place` (from 1) of a list of n: nothing, a comma, or 'and'."""
    return "" if place == 1 else " and " if place == n else ", "


def spread(values: Iterable[float | None], form: str) -> str:
    """'0.52', or '0.52 to 0.87'; empty if no value is known. form: such as '.2f'."""
    known = sorted(value for value in values if value is not None)
    return " to ".join(dict.fromkeys(format(value, form) for value in known[:1] + known[-1:]))


def head_name(entry: Mapping[str, Any]) -> str:
    """entry: facts with model, layer and head."""
    return f"head {entry['head']} of layer {entry['layer']} of {entry['model']}"
