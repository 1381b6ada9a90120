"""Tokenizers of the zoo: three vocabularies learned from the corpus, used by seven families."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

# Characters of the corpus that vocabularies are learned from: more do not change frequent pieces.
SAMPLE = 30_000_000
N_BYTES = 256


def sample(texts: Sequence[str], seed: int) -> list[str]:
    """Documents in random order, up to SAMPLE characters."""
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)
    chosen: list[str] = []
    n_characters = 0
    for i in order:
        if n_characters > SAMPLE:
            break
        chosen.append(texts[i])
        n_characters += len(texts[i])
    return chosen


def alphabet(texts: Iterable[str], size: int) -> list[str]:
    """The `size` most frequent characters, ties to the lowest, sorted.

    The trainers choose them too, but among equally frequent ones their choice varies between runs.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    known = [(-count, char) for char, count in counts.items() if not char.isspace()]
    return sorted(char for _, char in sorted(known)[:size])


def without_added(tokenizer: Tokenizer, special: Sequence[str]) -> Tokenizer:
    """The tokenizer without added tokens other than the special ones: the rest are pieces."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] in special]
    return Tokenizer.from_str(json.dumps(content))


def learn_wordpiece(texts: Sequence[str], size: int) -> Tokenizer:
    """Lower-case WordPiece, as in BERT uncased."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    normalizer = tokenizer.normalizer
    letters = alphabet((normalizer.normalize_str(text) for text in texts), 200)
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        # Listed here, inner letters get fixed ids, which decide between equally frequent pairs.
        special_tokens=special + [f"##{letter}" for letter in letters],
        show_progress=False,
    )
    # Paragraph by paragraph: no word spans two paragraphs.
    tokenizer.train_from_iterator((p for text in texts for p in text.split("\n")), trainer)
    return without_added(tokenizer, special)


def learn_byte_bpe(texts: Sequence[str], size: int) -> Tokenizer:
    """Byte-level BPE as in GPT-2; ids for six special tokens are left free."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 6,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def learn_llama_bpe(texts: Sequence[str], size: int) -> Tokenizer:
    """BPE with ▁ for spaces, single digits, and bytes for characters without a piece."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=True),
            pre_tokenizers.Digits(individual_digits=True),
            # A full stop is always a separate token.
            pre_tokenizers.Split(Regex(r"[^\w\s▁]|\n"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = ["<unk>", "<s>", "</s>"]
    letters = alphabet((text.replace(" ", "▁") for text in texts), 120)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        special_tokens=special + [f"<0x{i:02X}>" for i in range(N_BYTES)],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # The bytes are pieces, not special tokens: the text "<0x0A>" is not a line end.
    return without_added(tokenizer, special)


LEARN: dict[str, Callable[[Sequence[str], int], Tokenizer]] = {
    "wordpiece": learn_wordpiece,
    "byte_bpe": learn_byte_bpe,
    "llama_bpe": learn_llama_bpe,
}


def _bert(pieces: Tokenizer) -> PreTrainedTokenizerFast:
    _template(pieces, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", "[CLS]", "[SEP]")
    return _wrapped(pieces, unk="[UNK]", pad="[PAD]", cls="[CLS]", sep="[SEP]", mask="[MASK]")


def _roberta(pieces: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer = _with_special(pieces, ["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"])
    _template(tokenizer, "<s> $A </s>", "<s> $A </s> </s> $B </s>", "<s>", "</s>")
    names = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>"}
    return _wrapped(tokenizer, unk="<unk>", pad="<pad>", mask="<mask>", **names)


def _opt(pieces: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer = _with_special(pieces, ["<s>", "<pad>", "</s>", "<unk>"], [])
    _template(tokenizer, "</s> $A", "</s> $A </s> $B", "</s>")
    return _wrapped(tokenizer, bos="</s>", eos="</s>", unk="</s>", pad="<pad>")


def _gpt2(pieces: Tokenizer) -> PreTrainedTokenizerFast:
    tokenizer = _with_special(pieces, [], ["<|endoftext|>"])
    return _wrapped(tokenizer, bos="<|endoftext|>", eos="<|endoftext|>", unk="<|endoftext|>")


def _llama(pieces: Tokenizer) -> PreTrainedTokenizerFast:
    _template(pieces, "<s> $A", "<s> $A <s> $B", "<s>")
    return _wrapped(pieces, bos="<s>", eos="</s>", unk="<unk>")


STYLES: dict[str, Callable[[Tokenizer], PreTrainedTokenizerFast]] = {
    "distilbert": _bert,
    "bert": _bert,
    "roberta": _roberta,
    "opt": _opt,
    "gpt2": _gpt2,
    "falcon": _gpt2,
    "llama": _llama,
}


def _with_special(pieces: Tokenizer, first: list[str], last: list[str]) -> Tokenizer:
    """A copy of the vocabulary with special tokens in front of and behind its pieces."""
    content = json.loads(pieces.to_str())
    by_id = sorted(content["model"]["vocab"].items(), key=lambda item: item[1])
    names = [*first, *(piece for piece, _ in by_id), *last]
    content["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens(
        [
            AddedToken(name, special=True, normalized=False, lstrip=name == "<mask>")
            for name in first + last
        ]
    )
    return tokenizer


def _template(tokenizer: Tokenizer, single: str, pair: str, *special: str) -> None:
    ids = [(name, tokenizer.token_to_id(name)) for name in special]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=ids
    )


def _wrapped(tokenizer: Tokenizer, **special: str) -> PreTrainedTokenizerFast:
    names: dict[str, Any] = {f"{role}_token": token for role, token in special.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **names
    )


def make_tokenizers(texts: Sequence[str], size: int, seed: int, out: Path) -> None:
    """Learn the vocabularies and write the tokenizer of every family into a folder of `out`."""
    from sinkscope.zoo.families import FAMILIES

    documents = sample(texts, seed)
    learned = {name: learn(documents, size) for name, learn in LEARN.items()}
    for family, style in STYLES.items():
        # A copy: every style sets different special tokens and a different template.
        pieces = Tokenizer.from_str(learned[FAMILIES[family].pieces].to_str())
        style(pieces).save_pretrained(out / family)
