"""Rows of tokens from a stream, as each family reads them in training."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sinkscope.zoo.families import Family
from sinkscope.zoo.tokens import Stream, wrapping

MASKED = 0.15  # fraction of the tokens that an encoder predicts, as in BERT
ALIGNED = 0.5  # fraction of a decoder's rows that begin where a document begins


@dataclass(frozen=True)
class Batch:
    """ids: [row, token]. labels: [row, n] ids to predict; at: [row, n] the positions whose hidden
    states predict it (None: every position but the last predicts the next token). types: [row,
    token] segments, where the family has pairs."""

    ids: Tensor
    labels: Tensor
    at: Tensor | None
    types: Tensor | None

    def tensors(self) -> list[Tensor]:
        return [t for t in (self.ids, self.labels, self.at, self.types) if t is not None]


class Batches:
    """Draws random batches of a family from a stream, which is longer than a row."""

    def __init__(
        self, stream: Stream, family: Family, tokenizer: Any, seed: int, device: torch.device
    ) -> None:
        self.family, self.tokenizer, self.device = family, tokenizer, device
        self.ids = torch.from_numpy(stream.ids.astype("int32")).to(device)
        self.starts = torch.from_numpy(stream.starts).to(device)
        self.random = torch.Generator(device).manual_seed(seed)
        self.front, _ = wrapping(tokenizer)

    def draw(self, n_rows: int, length: int) -> Batch:
        """n_rows rows of `length` tokens, special tokens included."""
        if self.family.kind == "decoder":
            ids = self.windows(self.decoder_starts(n_rows, length), length)
            return Batch(ids, ids[:, 1:], None, None)
        ids = self.windows(self.uniform_starts(n_rows, length), length)
        ids[:, 0] = self.tokenizer.cls_token_id
        ids[:, -1] = self.tokenizer.sep_token_id
        types = self.second_segments(ids) if self.family.pairs else None
        return self.masked(ids, types)

    def reseeded(self, seed: int) -> Batches:
        """The same stream with a separate random generator."""
        other = copy.copy(self)
        other.random = torch.Generator(self.device).manual_seed(seed)
        return other

    def rand(self, *shape: int) -> Tensor:
        return torch.rand(*shape, device=self.device, generator=self.random)

    def uniform_starts(self, n_rows: int, length: int) -> Tensor:
        return (self.rand(n_rows) * (len(self.ids) - length)).long()

    def decoder_starts(self, n_rows: int, length: int) -> Tensor:
        """[row] Half of the rows begin with a document, as analysed texts do, with the special
        token in front only if the tokenizer puts one. The other rows begin anywhere, which
        separates the first position from the special token.
        """
        document = (self.rand(n_rows) * len(self.starts)).long()
        begin = self.starts[document]
        if not self.front:  # the text itself comes first
            begin = begin + 1
        anywhere = self.uniform_starts(n_rows, length)
        begin = torch.where(self.rand(n_rows) < ALIGNED, begin, anywhere)
        return begin.clamp(max=len(self.ids) - length)

    def windows(self, begin: Tensor, length: int) -> Tensor:
        """[row, token]"""
        return self.ids[begin[:, None] + torch.arange(length, device=self.device)].long()

    def second_segments(self, ids: Tensor) -> Tensor:
        """Cut half of the rows in two by a separator, in place; [row, token] segment."""
        n_rows, length = ids.shape
        position = torch.arange(length, device=self.device)
        cut = (length * (0.25 + 0.5 * self.rand(n_rows, 1))).long()
        two = self.rand(n_rows, 1) < 0.5
        ids[two & (position == cut)] = self.tokenizer.sep_token_id
        return (two & (position > cut)).long()

    def masked(self, ids: Tensor, types: Tensor | None) -> Batch:
        """Hide MASKED of each row's tokens as BERT does: 80 % masked, 10 % random, 10 % left."""
        n_rows, length = ids.shape
        special = torch.tensor(self.tokenizer.all_special_ids, device=self.device)
        order = self.rand(n_rows, length).masked_fill(torch.isin(ids, special), 2.0)
        at = order.topk(round(MASKED * length), largest=False).indices  # [row, n]
        labels = ids.gather(1, at)
        kind = self.rand(*at.shape)
        other = self.ids[(self.rand(*at.shape) * len(self.ids)).long()].long()
        mask = torch.full_like(labels, self.tokenizer.mask_token_id)
        hidden = torch.where(kind < 0.8, mask, torch.where(kind < 0.9, other, labels))
        return Batch(ids.scatter(1, at, hidden), labels, at, types)
