"""Tiny random models of every family, with attention that is far from uniform."""

import itertools
import string
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    BertConfig,
    DistilBertConfig,
    FalconConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)
from transformers.models.bertweet.tokenization_bertweet import BertweetTokenizer
from transformers.models.clip.tokenization_clip import CLIPTokenizer
from transformers.models.esm.tokenization_esm import EsmTokenizer
from transformers.models.herbert.tokenization_herbert import HerbertTokenizer
from transformers.models.phobert.tokenization_phobert import PhobertTokenizer

from sinkscope.config import ModelRow, Settings
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.model import Loaded
from sinkscope.extract.streaming import Workspace

ROOT = Path(__file__).parents[1]
VOCABULARY = 100
PAD = 1
LONGEST = 96  # positions
COMMON = {"vocab_size": VOCABULARY, "pad_token_id": PAD}

CONFIGS = {
    "distilbert": DistilBertConfig(
        **COMMON, dim=32, hidden_dim=64, n_layers=3, n_heads=4,
        max_position_embeddings=LONGEST, initializer_range=0.3,
    ),
    "bert": BertConfig(
        **COMMON, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=LONGEST, initializer_range=0.3,
    ),
    "roberta": RobertaConfig(
        **COMMON, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=3, max_position_embeddings=LONGEST + 2, initializer_range=0.25,
    ),
    "opt": OPTConfig(
        **COMMON, hidden_size=32, word_embed_proj_dim=32, ffn_dim=64, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=LONGEST, init_std=0.3, dropout=0.0,
    ),
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=LONGEST,
        initializer_range=0.3, bos_token_id=0, eos_token_id=0,
    ),
    "falcon-alibi": FalconConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
        alibi=True, multi_query=False, parallel_attn=False, bias=True, initializer_range=0.3,
        max_position_embeddings=LONGEST, bos_token_id=0, eos_token_id=0,
    ),
    "falcon-rotary": FalconConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
        alibi=False, multi_query=True, parallel_attn=True, bias=False, initializer_range=0.3,
        max_position_embeddings=LONGEST, bos_token_id=0, eos_token_id=0,
    ),
    "llama": LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=48, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=6, num_key_value_heads=2, max_position_embeddings=LONGEST,
        initializer_range=0.2, bos_token_id=0, eos_token_id=0,
    ),
}  # fmt: skip
NAMES = list(CONFIGS)
ENCODERS = ("distilbert", "bert", "roberta")
DECODERS = tuple(name for name in NAMES if name not in ENCODERS)


def network(name, attention="sdpa", **changes):
    """The same weights at every call, whatever the implementation of attention."""
    torch.manual_seed(7)
    config = type(CONFIGS[name]).from_dict({**CONFIGS[name].to_dict(), **changes})
    return AutoModel.from_config(config, attn_implementation=attention).eval().requires_grad_(False)


def row(model="tiny", source="path:tiny", **changes):
    return replace(ModelRow(model, source, None, "float32", "cpu", None, "auto"), **changes)


def loaded(name, tokenizer=None, attention="sdpa"):
    family = "encoder" if name in ENCODERS else "decoder"
    n_ids = VOCABULARY if tokenizer is None else max(VOCABULARY, len(tokenizer))
    made = network(name, attention, vocab_size=n_ids)
    return Loaded(row(name), made, tokenizer, family, LONGEST, None)


def settings(**changes):
    return replace(Settings(1, False, 8, 512, 256, ()), **changes)


def analyser(of, **changes):
    return Analyser(of, settings(**changes), Workspace(of.device))


