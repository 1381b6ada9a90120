"""Induction scores of all heads on random tokens given twice, and the patterns of the strongest.

Source: Olsson et al. 2022.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import polars as pl
import torch
from torch import Tensor

from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.encode import encode
from sinkscope.extract.model import Loaded
from sinkscope.extract.pieces import ordinary_ids
from sinkscope.extract.plan import LayerStatistics
from sinkscope.measure.passes import Task, by_name, statistics_of
from sinkscope.tables.arrays import rows_of

# Heads whose patterns are stored: the strongest in any case, and others with at least this score,
# whatever threshold makes an induction head; at most so many per model.
STRONGEST, LEAST_SCORE, MOST_PATTERNS = 4, 0.1, 48
DECIMALS = 4  # of the attention in patterns


@dataclass(frozen=True)
class Repeated:
    """Sequences of random tokens, each given twice. ids: [seed, token]. start: position of the
    first random token, after the BOS if the tokenizer has one. n_tokens: length of one repeat."""

    ids: Tensor
    start: int
    n_tokens: int

    @property
    def queries(self) -> slice:
        """Queries of the second repeat."""
        first = self.start + self.n_tokens
        return slice(first, first + self.n_tokens)


def repeated(tokenizer: Any, model: str, n_tokens: int, n_seeds: int) -> Repeated:
    """n_seeds sequences of n_tokens different ordinary tokens, each given twice."""
    vocabulary = torch.tensor(ordinary_ids(tokenizer))
    if len(vocabulary) < n_tokens:
        raise ModelError(
            f"model '{model}': its vocabulary has {len(vocabulary)} ordinary words, but "
            f"induction_tokens is {n_tokens}; lower it, or leave the experiment out."
        )
    rows = []
    for seed in range(n_seeds):
        random = torch.Generator().manual_seed(seed)
        sequence = vocabulary[torch.randperm(len(vocabulary), generator=random)[:n_tokens]]
        rows.append(torch.cat([sequence, sequence]))
    ids = torch.stack(rows)
    bos = tokenizer.bos_token_id
    if bos is None:
        return Repeated(ids, 0, n_tokens)
    front = torch.full((n_seeds, 1), bos)
    return Repeated(torch.cat([front, ids], 1), 1, n_tokens)


def offsets(n_tokens: int) -> tuple[int, int]:
    """Key minus query, for the induction pattern and for the duplicate-token pattern."""
    return 1 - n_tokens, -n_tokens


def scores(layers: Sequence[LayerStatistics], tokens: Repeated) -> tuple[Tensor, Tensor]:
    """Induction and duplicate-token score, both [layer, head], mean over seeds and queries.

    The induction pattern counts only queries whose key is inside the first repeat: the key of the
    last query would be the second repeat's first token.
    """
    diagonals = torch.stack([layer.diagonals for layer in layers]).double()
    second = diagonals[:, :, :, tokens.queries]  # [layer, seed, head, query, offset]
    return second[..., :-1, 0].mean((1, 3)), second[..., 1].mean((1, 3))


def strongest(induction: Tensor) -> list[tuple[int, int]]:
    """(layer, head) of the heads whose patterns are stored. induction: scores, [layer, head]."""
    order = induction.flatten().argsort(descending=True, stable=True)
    n = max(STRONGEST, int((induction >= LEAST_SCORE).sum()))
    return [divmod(int(place), induction.shape[1]) for place in order[: min(n, MOST_PATTERNS)]]


def patterns(
    loaded: Loaded, heads: Sequence[tuple[int, int]], inputs: dict[str, Tensor]
) -> pl.DataFrame:
    """layer, head, input, query, key, attention of each (layer, head) on each input [token];
    rounded, since they are many and only drawn."""
    frames = []
    for name, ids in inputs.items():
        layers = statistics_of(loaded, ids[None], heads=tuple(heads), map_exact=len(ids))
        n_done: dict[int, int] = {}  # by layer, the number of its heads already read
        for layer, head in heads:
            index = n_done.get(layer, 0)
            n_done[layer] = index + 1
            matrix = layers[layer].head_maps[0, index].cpu().double()  # [query, key]
            frames.append(
                rows_of({"attention": matrix.numpy()}, query=None, key=None)
                .filter(pl.col("key") <= pl.col("query"))
                .with_columns(pl.col("attention").round(DECIMALS))
                .with_columns(input=pl.lit(name), layer=pl.lit(layer), head=pl.lit(head))
            )
    return pl.concat(frames)


def ordinary(loaded: Loaded, task: Task, n_tokens: int) -> Tensor:
    """The first n_tokens tokens of the first document, by name, that is long enough, else of the
    longest. Documents that the model cannot read are skipped; the atlas reports them. Raises
    SinkscopeError if no document is left."""
    longest: list[int] = []
    for document in by_name(task.documents):
        with suppress(SinkscopeError):
            ids = encode(loaded, document.name, document.text, truncate=True).ids
            longest = max(longest, ids, key=len)
        if len(longest) >= n_tokens:
            break
    if not longest:
        raise SinkscopeError(
            f"model '{loaded.row.model}': it can read none of the documents; add one of its "
            "language, or take induction out of experiments."
        )
    return torch.tensor(longest[:n_tokens])


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """scores of every head, and patterns of those that may be induction heads."""
    settings = task.settings
    tokens = repeated(
        loaded.tokenizer,
        loaded.row.model,
        settings["induction_tokens"],
        settings["induction_seeds"],
    )
    layers = statistics_of(loaded, tokens.ids, offsets=offsets(tokens.n_tokens))
    induction, duplicate = (score.cpu() for score in scores(layers, tokens))
    columns = {"induction_score": induction.numpy(), "duplicate_score": duplicate.numpy()}
    score_frame = rows_of(columns, layer=None, head=None)
    text = ordinary(loaded, task, max(tokens.ids.shape[1], settings["induction_text_tokens"]))
    inputs = {"repeated": tokens.ids[0], "ordinary": text}
    pattern_frame = patterns(loaded, strongest(induction), inputs)
    return {"scores": score_frame, "patterns": pattern_frame}
