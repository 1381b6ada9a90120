"""The statistics by the Triton kernels: rows first, then the tiles of keys x queries."""

from __future__ import annotations

import torch

from sinkscope.extract.constants import on_device
from sinkscope.extract.kernels.inputs import Inputs
from sinkscope.extract.kernels.launch import reduce_tiles
from sinkscope.extract.kernels.means import LAST_KEY
from sinkscope.extract.kernels.rows import row_statistics
from sinkscope.extract.kernels.tiles import FIXED
from sinkscope.extract.masks import Call, count_unmasked
from sinkscope.extract.plan import Plan
from sinkscope.kernels.statistics import HeadStatistics, completed


def by_kernels(call: Call, plan: Plan, *, with_map: bool) -> HeadStatistics:
    """plan: as entry.attention_statistics makes it."""
    rows = row_statistics(call)
    log_sum_exp = rows.log_sum_exp
    if call.sink is not None:  # one more key, without a place in a tile
        log_sum_exp = torch.logaddexp(log_sum_exp, call.sink[..., 0])
    # Only statistics that nobody reads here depend on what a mask hides.
    visible = count_unmasked(plan.real, plan.window_rows(), is_causal=call.is_causal)
    device = call.query.device
    with on_device(device):
        inputs = Inputs(plan, visible, device)
        buffers, _, _ = reduce_tiles([call], [log_sum_exp], plan, inputs)
    largest = buffers.maxima.largest[0]  # the value in the upper half, the key in the lower
    statistics = HeadStatistics(
        received=(buffers.key_sums.received[0].double() / FIXED.value).float(),
        log_sum_exp=log_sum_exp,
        max_logit=rows.max_logit,
        max_key=rows.max_key,
        entropy=rows.entropy,
        mean_max_key=LAST_KEY.value - (largest & LAST_KEY.value),
        mean_max_value=(largest >> 32).int().view(torch.float32),
        mean_map=buffers.map()[0] if with_map else None,
        sink_attention=None,
        backend="triton",
    )
    return completed(statistics, rows.log_sum_exp.isnan(), call.sink)
