"""Definitions of a dictionary in the format of the DICT servers (dictd), as sentences."""

from __future__ import annotations

import re

from sinkscope.zoo.readers.plain import decoded

ENTRY = re.compile(r"\n(?=\S)")  # a headword starts its line, its definitions are indented
SENSE = re.compile(r"(?:^|\n)\s+(?:(?:n|v|adj|adv)\s+)?\d+:\s|(?:^|\n)\s+(?:n|v|adj|adv)\s*:\s")
REFERENCES = re.compile(r"\[(?:syn|ant|also):.*?\]", re.DOTALL)


def read_dictd(data: bytes) -> list[str]:
    """'headword: definition' for every definition.

    Words of one meaning each repeat its definition: only the first of them is kept.
    """
    seen: set[str] = set()
    paragraphs = []
    for entry in ENTRY.split(decoded(data)):
        headword, _, body = entry.partition("\n")
        for sense in SENSE.split("\n" + REFERENCES.sub("", body)):
            definition = " ".join(sense.translate({ord("{"): None, ord("}"): None}).split())
            if definition and definition not in seen:
                seen.add(definition)
                paragraphs.append(f"{headword.strip()}: {definition}")
    return paragraphs
