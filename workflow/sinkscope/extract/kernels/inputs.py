"""What the kernels read beside queries and keys; the same for all layers of a pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sinkscope.extract import devices
from sinkscope.extract.masks import Visible
from sinkscope.extract.plan import Plan

# Rows are padded to a multiple of this, so that no tile reads beyond them.
ROWS = 256


class Inputs:
    """Made on the processor, in NumPy, and copied at once: many small steps on a GPU would hold it
    up, and where short texts leave the processor behind, it is this that everything waits for.

    Flags and weights of tokens are float32 [.., n_padded]: real, counted (all but the first
    query), sinks, n_queries, n_window_queries, entropy_weight [batch, n_padded]. Of key sets, a bit
    for each: int32 [batch, word of 32 sets, n_padded] in_sets, those a key is in, and others, those
    whose strict mass a query counts for. Numbers of documents are float64 [batch]: n_real, n_later,
    n_entropy, first (position of key 0); n_strict [batch, key_set]. offsets: int32 [offset], None
    without any.
    """

    def __init__(self, plan: Plan, visible: Visible, device: torch.device) -> None:
        plan = devices.moved(plan, torch.device("cpu"))
        seen = devices.moved(visible, torch.device("cpu"))
        _, self.n_tokens, self.n_sets = plan.key_sets.shape
        self.n_padded = -(-self.n_tokens // ROWS) * ROWS
        real, sets = plan.real.numpy(), plan.key_sets.numpy()
        first = real.argmax(1)  # position of a document's first token
        later = real & (np.arange(self.n_tokens) > first[:, None])
        n_keys = seen.n_keys.numpy()
        with_entropy = later & (n_keys > 1)  # a row that sees one key has none
        weight = np.zeros(real.shape, np.float32)
        np.divide(1, np.log(n_keys, where=with_entropy, out=weight), where=with_entropy, out=weight)
        in_sets = in_words(sets)
        others = np.where(later[:, None], ~in_sets & in_words(np.ones_like(sets[:1, :1])), 0)
        # Of a set, the queries that its strict mass counts for.
        n_strict = later.sum(1)[:, None] - np.einsum("bn,bns->bs", later, sets, dtype=np.int32)
        rows = [
            real, later, plan.sinks.numpy(), seen.n_queries.numpy(), seen.n_window_queries.numpy(),
            weight, in_sets.view(np.float32), others.view(np.float32),
        ]  # fmt: skip
        numbers = [real.sum(1), later.sum(1), with_entropy.sum(1), first, n_strict]
        found = packed(rows, numbers, pin=device.type == "cuda").to(device, non_blocking=True)
        sizes = [number.size for number in numbers]
        n_bytes = 8 * (sum(sizes) + sum(sizes) % 2)
        of_numbers = found[:n_bytes].view(torch.float64)[: sum(sizes)]
        self.n_real, self.n_later, self.n_entropy, self.first, self.n_strict = of_numbers.split(
            sizes
        )
        of_rows = found[n_bytes:].view(torch.float32).view(-1, self.n_padded)
        (
            self.real, self.counted, self.sinks, self.n_queries, self.n_window_queries,
            self.entropy_weight, *words,
        ) = of_rows.split([row.size // self.n_tokens for row in rows])  # fmt: skip
        self.in_sets, self.others = (word.view(torch.int32) for word in words)
        self.window, self.offsets = plan.window, None
        if plan.offsets:
            self.offsets = torch.tensor(plan.offsets, dtype=torch.int32, device=device)


def in_words(sets: np.ndarray) -> np.ndarray:
    """int32 [batch, word, token] a bit for each of 32 sets, of [batch, token, key_set]."""
    found = np.zeros((*sets.shape[:2], -(-sets.shape[2] // 32) * 4), np.uint8)
    found[..., : -(-sets.shape[2] // 8)] = np.packbits(sets, axis=2, bitorder="little")
    return np.ascontiguousarray(found.view("<i4").swapaxes(1, 2))


def packed(rows: list[np.ndarray], numbers: list[np.ndarray], *, pin: bool) -> Tensor:
    """Bytes: all numbers as float64, an even number of them so that what follows is aligned, and
    all rows [.., token] as float32, filled up with zeros to a multiple of ROWS. Words of bits are
    called float32, too, and keep their bits. pin: a copy from other memory would wait for all that
    the GPU still has to do."""
    of_numbers = np.concatenate([number.reshape(-1) for number in numbers])
    n_bytes = 8 * (len(of_numbers) + len(of_numbers) % 2)
    n_tokens = rows[0].shape[-1]
    n_rows, n_padded = sum(row.size for row in rows) // n_tokens, -(-n_tokens // ROWS) * ROWS
    found = torch.empty(n_bytes + 4 * n_rows * n_padded, dtype=torch.uint8, pin_memory=pin)
    found.numpy()[:n_bytes].view(np.float64)[: len(of_numbers)] = of_numbers
    of_rows = found.numpy()[n_bytes:].view(np.float32).reshape(n_rows, n_padded)
    of_rows[:, n_tokens:] = 0
    np.concatenate(
        [row.reshape(-1, n_tokens) for row in rows], out=of_rows[:, :n_tokens], casting="unsafe"
    )
    return found


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, by way of pinned memory, as `packed`."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
