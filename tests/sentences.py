"""What a sentence says, whatever its wording: its numbers, its quoted tokens, and names."""

import re


def said(text: str, *names: str) -> list[str]:
    """Numbers, tokens in quotation marks and these names, in the order of the text."""
    words = "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names)
    number = r"(?<![\w.])-?\d+(?:[.,]\d+)*"
    return re.findall("|".join(part for part in (words, "“.*?”", number) if part), text)
