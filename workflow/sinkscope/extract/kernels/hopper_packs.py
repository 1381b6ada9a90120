"""Packs that `hopper.hopper_kernel` builds from its arguments, for the functions that it calls.

Except for the constants they are built inside the kernel, and their fields are Triton values. The
kernel cannot take them as arguments: see `packs`.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class HopperConstants(NamedTuple):
    """Constants. group: query heads per key head. stages: heads whose loads are in flight."""

    group: int
    d_padded: int
    stages: int


class Sources(NamedTuple):
    """Tensor descriptors that a program loads from."""

    queries: Any
    keys: Any
    log_sums: Any
    weights: Any


class Stages(NamedTuple):
    """Shared memory [stage, ...] for the loads of a head (keys: [stage * GROUPS + group, ...]), and
    barriers per stage: full when its loads have arrived, empty when all groups have read them."""

    queries: Any
    keys: Any
    log_sums: Any
    weights: Any
    full: Any
    empty: Any


class Table(NamedTuple):
    """An address table, as `hopper_launch.AddressTable`. starts: pointer to int64 [layer]."""

    starts: Any
    base: Any
    step: Any
    batch_bytes: Any


class Work(NamedTuple):
    """The tiles of all layers and documents: item i is tile i % n_tiles of lb = i // n_tiles."""

    tiles: Any
    n_items: Any
    n_tiles: Any
    n_tokens: Any
    n_heads: Any
    n_batch: Any


class Outputs(NamedTuple):
    """As packs.KeySums and packs.HeadMeans. mean_factor: one over the number of heads."""

    received: Any
    entropy: Any
    means: Any
    start: Any
    n_rows: Any
    mean_factor: Any
