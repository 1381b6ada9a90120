"""The summaries of all documents of one pass, reduced on its device. Every number equals that of
summary.of_cell bit by bit: both add heads in their order, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sinkscope.extract.cells import is_judged, tensor_of
from sinkscope.extract.constants import constant
from sinkscope.extract.observation import Observation
from sinkscope.extract.plan import LayerStatistics
from sinkscope.extract.summary.arrays import NORMS, ROW_VALUES, RULES, of_layers, tolerances
from sinkscope.keys import LISTED_SETS


def reduced(
    layers: LayerStatistics,
    observation: Observation,
    column: Tensor | None,
    members: Tensor,
    scored: Sequence[str],
    tie_tolerance: float,
) -> dict[str, Tensor]:
    """The arrays of a pass on its device, [document, ...], padding included.

    layers: stacked, [layer, document, ...]. column: as of cells.tensor_of. members: [document,
    token, listed set] bool. scored: names of the sets whose best score is wanted. Beside the arrays
    of a summary: sinks.... for all keys, [document, layer, key]; best_score and best_window_score
    [document, set, layer, head]; n_queries and uniform [document, view, key]; is_finite [document,
    layer]; is_causal [1].
    """
    device, plan = layers.max_key.device, observation.plan
    real, members = constant(plan.real, device), constant(members, device)
    views = list({id(one): one for one in observation.visible_of}.values())
    places = {id(one): place for place, one in enumerate(views)}
    view = constant(torch.tensor([places[id(one)] for one in observation.visible_of]), device)
    n_queries, n_window_queries, uniform = (
        torch.stack([constant(getattr(one, name), device) for one in views])
        for name in ("n_queries", "n_window_queries", "uniform")
    )
    judged = is_judged(plan, n_queries)[view]
    arrays = {one.name: tensor_of(one, layers, observation, column, judged) for one in of_layers()}
    arrays |= {
        "first_score": layers.sink_score[..., 0],
        "is_finite": (layers.max_value.isfinite() | ~real).all(2),
        "norm_median": torch.stack([median(getattr(layers, name), real) for name in NORMS], -1),
        "n_queries": n_queries.int(),
        "uniform": uniform,
        **of_keys(layers, real),
    }
    arrays = {name: values.transpose(0, 1) for name, values in arrays.items()}
    arrays |= tie_counts(layers, real, tie_tolerance)
    sets = torch.stack([members[..., LISTED_SETS.index(name)] for name in scored])
    by_most = (2 * n_queries > real.sum(1)[:, None])[view]
    by_most_of_window = (2 * n_window_queries > plan.window)[view]
    arrays["best_score"] = best_scores(layers.sink_score, by_most, sets)
    arrays["best_window_score"] = best_scores(layers.window_score, by_most_of_window, sets)
    arrays["view"] = view.expand(len(real), -1)
    arrays["is_causal"] = (constant(views[-1].n_keys, device)[:, 0] == 1).all()[None]
    return arrays


def best_scores(scores: Tensor, is_candidate: Tensor, sets: Tensor) -> Tensor:
    """[document, set, layer, head] the highest score of each set's candidates, NaN without one.
    scores: [layer, document, head, key]. is_candidate: [layer, document, key] bool. sets: [set,
    document, key] bool."""
    scores = scores.masked_fill(~is_candidate[:, :, None], -torch.inf)
    # Added, not filled in: a set's keys are the same in all layers and heads.
    others = torch.zeros(sets.shape, device=sets.device).masked_fill_(~sets, -torch.inf)
    best = [(scores + of_set[:, None]).amax(-1) for of_set in others]
    stacked = torch.stack(best, 1).permute(2, 1, 0, 3)
    return stacked.masked_fill(stacked == -torch.inf, torch.nan)


def of_keys(layers: LayerStatistics, real: Tensor) -> dict[str, Tensor]:
    """The arrays sinks.... for every key, [layer, document, key]."""
    n_max = torch.zeros_like(layers.max_key, dtype=torch.int32)
    n_max.scatter_add_(2, keys_of(layers), real.int().expand_as(n_max))
    rules = torch.stack([getattr(layers, name) * code for name, code in RULES.items()]).sum(0)
    head_sinks = layers.is_head_sink
    assert head_sinks is not None
    received = layers.sink_score[:, :, 0].double()
    for head in range(1, layers.sink_score.shape[2]):
        received += layers.sink_score[:, :, head]
    return {
        "sinks.rules": (rules * real).to(torch.uint8),
        "sinks.n_heads": (head_sinks & real[:, None]).sum(2, dtype=torch.int16),
        "sinks.n_max": n_max,
        "sinks.received": received / layers.sink_score.shape[2],
        **{f"sinks.{name}": getattr(layers, name) for name in ROW_VALUES},
    }


def keys_of(layers: LayerStatistics) -> Tensor:
    """[layer, document, query] max keys; in range also where attention is not finite."""
    return layers.max_key.clamp(0, layers.max_key.shape[-1] - 1)


def tie_counts(layers: LayerStatistics, real: Tensor, tie_tolerance: float) -> dict[str, Tensor]:
    """n_ties and n_near_ties, [document, key]."""
    keys = keys_of(layers).transpose(0, 1).flatten(1)  # [document, layer x query]
    counts = []
    for part in tolerances(tie_tolerance).values():
        tied = (layers.second_value >= layers.max_value * (1 - part)) & real
        of_keys = torch.zeros(real.shape, dtype=torch.int32, device=real.device)
        counts.append(of_keys.scatter_add_(1, keys, tied.transpose(0, 1).flatten(1).int()))
    return dict(zip(("n_ties", "n_near_ties"), counts, strict=True))


def median(values: Tensor, real: Tensor) -> Tensor:
    """[layer, document] float64 over the real keys. values: [layer, document, key]."""
    ordered = values.masked_fill(~real, torch.inf).sort(-1).values.double()
    n_real = real.sum(1)
    low, high = (
        ordered.gather(2, place.expand(len(ordered), -1)[..., None])[..., 0]
        for place in ((n_real - 1) // 2, n_real // 2)
    )
    return ((low + high) / 2).masked_fill((values.isnan() & real).any(-1), torch.nan)
