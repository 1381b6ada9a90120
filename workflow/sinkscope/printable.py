"""Characters that a terminal, a page or a figure cannot show as they are: controls steer a
terminal, XML (an SVG figure) does not allow them, and HTML reorders the text around some."""

import re

NONCHARACTERS = "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
# Control characters except the tab and the line feed, line and paragraph separators, controls of
# the writing direction, halves of surrogate pairs, and noncharacters.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    f"{NONCHARACTERS}]"
)


def printable(text: str) -> str:
    """`text` with such characters replaced: ␛ for an escape, `<U+FFFE>` if Unicode has no symbol
    for the character. Tabs and line feeds stay."""
    return UNPRINTABLE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"
