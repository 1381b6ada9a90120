"""Cleaning of every text of the corpus: one spelling, and prose only."""

import re
import unicodedata

# One sign per meaning: a small vocabulary should not hold four quotation marks.
SIGNS = {
    ord(sign): plain
    for plain, signs in {
        "'": "\u2018\u2019\u201a\u201b",
        '"': "\u201c\u201d\u201e\u00ab\u00bb",
        "-": "\u2010\u2011\u2012\u2013\u2212",
        " -- ": "\u2014\u2015",
        " ": "\u2022\u2192\u00b6",  # bullets and arrows are layout
        "": "\u00ad\u200b\u200c\u200d\u2060\ufeff\ufffd",  # soft hyphens, invisible characters
    }.items()
    for sign in signs
}
UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ue000-\uf8ff]")
WORD = re.compile(r"[a-z']+")
# The most frequent English words: a quarter of the words of English prose. Tables, signatures,
# lists of names and other languages have few.
COMMON = """
a an and are as at be but by for from had has have he her his i in is it not of on or that the
they this to was we were which with you
"""
COMMON_WORDS = frozenset(COMMON.split())

SHORTEST = 50  # characters: shorter paragraphs are headings, captions and labels
FEWEST_WORDS = 8
FEWEST_COMMON = 2
COMMON_SHARE = 0.12
LETTER_SHARE = 0.82
FOREIGN_SHARE = 0.02
LONGEST_WORD = 60


def normalise(paragraph: str) -> str:
    """One spelling: Unicode's compatible form, plain quotes and dashes, single spaces.

    Applying it twice changes nothing more.
    """
    plain = UNSEEN.sub("", paragraph.translate(SIGNS))
    plain = unicodedata.normalize("NFKC", plain).translate(SIGNS)
    return " ".join(plain.split())


def is_prose(paragraph: str) -> bool:
    """Whether a normalised paragraph is English prose, by simple counts.

    Code, formulas and tables have few letters; signatures and lists have few common words; other
    scripts have many characters beyond ASCII; addresses and paths have overlong words.
    """
    size = len(paragraph)
    if size < SHORTEST:
        return False
    if sum(map(paragraph.count, " \t")) + sum(map(str.isalpha, paragraph)) < LETTER_SHARE * size:
        return False
    if size - len(paragraph.encode("ascii", errors="ignore")) > FOREIGN_SHARE * size:
        return False
    words = WORD.findall(paragraph.lower())
    common = sum(word in COMMON_WORDS for word in words)
    if len(words) < FEWEST_WORDS or common < max(FEWEST_COMMON, COMMON_SHARE * len(words)):
        return False
    return max(map(len, paragraph.split())) <= LONGEST_WORD
