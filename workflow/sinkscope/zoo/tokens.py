"""The corpus as token ids: one long stream per family, one document after the other."""

import json
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save
from transformers import PreTrainedTokenizerFast

from sinkscope.errors import SinkscopeError
from sinkscope.files import written
from sinkscope.zoo.families import FAMILIES

# Documents tokenised at once: enough for the tokenizer's threads, little memory.
CHUNK = 2048


@dataclass(frozen=True)
class Stream:
    """ids: uint16 [token]. starts: int64 [document], positions of the document tokens, one in front
    of every document."""

    ids: np.ndarray
    starts: np.ndarray


def read_documents(path: Path) -> Iterator[dict[str, str]]:
    """source, name and text of every document of a corpus file (.jsonl.xz)."""
    if not path.is_file():
        raise SinkscopeError(f"{path}: does not exist; build the corpus first.")
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def load_tokenizer(folder: Path) -> Any:
    if not (folder / "tokenizer.json").is_file():
        raise SinkscopeError(f"{folder}: holds no tokenizer; make the tokenizers first.")
    return PreTrainedTokenizerFast.from_pretrained(folder)


def wrapping(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Special tokens that the tokenizer puts in front of every text, and after it."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    wrapped = tokenizer("a")["input_ids"]
    front = next(i for i in range(len(wrapped)) if wrapped[i : i + len(bare)] == bare)
    return wrapped[:front], wrapped[front + len(bare) :]


def token_stream(texts: Sequence[str], tokenizer: Any, family: str) -> Stream:
    """The texts without special tokens, the family's document token in front of each."""
    document_token = getattr(tokenizer, f"{FAMILIES[family].document_token}_token_id")
    parts: list[np.ndarray] = []
    for first in range(0, len(texts), CHUNK):
        chunk = list(texts[first : first + CHUNK])
        for ids in tokenizer(chunk, add_special_tokens=False, verbose=False)["input_ids"]:
            parts.append(np.array([document_token, *ids], dtype=np.uint16))
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return Stream(np.concatenate(parts), np.cumsum(lengths) - lengths)


def write_stream(corpus: Path, tokenizers: Path, family: str, out: Path) -> None:
    """Tokenise a corpus file for one family."""
    texts = [document["text"] for document in read_documents(corpus)]
    stream = token_stream(texts, load_tokenizer(tokenizers / family), family)
    with written(out) as temporary:
        temporary.write_bytes(save({"ids": stream.ids, "starts": stream.starts}))


def read_stream(path: Path) -> Stream:
    if not path.is_file():
        raise SinkscopeError(f"{path}: does not exist; tokenise the corpus first.")
    return Stream(**load_file(path))
