"""What the kernels read besides queries and keys; the same for all layers of a pass."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sinkscope.extract import devices
from sinkscope.extract.kernels.packs import Counts, KeySets, Thresholds
from sinkscope.extract.masks import Visible
from sinkscope.extract.plan import Plan
from sinkscope.extract.sinks import limits

# Numbers per token are padded to a multiple of this, so that no tile reads beyond them.
ROWS = 256


class Inputs:
    """What the kernels read of a plan, computed in NumPy on the CPU and copied to the GPU at once.
    Many small steps on the GPU would delay it, and with short texts the GPU waits for this.

    float32 [batch, n_padded]: real, counted (all queries but the first), entropy_weight, and sinks,
    None where the plan has none. key_sets, counts, thresholds: packs; thresholds: None without a
    rule. float64: first [batch], position of key 0; n_strict [batch, key_set],
    queries that the strict mass of a set counts. offsets: int32 [offset], None without any. window:
    number of first queries.
    """

    def __init__(self, plan: Plan, visible: Visible, device: torch.device) -> None:
        plan = devices.moved(plan, torch.device("cpu"))
        visible = devices.moved(visible, torch.device("cpu"))
        _, n_tokens, n_sets = plan.key_sets.shape
        self.n_padded = -(-n_tokens // ROWS) * ROWS
        real, sets = plan.real.numpy(), plan.key_sets.numpy()
        first = real.argmax(1)  # position of a document's first token
        later = real & (np.arange(n_tokens) > first[:, None])
        n_keys = visible.n_keys.numpy()
        with_entropy = later & (n_keys > 1)  # a row that sees one key has none
        weight = np.zeros(real.shape, np.float32)
        np.divide(1, np.log(n_keys, where=with_entropy, out=weight), where=with_entropy, out=weight)
        members = in_words(sets)
        outside = np.where(later[:, None], ~members & in_words(np.ones_like(sets[:1, :1])), 0)
        n_outside = later.sum(1)[:, None] - np.einsum("bn,bns->bs", later, sets, dtype=np.int32)
        rows = [
            real, later, visible.n_queries.numpy(), visible.n_window_queries.numpy(), weight,
            members.view(np.float32), outside.view(np.float32),
        ]  # fmt: skip
        if plan.sinks is not None:
            rows.append(plan.sinks.numpy())
        if plan.rule is not None:
            rows += [limits(plan.rule, visible).numpy(), visible.uniform_rows.numpy()]
        numbers = [real.sum(1), later.sum(1), with_entropy.sum(1), first, n_outside]
        data = packed(rows, numbers, pin=device.type == "cuda").to(device, non_blocking=True)
        sizes = [number.size for number in numbers]
        n_bytes = 8 * (sum(sizes) + sum(sizes) % 2)
        of_numbers = data[:n_bytes].view(torch.float64)[: sum(sizes)].split(sizes)
        n_real, n_later, n_entropy, self.first, self.n_strict = of_numbers
        of_rows = data[n_bytes:].view(torch.float32).view(-1, self.n_padded)
        (
            self.real, self.counted, n_queries, n_window_queries, self.entropy_weight,
            members_of, strict_queries, *optional,
        ) = of_rows.split([row.size // n_tokens for row in rows])  # fmt: skip
        members_of, strict_queries = (
            words.view(torch.int32) for words in (members_of, strict_queries)
        )
        self.sinks = None if plan.sinks is None else optional.pop(0)
        self.thresholds = None
        if plan.rule is not None:
            limit, uniform = optional
            self.thresholds = Thresholds(limit, uniform, plan.rule.share, plan.rule.cosine)
        self.key_sets = KeySets(members_of, strict_queries, n_sets)
        self.counts = Counts(n_queries, n_window_queries, n_real, n_entropy, n_later)
        self.window, self.offsets = plan.window, None
        if plan.offsets:
            self.offsets = torch.tensor(plan.offsets, dtype=torch.int32, device=device)


def in_words(sets: np.ndarray) -> np.ndarray:
    """int32 [batch, word, token], one bit per set and 32 sets per word, from bool [batch, token,
    key_set]."""
    words = np.zeros((*sets.shape[:2], -(-sets.shape[2] // 32) * 4), np.uint8)
    words[..., : -(-sets.shape[2] // 8)] = np.packbits(sets, axis=2, bitorder="little")
    return np.ascontiguousarray(words.view("<i4").swapaxes(1, 2))


def packed(rows: list[np.ndarray], numbers: list[np.ndarray], *, pin: bool) -> Tensor:
    """One tensor of bytes: all numbers as float64, padded to an even number of them so that the
    rows are aligned; then all rows [.., token] as float32, padded with zeros to a multiple of ROWS.
    Words of bits are passed as float32 and keep their bits. pin: whether the tensor is in pinned
    memory; a copy from other memory would wait for all earlier work of the GPU."""
    of_numbers = np.concatenate([number.reshape(-1) for number in numbers])
    n_bytes = 8 * (len(of_numbers) + len(of_numbers) % 2)
    n_tokens = rows[0].shape[-1]
    n_rows, n_padded = sum(row.size for row in rows) // n_tokens, -(-n_tokens // ROWS) * ROWS
    data = torch.empty(n_bytes + 4 * n_rows * n_padded, dtype=torch.uint8, pin_memory=pin)
    data.numpy()[:n_bytes].view(np.float64)[: len(of_numbers)] = of_numbers
    of_rows = data.numpy()[n_bytes:].view(np.float32).reshape(n_rows, n_padded)
    of_rows[:, n_tokens:] = 0
    np.concatenate(
        [row.reshape(-1, n_tokens) for row in rows], out=of_rows[:, :n_tokens], casting="unsafe"
    )
    return data


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, copied from pinned memory for the reason given in `packed`."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
