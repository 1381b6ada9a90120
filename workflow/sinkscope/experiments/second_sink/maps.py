"""Attention among the first tokens of one document: head means of two layers, and two single heads.

Wray 2023 shows head 2 of layer 0 of Llama-2-7B, which joins the pieces of words, head 2 of layer 5,
which gives most of its attention to the BOS, and the head means of layers 5 and 20. In other models
the layers are those at the same depth, and the heads those with the strongest such pattern.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.experiments.second_sink.constants import studied_layers
from sinkscope.extract.encode import Encoded
from sinkscope.extract.model import Loaded
from sinkscope.extract.observe import attention_layers
from sinkscope.measure.passes import Pass, observe, plan_of, statistics_of
from sinkscope.tables.arrays import rows_of

MAP_TOKENS = 48
WORDS = ("first", "word")  # classes of tokens that may begin a word

MOST_ENTRIES = 2**25  # of the maps of heads that are read at once

Head = tuple[int, int]  # layer (of those with attention), head


def head_means(loaded: Loaded, encoded: Encoded, key: int) -> tuple[pl.DataFrame, Pass]:
    """Head means of two layers over the first tokens of a document, one row per query and key; and
    the pass that they are of.

    The model reads the whole document: in an encoder, the first tokens see all that follow.
    """
    ids = torch.tensor([encoded.ids], device=loaded.device)
    forward = observe(loaded, ids, plan_of(ids, map_exact=len(encoded.ids)))
    frames = [
        rows_of_map(forward.layers[layer].map[0], encoded, key).with_columns(layer=pl.lit(layer))
        for layer in dict.fromkeys(studied_layers(len(forward.layers)))
    ]
    return pl.concat(frames), forward


def single_heads(
    loaded: Loaded, encoded: Encoded, key: int, forward: Pass, wanted: Sequence[str]
) -> pl.DataFrame:
    """The same of single heads. wanted: LAYER/HEAD; heads that the model has not are left out, and
    if it has none of them two are chosen, see `chosen`. forward: of the same document."""
    heads = had(loaded, forward, wanted) or chosen(loaded, encoded, forward)
    frames = []
    for layer, head in heads:
        [matrix] = maps_of(loaded, encoded, layer, [head])
        rows = rows_of_map(matrix, encoded, key)
        frames.append(rows.with_columns(layer=pl.lit(layer), head=pl.lit(head)))
    return pl.concat(frames)


def had(loaded: Loaded, forward: Pass, wanted: Sequence[str]) -> list[Head]:
    """Those of the wanted heads that the model has. wanted: the model's numbers of layers."""
    places = {number: place for place, number in enumerate(attention_layers(loaded))}
    heads = []
    for one in wanted:
        number, head = map(int, one.split("/"))
        layer = places.get(number)
        if layer is not None and head < forward.layers[layer].sink_score.shape[1]:
            heads.append((layer, head))
    return heads


def chosen(loaded: Loaded, encoded: Encoded, forward: Pass) -> list[Head]:
    """Of the first layer the head that gives most attention to earlier pieces of the query's own
    word, if the text has words of several pieces; and of the first of the studied layers the head
    that gives key 0 most."""
    deep = studied_layers(len(forward.layers))[0]
    most = int(forward.layers[deep].sink_score[0, :, 0].argmax())
    joined = pieces(encoded)
    if not joined.any():
        return [(deep, most)]
    n_heads = forward.layers[0].sink_score.shape[1]
    at_once = max(1, MOST_ENTRIES // len(encoded.ids) ** 2)
    # Attention on earlier pieces of the word, mean over the queries that have some.
    mass = [
        (matrix.cpu().double().numpy() * joined).sum(1)[joined.any(1)].mean()
        for start in range(0, n_heads, at_once)
        for matrix in maps_of(loaded, encoded, 0, range(n_heads)[start : start + at_once])
    ]
    return list(dict.fromkeys([(0, int(np.argmax(mass))), (deep, most)]))


def maps_of(loaded: Loaded, encoded: Encoded, layer: int, heads: Sequence[int]) -> Tensor:
    """[head, query, key]: attention of heads of one layer on the whole document."""
    ids, wanted = torch.tensor([encoded.ids]), tuple((layer, head) for head in heads)
    layers = statistics_of(loaded, ids, heads=wanted, map_exact=len(encoded.ids))
    return layers[layer].head_maps[0]


def pieces(encoded: Encoded) -> np.ndarray:
    """[query, key] bool: whether the key is an earlier piece of the query's word. Without known
    gaps between the tokens none is."""
    n = len(encoded.ids)
    word = np.arange(n)
    for i in range(1, n):
        is_inside = (
            encoded.gaps is not None
            and not encoded.gaps[i]
            and not encoded.tokens[i].startswith("\u2581")
            and encoded.classes[i] == "word"
            and encoded.classes[i - 1] in WORDS
        )
        word[i] = word[i - 1] if is_inside else i
    return np.tril(word[:, None] == word[None], -1)


def rows_of_map(matrix: Tensor, encoded: Encoded, key: int) -> pl.DataFrame:
    """query, key, token, attention, second_sink of the first tokens. matrix: [query, key]."""
    attention = matrix[:MAP_TOKENS, :MAP_TOKENS].cpu().double().numpy()
    tokens = np.broadcast_to(encoded.tokens[:MAP_TOKENS], attention.shape)
    rows = rows_of({"token": tokens, "attention": attention}, query=None, key=None)
    return rows.with_columns(second_sink=pl.lit(key))
