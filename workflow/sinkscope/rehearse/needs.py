"""Resources of a model, computed from counted or measured numbers."""

import math
from dataclasses import dataclass

GIB = 2**30
# Per GPU, besides the weights: the libraries, activations, and the statistics' buffers.
WORKING_BYTES = round(1.5 * GIB)
# Host memory, besides the weights: the libraries, and buffers of transfers to a GPU.
HOST_MB = 4000
# Weights are read at the speed of a shared disk. A job requests twice its expected time.
DISK_BYTES_PER_SECOND = 2e8
MARGIN = 2
SHORTEST_MINUTES = 5


@dataclass(frozen=True)
class Needs:
    """Resources of a job of one model. minutes: for all documents of the job."""

    n_gpus: int
    mem_mb: int
    minutes: int


def operations(n_parameters: int, n_layers: int, width: int, n_tokens: int) -> float:
    """Floating-point operations of one observed document: per token and weight a product and a sum;
    logits and outputs of attention, for the model and for the statistics. width: heads x head
    size."""
    return 2.0 * n_parameters * n_tokens + 8.0 * n_layers * width * n_tokens**2


def gpus(weight_bytes: int, card_bytes: int) -> int:
    """Number of GPUs of this size that hold the weights, besides WORKING_BYTES on each."""
    available = card_bytes - WORKING_BYTES
    return max(1, math.ceil(weight_bytes / available)) if available > 0 else 1


def needs(weight_bytes: int, card_bytes: int | None, seconds: float, n_documents: int) -> Needs:
    """The resources of a job over n_documents documents. seconds: per document. card_bytes: memory
    of a GPU, None without one. Host memory holds the weights too: they are read through it."""
    mem_mb = math.ceil((weight_bytes / 1e6 + HOST_MB) / 1000) * 1000
    busy = weight_bytes / DISK_BYTES_PER_SECOND + seconds * n_documents
    minutes = max(SHORTEST_MINUTES, math.ceil(MARGIN * busy / 60))
    return Needs(0 if card_bytes is None else gpus(weight_bytes, card_bytes), mem_mb, minutes)
