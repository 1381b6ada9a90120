"""Packs that `hopper.hopper_kernel` makes of its arguments, for the functions that it calls: except
for the constants, their fields are Triton's values (see `packs`)."""

from __future__ import annotations

from collections import namedtuple
from typing import NamedTuple


class HopperConstants(NamedTuple):
    """Constants. group: query heads per key head. stages: heads whose loads are in flight."""

    group: int
    d_padded: int
    stages: int


# Tensor descriptors that a program loads from.
Sources = namedtuple("Sources", "queries keys log_sums weights")

# Shared memory [stage, ...] for the loads of a head (keys: [stage * GROUPS + group, ...]), and
# barriers per stage: full when its loads have arrived, empty when all groups have read them.
Stages = namedtuple("Stages", "queries keys log_sums weights full empty")

# An address table, as `hopper_launch.AddressTable`. starts: pointer to int64 [layer].
Table = namedtuple("Table", "starts base step batch_bytes")

# The tiles of all layers and documents: item i is tile i % n_tiles of lb = i // n_tiles.
Work = namedtuple("Work", "tiles n_items n_tiles n_tokens n_heads n_batch")

# As packs.KeySums and packs.HeadMeans. mean_factor: one over the number of heads.
Outputs = namedtuple("Outputs", "received entropy means start n_rows mean_factor")
