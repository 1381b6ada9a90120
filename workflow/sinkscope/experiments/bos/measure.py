"""Attention of the same text with and without its special tokens, with other first words, and with
a sentence in front."""

import dataclasses

import polars as pl
import torch
from torch import Tensor

from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import Encoded, encode
from sinkscope.extract.model import Loaded
from sinkscope.extract.pieces import ordinary_ids
from sinkscope.extract.sentences import sentence_ends
from sinkscope.keys import SPECIAL_CLASSES
from sinkscope.measure.marks import marked
from sinkscope.measure.passes import Pass, Task, mean_mass, observe, plan_of, readable, shortened
from sinkscope.tables.arrays import rows_of

FILLER = "The shop was closed that day."
N_WORDS = 2  # number of other first words


def encoded_with(loaded: Loaded, document: Document, special: str) -> Encoded:
    """special: "auto", "true" or "false", as in the table of models."""
    row = dataclasses.replace(loaded.row, add_special_tokens=special)
    other = dataclasses.replace(loaded, row=row)
    return encode(other, document.name, document.text, truncate=True)


def ordinary(encoded: Encoded) -> list[int]:
    """Positions of the tokens that are not special."""
    return [i for i, name in enumerate(encoded.classes) if name not in SPECIAL_CLASSES]


@dataclasses.dataclass(frozen=True)
class OnAndOff:
    """One text with (row 0) and without (row 1) its special tokens, equally long. ids: [2, token].
    word: position of the first real token in row 0; in row 1 it is 0."""

    ids: Tensor
    word: int


def on_and_off(loaded: Loaded, document: Document) -> OnAndOff | None:
    """None if the tokenizer has no special token to put in front, or if the text is too short."""
    with_, without = (encoded_with(loaded, document, special) for special in ("true", "false"))
    places = ordinary(with_)
    excess = len(with_.ids) - len(without.ids)
    if len(places) < excess + 3 or places[0] == 0 or without.classes[0] in SPECIAL_CLASSES:
        return None
    end = places[-1] + 1  # the end of the text is cut, not the special tokens after it
    ids = [with_.ids[: end - excess] + with_.ids[end:], without.ids]
    return OnAndOff(torch.tensor(ids), places[0])


def of_special(forward: Pass, pair: OnAndOff) -> pl.DataFrame:
    """One row per input and layer: attention on key 0 and on the first real token, mean over heads
    and later queries."""
    mass = forward.stacked("query_mass").numpy()  # [layer, input, query, set: key 0, key `word`]
    keys, causal = [0, pair.word], forward.is_causal
    key_0, word = (mean_mass(mass, keys, i, is_causal=causal) for i in (0, 1))
    word[:, 1] = key_0[:, 1]  # without special tokens the first real token is key 0
    columns = {"first_token": key_0.T, "first_word": word.T}
    return rows_of(columns, input=["with", "without"], layer=None)


def other_first_words(loaded: Loaded, encoded: Encoded) -> Tensor:
    """[1 + N_WORDS, token]: the text, then the text with other ordinary tokens as its first one."""
    place = ordinary(encoded)[0]
    vocabulary = torch.tensor(ordinary_ids(loaded.tokenizer))
    random = torch.Generator().manual_seed(0)
    new_ids = vocabulary[torch.randperm(len(vocabulary), generator=random)[:N_WORDS]]
    ids = torch.tensor(encoded.ids).repeat(1 + len(new_ids), 1)
    ids[1:, place] = new_ids
    return ids


@dataclasses.dataclass(frozen=True)
class Beginnings:
    """Inputs of equal length. ids: [row, token]. names: input of each row. keys: role to position,
    the same in every row."""

    ids: Tensor
    names: list[str]
    keys: dict[str, int]


def beginnings(loaded: Loaded, document: Document, encoded: Encoded) -> list[Beginnings]:
    """The text as it is and with other first words; and the text after FILLER, which ends in a
    terminator or (as a control) a comma. Empty if the text has no terminator."""
    text = marked(loaded.tokenizer, encoded)
    if text is None:
        return []
    ids = other_first_words(loaded, encoded)
    names = ["text", *["other_first_word"] * (len(ids) - 1)]
    inputs = [Beginnings(ids, names, {"first_token": 0, "first_terminator": text.key})]
    try:
        alone, behind = (
            marked(loaded.tokenizer, encode(loaded, document.name, joined, truncate=True))
            for joined in (FILLER, behind_filler(document.text))
        )
    except SinkscopeError:  # the vocabulary lacks FILLER's script
        return inputs
    # If the last piece of FILLER is `day.`, FILLER has no terminator of its own.
    if alone is None or behind is None or alone.key != behind.key:
        return inputs
    if behind.following is not None and "," in behind.marks:
        keys = {
            "first_token": 0,
            "filler_end": behind.key,
            "first_terminator": behind.following,
            "same_position": text.key,
        }
        if text.key == behind.key:
            del keys["same_position"]
        rows = [behind.marks.index("."), behind.marks.index(",")]
        inputs.append(Beginnings(behind.ids[rows], ["filler", "filler_comma"], keys))
    return inputs


def behind_filler(text: str) -> str:
    """FILLER, then the text. The text begins on a new line if FILLER's full stop would otherwise
    not end a sentence: the rules of sentences ignore a full stop before a lower-case letter."""
    joined = f"{FILLER} {text}"
    return joined if sentence_ends(joined)[:1] == [len(FILLER) - 1] else f"{FILLER}\n{text}"


def of_position(loaded: Loaded, inputs: Beginnings) -> pl.DataFrame:
    """input, layer, role, mass: mean over the queries after all of the keys (encoders: all queries
    except the keys). Rows with the same name are averaged."""
    ids, keys = inputs.ids.to(loaded.device), inputs.keys
    forward = observe(loaded, ids, plan_of(ids, [[key] for key in keys.values()], by_query=True))
    mass = forward.stacked("query_mass").numpy()
    parts = []
    for column, role in enumerate(keys):
        means = mean_mass(mass, list(keys.values()), column, is_causal=forward.is_causal)
        rows = rows_of({"mass": means}, layer=None, input=inputs.names)
        parts.append(rows.with_columns(role=pl.lit(role)))
    by = ["input", "layer", "role"]
    return pl.concat(parts).group_by(by).agg(pl.col("mass").mean()).sort(by)


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """Frames by table name; `bos` has no rows if no special token can be put in front."""
    frames: dict[str, list[pl.DataFrame]] = {"bos": [], "position_content": []}
    loaded = shortened(loaded, task)
    for document, encoded in readable(loaded, task):
        name = pl.lit(document.name).alias("document")
        pair = on_and_off(loaded, document)
        if pair is not None:
            ids = pair.ids.to(loaded.device)
            forward = observe(loaded, ids, plan_of(ids, [[0], [pair.word]], by_query=True))
            usual = encoded.classes[0] in SPECIAL_CLASSES
            rows = of_special(forward, pair).with_columns(name, is_usual=pl.lit(usual))
            frames["bos"].append(rows)
        for inputs in beginnings(loaded, document, encoded):
            frames["position_content"].append(of_position(loaded, inputs).with_columns(name))
    return {name: pl.concat(rows) for name, rows in frames.items() if rows}
