"""What the kernels read beside queries and keys; the same for all layers of a pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sinkscope.extract import devices
from sinkscope.extract.masks import Visible
from sinkscope.extract.sums import Plan

# Rows are padded to a multiple of this, so that no tile reads beyond them.
ROWS = 256


class Inputs:
    """Made on the processor, in NumPy, and copied at once: many small steps on a GPU would hold it
    up, and where short texts leave the processor behind, it is this that everything waits for.

    Flags and weights of tokens are float32 [.., n_padded]: real, counted (all but the first
    query), sinks, n_queries, n_window_queries, entropy_weight [batch, n_padded]; members, keys of
    each set, and others, the queries of its strict mass, [batch, key_set, n_padded]. Numbers of
    documents are float64 [batch]: n_real, n_later, n_entropy, first (position of key 0); n_strict
    [batch, key_set]. offsets: int32 [offset], None without any.
    """

    def __init__(self, plan: Plan, visible: Visible, device: torch.device) -> None:
        plan = devices.moved(plan, torch.device("cpu"))
        seen = devices.moved(visible, torch.device("cpu"))
        _, self.n_tokens, self.n_sets = plan.key_sets.shape
        self.n_padded = -(-self.n_tokens // ROWS) * ROWS
        real, sets = plan.real.numpy(), plan.key_sets.numpy().swapaxes(1, 2)
        first = real.argmax(1)  # position of a document's first token
        later = real & (np.arange(self.n_tokens) > first[:, None])
        n_keys = seen.n_keys.numpy()
        with_entropy = later & (n_keys > 1)  # a row that sees one key has none
        weight = np.zeros(real.shape, np.float32)
        np.divide(1, np.log(n_keys, where=with_entropy, out=weight), where=with_entropy, out=weight)
        # [batch, key_set, token]: the queries of a set's strict mass
        others = later[:, None] & ~sets
        rows = [
            real, later, plan.sinks.numpy(), seen.n_queries.numpy(), seen.n_window_queries.numpy(),
            weight, sets, others,
        ]  # fmt: skip
        numbers = [real.sum(1), later.sum(1), with_entropy.sum(1), first, others.sum(-1)]
        found = pinned(packed(rows, numbers), device)
        sizes = [number.size for number in numbers]
        n_bytes = 8 * (sum(sizes) + sum(sizes) % 2)
        of_numbers = found[:n_bytes].view(torch.float64)[: sum(sizes)]
        self.n_real, self.n_later, self.n_entropy, self.first, self.n_strict = of_numbers.split(
            sizes
        )
        of_rows = found[n_bytes:].view(torch.float32).view(-1, self.n_padded)
        (
            self.real, self.counted, self.sinks, self.n_queries, self.n_window_queries,
            self.entropy_weight, self.members, self.others,
        ) = of_rows.split([row.size // self.n_tokens for row in rows])  # fmt: skip
        self.window, self.offsets = plan.window, None
        if plan.offsets:
            self.offsets = torch.tensor(plan.offsets, dtype=torch.int32, device=device)


def packed(rows: list[np.ndarray], numbers: list[np.ndarray]) -> Tensor:
    """Bytes: all numbers as float64, an even number of them so that what follows is aligned, and
    all rows [.., token] as float32, filled up with zeros to a multiple of ROWS."""
    of_numbers = np.concatenate([number.reshape(-1) for number in numbers])
    of_numbers = np.pad(of_numbers.astype(np.float64), (0, len(of_numbers) % 2))
    n_tokens = rows[0].shape[-1]
    n_rows, n_padded = sum(row.size for row in rows) // n_tokens, -(-n_tokens // ROWS) * ROWS
    of_rows = np.zeros((n_rows, n_padded), np.float32)
    np.concatenate(
        [row.reshape(-1, n_tokens) for row in rows], out=of_rows[:, :n_tokens], casting="unsafe"
    )
    both = [of_numbers.view(np.uint8), of_rows.reshape(-1).view(np.uint8)]
    return torch.from_numpy(np.concatenate(both))


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device. From pinned memory: a plain copy would wait for all that the
    GPU still has to do."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
