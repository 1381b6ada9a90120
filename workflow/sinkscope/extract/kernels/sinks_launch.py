"""Run the kernels that detect sinks, over layers of one shape whose key sums are complete."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor

from sinkscope.extract.kernels.buffers import Buffers
from sinkscope.extract.kernels.inputs import Inputs
from sinkscope.extract.kernels.packs import Candidates, SinkKeys, SinkStatistics
from sinkscope.extract.kernels.sinks import (
    candidates_kernel,
    decide_kernel,
    excluded_kernel,
    steadiness_kernel,
)
from sinkscope.extract.kernels.tiles import FIXED
from sinkscope.sink_rule import SinkRule

CANDIDATES = 16  # read together; matrix products need as many
# Sinks are few, and one program reads them; if most keys are sinks by their state, more share them.
TOKENS_PER_PROGRAM = 1024


def find_sinks(
    rule: SinkRule, shared: dict[str, Any], inputs: Inputs, buffers: Buffers,
    of_all_heads: Tensor, cosines: Tensor,
) -> dict[str, Tensor]:  # fmt: skip
    """The statistics of `extract.sinks.find_sinks`, as [layer, batch, ...].

    of_all_heads: float64 [layer, batch, key], attention that keys receive from all queries in all
    heads, in steps of 1 / FIXED. cosines: int64 [layer], as in `sinks.decide_kernel`.
    """
    n_layers, batch, n_heads, n_tokens = buffers.shape
    candidates, sinks, statistics = empty_packs(buffers)
    thresholds, constants = inputs.thresholds, shared["constants"]
    assert thresholds is not None, "the inputs of a plan with a rule have them"
    rows = (n_heads + 1, n_layers * batch)
    per_key = {
        "candidates": candidates, "of_all_heads": of_all_heads, "thresholds": thresholds,
        "counts": inputs.counts, "sizes": shared["sizes"], "num_warps": 4,
        "n_keys": min(max(triton.next_power_of_2(n_tokens), 128), 2048),
    }  # fmt: skip
    candidates_kernel[rows](received=buffers.key_sums.received, **per_key)
    log_sums = buffers.normalizers.log_sums
    is_wide = constants.precision == "ieee" or constants.d_padded > 128
    # The largest blocks that fit these registers; with more of them, fewer programs run at a time.
    block = 32 if is_wide else 64 if constants.mask_kind else 128
    registers = None if is_wide else 128
    steadiness_kernel[(triton.cdiv(n_tokens, block), *rows)](
        log_sums=log_sums, uniform=thresholds.uniform, candidates=candidates,
        n_queries=block, n_keys=CANDIDATES, num_warps=4, num_stages=2, maxnreg=registers, **shared,
    )  # fmt: skip
    decide_kernel[rows](
        cosines=cosines, counted=inputs.counted, first=inputs.first, statistics=statistics,
        sinks=sinks, by_state=rule.by == "state_cosine", **per_key,
    )  # fmt: skip
    block = 32 if is_wide else 64
    excluded_kernel[(triton.cdiv(n_tokens, TOKENS_PER_PROGRAM), n_heads, n_layers * batch)](
        log_sums=log_sums, sinks=sinks, n_queries=block, n_keys=block, num_warps=4,
        maxnreg=registers, **shared,
    )  # fmt: skip
    strict = torch.sub(sinks.received, sinks.excluded, alpha=1 / FIXED.value)
    # Rounding can make what is left of nothing negative.
    strict_mass = strict.clamp_(min=0.0).div_(sinks.n_counted).float()
    flags = {
        name: values.view(torch.bool) if values.dtype == torch.uint8 else values
        for name, values in statistics._asdict().items()
    }
    return flags | {"strict_sink_mass": strict_mass}


def empty_packs(buffers: Buffers) -> tuple[Candidates, SinkKeys, SinkStatistics]:
    """Packs that the kernels write."""
    n_layers, batch, n_heads, n_tokens = buffers.shape

    per_row, per_key = (n_heads + 1, n_tokens), (n_tokens,)

    def empty(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
        device, outer = buffers.means.device, (n_layers, batch)
        return [torch.empty((*outer, *shape), dtype=dtype, device=device) for shape in shapes]

    candidates = Candidates(*empty(torch.int32, per_row, per_row, per_row[:1]))
    received, n_counted = empty(torch.float64, (), ())
    keys, n_sinks, n_excluded = empty(torch.int32, per_key, (), ())
    (excluded,) = empty(torch.int64, ())
    sinks = SinkKeys(keys, n_sinks, n_excluded, received, excluded, n_counted)
    flags = empty(torch.uint8, per_key, per_key, per_key, (n_heads, n_tokens))
    return candidates, sinks, SinkStatistics(*flags, *empty(torch.float32, per_key, ()))