def token_ids(*lengths, seed=0):
    """One list of random ids a length, none of them special."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(5, VOCABULARY, (n,), generator=random).tolist() for n in lengths]


def padded(documents, side):
    """Ids and attention mask, both [batch, token]."""
    longest = max(map(len, documents))
    ids = torch.full((len(documents), longest), PAD)
    real = torch.zeros(len(documents), longest, dtype=torch.long)
    for i, document in enumerate(documents):
        start = longest - len(document) if side == "left" else 0
        ids[i, start : start + len(document)] = torch.tensor(document)
        real[i, start : start + len(document)] = 1
    return ids, real


def byte_tokenizer(bos=None, **special):
    """One token a byte, as in GPT-2; with `bos`, that token stands in front of every text."""
    tokens = [bos or "<|endoftext|>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if bos:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, 0)]
        )
        special = {"bos_token": bos, **special}
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", **special)


def merged_tokenizer(*merges):
    """Bytes as in GPT-2, with these merges of two pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *("".join(pair) for pair in merges), "<pad>"]
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, list(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")


def letter_tokenizer():
    """WordPiece whose words are cut into letters, wrapped in [CLS] and [SEP], as in BERT."""
    letters = string.ascii_lowercase + string.digits + ".,?!'"
    tokens = ["[CLS]", "[PAD]", "[SEP]", "[MASK]", "[UNK]", *letters, *("##" + c for c in letters)]
    backend = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
    )
    names = {name: f"[{name[:-6].upper()}]" for name in
             ("cls_token", "pad_token", "sep_token", "mask_token", "unk_token")}  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def word_tokenizer(*pieces):
    """Pieces as SentencePiece writes them: ▁ for a space, <0x0A> for a byte."""
    scored = [(piece, -1.0) for piece in ("<unk>", "<pad>", *pieces)]
    backend = Tokenizer(models.Unigram(scored, unk_id=0, byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    backend.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>")


def fallback_tokenizer():
    """Letters with ▁ for a space, and bytes (<0xE6>) for all other characters, as in Llama."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += ["▁", *string.ascii_letters, *'.,?!"']
    vocabulary = {token: i for i, token in enumerate(tokens)}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", pad_token="</s>")


LETTERS = string.ascii_letters + string.digits + ".,?!\"'"


def save_tokenizer(kind, folder):
    """Tokenizers of published families, of letters alone, in a folder.

    HerBERT and CLIP mark the end of a word (`e</w>`), BERTweet and PhoBERT its continuation
    (`t@@`); these two and ESM exist in Python only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "herbert":
        tokens = [
            "<s>",
            "<pad>",
            "</s>",
            "<unk>",
            "<mask>",
            *LETTERS,
            *(c + "</w>" for c in LETTERS),
            "the</w>",
            "cat</w>",
        ]
        made = HerbertTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])
    elif kind == "clip":
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(c + "</w>" for c in letters)]
        made = CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[])
    elif kind == "esm":
        tokens = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<mask>"]
        (folder / "vocab.txt").write_text("\n".join(tokens), encoding="utf-8")
        made = EsmTokenizer(str(folder / "vocab.txt"))
    else:
        tokens = [*LETTERS, *(c + "@@" for c in LETTERS), "the", "cat"]
        lines = "".join(f"{token} 1\n" for token in tokens)
        (folder / "vocab.txt").write_text(lines, encoding="utf-8")
        merges = "t h 1\nth e</w> 1\nc a 1\nca t</w> 1\n"
        (folder / "bpe.codes").write_text(merges, encoding="utf-8")
        kinds = {"bertweet": BertweetTokenizer, "phobert": PhobertTokenizer}
        made = kinds[kind](str(folder / "vocab.txt"), str(folder / "bpe.codes"))
    made.save_pretrained(folder)
    return folder


def save(folder, name="bert"):
    """A model folder with weights, configuration and a tokenizer that fits it."""
    tokenizer = letter_tokenizer() if name in ENCODERS else byte_tokenizer()
    network(name, vocab_size=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def letters_and_words(bos):
    """Every three-letter word of four letters is a piece, with a space in front; and `bos`."""
    words = ["Ġ" + "".join(letters) for letters in itertools.product("abcd", repeat=3)]
    tokens = [bos or "<unk>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet()), *words]
    backend = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token=tokens[0]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    named = {"bos_token": bos, "eos_token": bos} if bos else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token=tokens[0], **named
    )


def with_unused_ids():
    """A vocabulary of 40 pieces whose ids go up to 79: every second one is not used."""
    words = ["".join(letters) for letters in itertools.product("abcd", repeat=3)][:38]
    tokens = ["<unk>", "Z", *words]
    backend = Tokenizer(
        models.WordLevel({token: 2 * i + 1 for i, token in enumerate(tokens)}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
