"""Documents of a benchmark, composed of sentences of the shipped corpus."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from sinkscope.documents import Document
from sinkscope.extract.model import Loaded
from sinkscope.extract.sentences import sentence_ends
from sinkscope.shipped import SHIPPED


def make_documents(loaded: Loaded, n: int, lengths: range, seed: int = 0) -> list[Document]:
    """n different documents of sentences in random order, cut at both ends. Their lengths in
    tokens, special ones included, are in `lengths`. The same arguments give the same texts."""
    generator = random.Random(seed)
    sentences = shipped_sentences()
    n_special = n_tokens(loaded, "")
    costs = costs_of(loaded, {word for sentence in sentences for word in sentence})
    texts: dict[str, None] = {}  # in order
    while len(texts) < n:
        budget = generator.choice(lengths) - n_special
        words: list[str] = []
        for word in random_words(sentences, generator):
            budget -= costs[word]
            if budget < 0:
                break
            words.append(word)
        text = " ".join(words)
        if n_tokens(loaded, text) in lengths:  # the last word left out may have been a long one
            texts[text] = None
    return [Document(f"text-{i:06d}", "bench", None, text) for i, text in enumerate(texts)]


def shipped_sentences() -> list[list[str]]:
    """The words of each sentence of the corpus."""
    sentences = []
    for path in sorted((SHIPPED / "corpus").glob("*.txt")):
        text = path.read_text(encoding="utf-8").removeprefix("Z ")
        start = 0
        for end in sentence_ends(text):
            sentences.append(text[start : end + 1].split())
            start = end + 1
    return sentences


def random_words(sentences: Sequence[list[str]], generator: random.Random) -> Iterator[str]:
    """Words without end: the rest of one sentence from a random word on, then whole sentences."""
    first = generator.choice(sentences)
    yield from first[generator.randrange(len(first)) :]
    while True:
        yield from generator.choice(sentences)


def n_tokens(loaded: Loaded, text: str) -> int:
    return len(ids_of(loaded, [text])[0])


def ids_of(loaded: Loaded, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of each text, from one call of the tokenizer."""
    special = loaded.row.add_special_tokens != "false"
    output: Any = loaded.tokenizer(list(texts), add_special_tokens=special)
    return output["input_ids"]


def costs_of(loaded: Loaded, words: set[str]) -> dict[str, int]:
    """The number of tokens that each word adds to a text."""
    listed = sorted(words)
    alone, *longer = ids_of(loaded, ["a", *(f"a {word}" for word in listed)])
    return {word: len(ids) - len(alone) for word, ids in zip(listed, longer, strict=True)}
