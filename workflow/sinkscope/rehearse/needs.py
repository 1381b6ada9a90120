"""What a model needs of a machine. Arithmetic over numbers that were counted or measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

GIB = 2**30
# Beside the weights, on every GPU: the libraries, activations, and the statistics' buffers.
WORKING_BYTES = round(1.5 * GIB)
# Of the processor's memory: the libraries, and what passes through on the way to a GPU.
HOST_MB = 4000
# Weights are read at the speed of a shared disk, and a job is given twice what it should take.
DISK_BYTES_PER_SECOND = 2e8
MARGIN = 2
SHORTEST_MINUTES = 5


@dataclass(frozen=True)
class Needs:
    """What a job of one model asks a scheduler for. minutes: for all documents of the grid."""

    n_gpus: int
    mem_mb: int
    minutes: int


def operations(n_parameters: int, n_layers: int, width: int, n_tokens: int) -> float:
    """Floating-point operations of one observed document.

    Each weight once a token, a product and a sum; attention makes its logits and its output
    twice, for the model and for the statistics. width: heads x head size.
    """
    return 2.0 * n_parameters * n_tokens + 8.0 * n_layers * width * n_tokens**2


def gpus(weight_bytes: int, card_bytes: int) -> int:
    """How many GPUs of this size hold the weights beside what each needs to work."""
    room = card_bytes - WORKING_BYTES
    return max(1, math.ceil(weight_bytes / room)) if room > 0 else 1


def needs(weight_bytes: int, card_bytes: int | None, seconds: float, n_documents: int) -> Needs:
    """seconds: for one document. card_bytes: memory of a GPU, None where none is used.

    The processor's memory holds the weights too: they are read through it.
    """
    mem_mb = math.ceil((weight_bytes / 1e6 + HOST_MB) / 1000) * 1000
    busy = weight_bytes / DISK_BYTES_PER_SECOND + seconds * n_documents
    minutes = max(SHORTEST_MINUTES, math.ceil(MARGIN * busy / 60))
    return Needs(0 if card_bytes is None else gpus(weight_bytes, card_bytes), mem_mb, minutes)
