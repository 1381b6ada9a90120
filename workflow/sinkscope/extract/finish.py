"""The statistics of layers whose attention was reduced block by block, from their sums.

On short documents, calling torch takes longer than the arithmetic. Layers therefore wait, with
their queries and keys, until several can be finished together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from sinkscope.extract.frame import N_NEAR
from sinkscope.extract.plan import LayerStatistics
from sinkscope.extract.sinks import attention_on, find_sinks
from sinkscope.extract.sums import Sums

# Of layers that wait: more would be fresh memory in every pass, which costs more than the calls.
WAITING_BYTES = 8 << 20

Group = tuple[list[int], LayerStatistics]  # layers, and their statistics [layer, batch, ...]


class Waiting:
    """Layers whose sums are complete; `finish` returns the statistics of all of them. head_maps:
    [batch, wanted head, cell, cell], by layer."""

    def __init__(self) -> None:
        self.head_maps: dict[int, Tensor] = {}
        self._waiting: dict[tuple[object, ...], list[Sums]] = {}
        self._n_bytes = 0
        self._finished: list[Group] = []

    def add(self, sums: Sums) -> None:
        self._waiting.setdefault(kind_of(sums), []).append(sums)
        self._n_bytes += sums.n_bytes
        if self._n_bytes > WAITING_BYTES:
            self.reduce()

    @torch.inference_mode()
    def reduce(self) -> None:
        """Finish the waiting layers, and release their queries and keys."""
        for group in self._waiting.values():
            with torch.autocast(group[0].received.device.type, enabled=False):
                self._finished.append(([sums.layer for sums in group], statistics_of(group)))
                for sums in group:
                    if sums.heads:
                        self.head_maps[sums.layer] = sums.pooled(sums.maps[:, 1:])
        self._waiting, self._n_bytes = {}, 0

    def finish(self) -> list[Group]:
        """The statistics of all layers, without head_maps."""
        self.reduce()
        return self._finished


def kind_of(sums: Sums) -> tuple[object, ...]:
    """Layers of one kind are finished together: their calls differ in queries and keys alone."""
    call = sums.call
    is_alone = call.sink is not None or not call.has_keys
    return (
        id(sums.frame), sums.normalizer.shape, call.query.shape, call.key.shape, call.scale,
        call.softcap, call.attention, id(call.key_bias), sums.state is None,
        sums.layer if is_alone else None,
    )  # fmt: skip


def statistics_of(group: Sequence[Sums]) -> LayerStatistics:
    """The statistics of layers of one kind, [layer, batch, ...], without head_maps."""
    frame, plan = group[0].frame, group[0].plan
    visible, n_real = frame.visible, frame.n_real
    received, normalizer = stacked(group, "received"), stacked(group, "normalizer")
    mass = stacked(group, "mass").double()  # [layer, batch, query, key_set]
    entropy = (stacked(group, "nats").double() @ frame.entropy_weight[..., None])[..., 0]
    on_first = ((stacked(group, "on_first") > 0.5) & frame.later[:, None]).sum(-1)
    near = stacked(group, "near_attention")  # [layer, batch, head, query, offset]
    beside, diagonals = near[..., :N_NEAR], near[..., N_NEAR:]
    optional = weighted_and_added(group)
    no_sinks = frame.beside_no_sinks
    if plan.rule is not None:
        cosines = [sums.state.cosine for sums in group if sums.state is not None]
        of_sinks = find_sinks(
            plan.rule, received, stacked(group, "n_above"), stacked(group, "n_above_in_mean"),
            visible, plan.real, torch.stack(cosines) if cosines else None,
            partial(on_sinks, group, normalizer),
        )  # fmt: skip
        optional |= of_sinks
        if no_sinks is None:
            no_sinks = frame.without(of_sinks["is_sink"])
    assert no_sinks is not None, "a plan has sinks, or a rule that finds them"
    maps = group[0].pooled(torch.stack([sums.maps[:, 0] for sums in group]))
    if plan.by_query:
        of_heads = beside.mean(2)
        optional |= {
            "query_mass": mass.float(),
            "query_local": (of_heads * frame.beside).sum(-1),
            "query_local_no_sinks": (of_heads * no_sinks).sum(-1),
        }
    return LayerStatistics(
        max_key=stacked(group, "max_key"),
        max_value=stacked(group, "max_value"),
        second_value=stacked(group, "second_value"),
        sink_score=(received / visible.n_queries[:, None]).float(),
        window_score=(
            stacked(group, "window_received") / visible.n_window_queries[:, None]
        ).float(),
        mass=(mass.sum(2) / n_real).float(),
        strict_mass=((mass * frame.strict).sum(2) / frame.n_strict).float(),
        entropy=(entropy / frame.n_entropy).float(),
        row_sum=(received.sum(-1) / n_real).float(),
        over_half=(on_first / frame.n_later).float(),
        local=local(beside, frame.beside, group[0]),
        local_no_sinks=local(beside, no_sinks, group[0]),
        diagonals=diagonals * frame.has_near[:, N_NEAR:],
        map=maps,
        head_maps=maps.new_empty(*maps.shape[:2], 0, *maps.shape[2:]),
        virtual_sink=virtual_sink(normalizer, group[0]),
        coarse_map=None if frame.coarse is None else stacked(group, "coarse"),
        **optional,
    )


def on_sinks(group: Sequence[Sums], normalizer: Tensor, sinks: Tensor) -> Tensor:
    """[layer, batch, query] float64, attention on sinks [layer, batch, key], mean over heads."""
    kept = [sums.means for sums in group if sums.means is not None]
    if not kept:
        calls = [sums.call for sums in group]
        return attention_on(sinks, calls, normalizer, group[0].frame.visible)
    columns = sinks[..., None].float().unbind(0)
    parts = [means @ column for means, column in zip(kept, columns, strict=True)]
    return torch.stack(parts)[..., 0].double()


def in_order(groups: Sequence[Group], layers: Sequence[int]) -> LayerStatistics:
    """The statistics of these layers, without head_maps. groups: together, all of them."""
    numbers = [layer for of_group, _ in groups for layer in of_group]
    places = [numbers.index(layer) for layer in layers]
    every = groups[0][1]
    if len(groups) > 1:
        names = present(every)
        parts = {name: torch.cat([getattr(one, name) for _, one in groups]) for name in names}
        every = replace(every, **parts)
    if places == list(range(len(numbers))):
        return every
    return replace(every, **{name: getattr(every, name)[places] for name in present(every)})


def present(statistics: LayerStatistics) -> list[str]:
    """Names of the statistics that are not None, but head_maps, which differ between layers."""
    names = [name for name in LayerStatistics.__dataclass_fields__ if name != "head_maps"]
    return [name for name in names if getattr(statistics, name) is not None]


def stacked(group: Sequence[Sums], name: str) -> Tensor:
    return torch.stack([getattr(sums, name) for sums in group])


def local(near: Tensor, beside: Tensor, sums: Sums) -> Tensor:
    """[layer, batch, head, width] attention within each width, on the keys with a 1 in `beside`
    [..., batch, query, near offset]. near: [layer, batch, head, query, near offset]."""
    total = (near * beside.unsqueeze(-3)).sum(-2, dtype=torch.float64)
    return (total @ sums.frame.within / sums.frame.n_real[..., None]).float()


def virtual_sink(normalizer: Tensor, sums: Sums) -> Tensor:
    """[layer, batch, head] mean attention on the virtual key; NaN without one."""
    sink = sums.call.sink
    if sums.call.attention == "softmax_off_by_one":
        sink = torch.zeros(1, 1, 1, 1, device=normalizer.device)
    if sink is None:
        return torch.full_like(normalizer[..., 0], torch.nan)
    share = (sink[..., 0].double() - normalizer.double()).exp()  # [layer, batch, head, query]
    of_real = torch.einsum("lbhq,bq->lbh", share, sums.plan.real.double())
    return (of_real / sums.frame.n_real).float()


def weighted_and_added(group: Sequence[Sums]) -> dict[str, Tensor]:
    """Statistics that only some plans ask for."""
    statistics, plan, n_real = {}, group[0].plan, group[0].frame.n_real
    if plan.weighted:
        norm_mass = stacked(group, "norm_mass").double()
        statistics["norm_mass"] = (norm_mass.sum(2) / n_real).float()
    if plan.added:
        added = stacked(group, "added").double()
        of_real = torch.einsum("lsbhq,bq->lbhs", added, plan.real.double())
        statistics["added"] = (of_real / n_real[..., None]).float()
    return statistics
