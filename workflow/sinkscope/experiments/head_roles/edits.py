"""Edits of the value of a key, or its removal, in some heads of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sinkscope.experiments.head_roles.constants import MEAN, OTHER, REMOVE
from sinkscope.extract.edit import logits_of, normalised
from sinkscope.extract.masks import HIDDEN, Call


@dataclass(frozen=True)
class LayerEdit:
    """Edits of one layer, one per row of a batch. kinds: of KINDS, one per row. keys: [row, head],
    the key of each head that is edited, -1 for none. other: [row, head, d], the values of another
    text.

    The query at the key's position is not edited: edits change what the key sends to other queries.
    """

    kinds: Sequence[str]
    keys: Tensor
    other: Tensor | None = None

    def is_kind(self, kind: str) -> Tensor:
        """[row, 1, 1, 1] bool."""
        flags = [one == kind for one in self.kinds]
        return torch.tensor(flags, device=self.keys.device)[:, None, None, None]


def values_of(call: Call) -> Tensor:
    """[row, head, key, d] float32, those of grouped heads repeated."""
    return call.value.float().repeat_interleave(call.query.shape[1] // call.value.shape[1], 1)


def edited_output(call: Call, edit: LayerEdit) -> Tensor:
    """The layer's output [row, head, query, d] float32 under these edits. call: with the rows of
    the edit, or with one row that they all share."""
    n_tokens = call.key.shape[2]
    place = torch.arange(n_tokens, device=call.key.device)
    edited = (edit.keys[..., None, None] == place) & (place[:, None] != place)
    is_removed = edit.is_kind(REMOVE)
    # Attention whose rows have no fixed sum is not rescaled when a key is removed.
    rows = normalised(call, logits_of(call).masked_fill(edited & is_removed, HIDDEN))
    values = values_of(call).expand(len(edit.kinds), -1, -1, -1)
    at = edit.keys.clamp(min=0)[..., None, None].expand(-1, -1, 1, values.shape[-1])
    value = values.gather(2, at)  # [row, head, 1, d]
    mean = (values.sum(2, keepdim=True) - value) / max(n_tokens - 1, 1)
    new = torch.where(edit.is_kind(MEAN), mean, torch.zeros_like(value))
    if edit.other is not None:
        new = torch.where(edit.is_kind(OTHER), edit.other[:, :, None], new)
    sent = (rows * (edited & ~is_removed)).sum(-1, keepdim=True)  # [row, head, query, 1]
    return rows @ values + sent * (new - value)
