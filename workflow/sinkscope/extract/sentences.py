"""Where sentences end: the rules of Unicode Standard Annex #29, with three tailorings.

Rules SB3 to SB11 on the property Sentence_Break: a full stop does not end a sentence before a digit
(`3.5`), between letters (`example.com`), or where a lower-case letter follows (`etc. and`); `?`,
`!`, `。`, `؟`, `।` always do, but for a run of marks, of which the last one ends it. Tailored: `…`
is read as `...`; a full stop after a one-letter word (`U.S.`, `e.g.`, `J. Smith`) ends a sentence
only at the end of a line or of the text; in a text without capital letters, a lower-case letter
after a full stop does not continue the sentence. As a consequence, `We chose plan B. Then ...` is
one sentence, and `etc. and` is two in a lower-case text. Source:
https://www.unicode.org/reports/tr29/#Sentence_Boundaries
"""

from __future__ import annotations

import regex

_STOP = r"[\p{SB=ATerm}…]"
_MARK = r"[\p{SB=ATerm}\p{SB=STerm}…]"
_IGNORED = r"[\p{SB=Extend}\p{SB=Format}]*"  # SB5
_AFTER = rf"{_IGNORED}(?:\p{{SB=Close}}{_IGNORED})*(?:\p{{SB=Sp}}{_IGNORED})*"
_LINE_END = r"(?:[\p{SB=Sep}\p{SB=CR}\p{SB=LF}]|\Z)"
_UNDECIDED = (
    r"[^\p{SB=OLetter}\p{SB=Upper}\p{SB=Lower}\p{SB=Sep}\p{SB=CR}\p{SB=LF}"
    r"\p{SB=ATerm}\p{SB=STerm}…]"
)
# Neither `can't.` nor `1990s.` ends in a one-letter word.
_ONE_LETTER = r"(?<![\p{L}\p{M}\p{N}]|[\p{L}\p{M}\p{N}][-'\u2019])\p{L}\p{M}*"

_CASED = r"[\p{SB=Upper}\p{SB=Lower}]"

_MARKS = regex.compile(_MARK)
_LOWER_FOLLOWS = rf"(?! {_UNDECIDED}* \p{{SB=Lower}} )"  # SB8
_IN_A_NAME = rf"(?! (?<= \p{{SB=Lower}}{_IGNORED}{_STOP} ) {_IGNORED} \p{{SB=Lower}} )"


def _ends(unless: str) -> regex.Pattern[str]:
    """unless: one more thing that keeps a full stop from ending a sentence."""
    return regex.compile(
        rf"""
        (?: \p{{SB=STerm}}
          | {_STOP}
            (?! {_IGNORED} \p{{SB=Numeric}} )                                # SB6
            (?! (?<= {_CASED}{_IGNORED}{_STOP} ) {_IGNORED} \p{{SB=Upper}} )  # SB7
            {unless}
            (?! (?<= {_ONE_LETTER}{_STOP} ) (?! {_AFTER}{_LINE_END} ) )
        )
        (?! {_AFTER} [\p{{SB=SContinue}}\p{{SB=ATerm}}\p{{SB=STerm}}…] )      # SB8a
        """,
        regex.VERBOSE,
    )


_CAPITAL = regex.compile(r"\p{SB=Upper}")
_ENDS, _ENDS_WITHOUT_CASE = _ends(_LOWER_FOLLOWS), _ends(_IN_A_NAME)


def sentence_ends(text: str) -> list[int]:
    """Rising positions of the marks that end a sentence; of a run (`?!`, `. . .`) that of the
    last."""
    ends = _ENDS if _CAPITAL.search(text) else _ENDS_WITHOUT_CASE
    return [match.start() for match in ends.finditer(text)]


def end_marks(text: str) -> list[str]:
    """All marks in a text that can end a sentence, whether or not they do."""
    return _MARKS.findall(text)
