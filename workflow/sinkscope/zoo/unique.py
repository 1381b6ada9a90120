"""Deduplication: paragraphs that did not occur before, exactly or nearly."""

import hashlib
import re

SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+")
OTHER = re.compile(r"[^a-z]+")
SHORTEST = 24  # letters: shorter sentences ("What is this?") agree by chance


class Unique:
    """Remembers the sentences of all paragraphs it was given."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def is_new(self, paragraph: str) -> bool:
        """Whether more than half of the letters are in sentences that did not occur before.

        Sentences are compared by letters only: copies differ in numbers, spaces and marks, and
        boilerplate repeats with one sentence changed.
        """
        sentences = _sentences(paragraph)
        keys = [_key(letters) for letters in sentences]
        new = sum(
            len(letters)
            for letters, key in zip(sentences, keys, strict=True)
            if key not in self._keys
        )
        self._keys.update(keys)
        return 2 * new > sum(map(len, sentences))


def keys_of(paragraph: str) -> frozenset[bytes]:
    """Keys of the paragraph and of its sentences, if they are long enough to identify a copy.

    Two texts with a key in common share text.
    """
    sentences = _sentences(paragraph)
    parts = ["".join(sentences), *sentences]
    return frozenset(_key(letters) for letters in parts if len(letters) >= SHORTEST)


def _sentences(paragraph: str) -> list[str]:
    """The letters of each sentence."""
    parts = (OTHER.sub("", part.lower()) for part in SENTENCE_END.split(paragraph))
    return [letters for letters in parts if letters]


def _key(letters: str) -> bytes:
    return hashlib.blake2b(letters.encode(), digest_size=8).digest()
