"""Definitions of a dictionary in the format of the DICT servers (dictd), as sentences."""

from __future__ import annotations

import re

from sinkscope.zoo.readers.plain import decoded

ENTRY = re.compile(r"\n(?=\S)")  # a headword starts its line, its definitions are indented
SENSE = re.compile(r"(?:^|\n)\s+(?:(?:n|v|adj|adv)\s+)?\d+:\s|(?:^|\n)\s+(?:n|v|adj|adv)\s*:\s")
REFERENCES = re.compile(r"\[(?:syn|ant|also):.*?\]", re.DOTALL)


def read_dictd(data: bytes) -> list[str]:
    """'headword: definition' for every definition.

    Synonyms repeat the definition of their meaning: only the first one is kept.
    """
    definitions: set[str] = set()
    paragraphs = []
    for entry in ENTRY.split(decoded(data)):
        headword, _, body = entry.partition("\n")
        for sense in SENSE.split("\n" + REFERENCES.sub("", body)):
            definition = " ".join(sense.translate({ord("{"): None, ord("}"): None}).split())
            if definition and definition not in definitions:
                definitions.add(definition)
                paragraphs.append(f"{headword.strip()}: {definition}")
    return paragraphs
