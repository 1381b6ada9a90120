"""Statistics of one forward pass, collected layer by layer."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from sinkscope.extract import streaming
from sinkscope.extract.audit import Audit, Audited
from sinkscope.extract.constants import moved
from sinkscope.extract.finish import Group, Waiting, in_order, present
from sinkscope.extract.frame import Frame
from sinkscope.extract.gates import Gates
from sinkscope.extract.masks import Call, Visible, count_visible, of_tokens_alone
from sinkscope.extract.plan import Facts, LayerStatistics, Plan
from sinkscope.extract.states import LayerState, States, reduce_state
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.sums import Sums


class Observation:
    """One forward pass: called once per layer in place of the attention, it keeps statistics. On a
    GPU, Triton kernels reduce the attention if they support it, else blocks, as with fused=False. A
    model may be split over devices; statistics end up on that of the workspace."""

    def __init__(
        self,
        plan: Plan,
        workspace: Workspace,
        *,
        fused: bool | None = None,
        audit: Audit | None = None,
    ) -> None:
        self.plan, self.device, self.audit = plan, workspace.device, audit
        self._of_tokens: list[dict[str, Tensor]] = []  # norms and cosines, per layer
        self.paths: set[str] = set()  # dispatch of the layers: triton, torch
        self._parts: dict[torch.device, tuple[Plan, Workspace]] = {}
        self._workspace = workspace
        self._fused = fused_path(plan, workspace, fused)
        # Filled by `entering`, of which a rule needs some.
        reduce = reduce_state if self._fused is None else self._fused.reduce_state
        self.states = States(plan.real, reduce)
        self.gates: Gates | None = None  # filled by hooks, where the model has gates
        self._waiting = Waiting()
        self._frame: Frame | None = None
        self.visible_of: list[Visible] = []  # counts of visible keys and queries, per call
        self.layer_of: list[int] = []  # the model's layer, per call
        self.n_heads = 0
        self._counted: tuple[Tensor | None, bool, torch.device, Visible] | None = None

    def __call__(self, call: Call) -> Tensor:
        output = self.attend(call)
        if self.gates is not None:
            self.gates.attended(self.layer_of[-1], output)
        if self.audit is not None:
            self.audit.see(len(self.layer_of) - 1, self.layer_of[-1], call, output)
        return output

    def attend(self, call: Call) -> Tensor:
        every_key, call = call, of_tokens_alone(call)
        device = call.query.device
        layer = len(self.visible_of) if call.layer is None else call.layer
        self.layer_of.append(layer)
        self.n_heads = call.query.shape[1]
        backend = None if self._fused is None else self._fused.backend(call)
        # Without a mask, the kernels need these counts where the plan is, on the CPU.
        visible = self.visible(call, device if backend is None else self.plan.real.device)
        self.visible_of.append(visible)
        state = self.states.take(call.layer)
        if state is not None:  # before a layer of a split model, it is where the last layer was
            state = LayerState(*(values.to(device) for values in state))
        if self.plan.rule is not None:
            self._of_tokens.append(of_tokens(call, state, self.device))
        if backend is not None:
            self.paths.add("triton")
            return self._fused.add(layer, call, visible, backend, state)
        self.paths.add("torch")
        if device not in self._parts:
            own = self._workspace
            if device != self.device:
                own = Workspace(device, own.share)
            self._parts[device] = moved(self.plan, device), own
        plan, workspace = self._parts[device]
        sums = Sums(self.frame(plan, visible, call), call, layer, state)
        output = streaming.attend(every_key, sums, workspace)
        sums.release()
        self._waiting.add(sums)
        return output

    @property
    def facts(self) -> Facts:
        return Facts(self.plan, tuple(self.layer_of), tuple(sorted(self.paths)))

    @cached_property
    def layers(self) -> list[LayerStatistics]:
        """The statistics of every layer with attention, after the forward pass."""
        names = present(self._every_layer)
        values = zip(*(getattr(self._every_layer, name).unbind(0) for name in names), strict=True)
        return [
            LayerStatistics(**dict(zip(names, row, strict=True)), head_maps=maps)
            for row, maps in zip(values, self._head_maps, strict=True)
        ]

    @cached_property
    def stacked(self) -> LayerStatistics:
        """The same with an axis [layer] in front; head_maps: [batch, wanted head, cell, cell],
        concatenated over the layers."""
        every = self._every_layer
        maps = torch.cat(self._head_maps, 1) if self.plan.heads else every.head_maps[0]
        return replace(every, head_maps=maps)

    @cached_property
    def _every_layer(self) -> LayerStatistics:
        """The statistics of all layers, [layer, batch, ...], without head_maps."""
        every = in_order(self._groups, self.layer_of)
        of_tokens = {
            name: torch.stack([layer[name] for layer in self._of_tokens])
            for name in (self._of_tokens or [{}])[0]
        }
        return replace(every, gate=self._gate(), **of_tokens)

    @cached_property
    def _head_maps(self) -> list[Tensor]:
        """[batch, wanted head, cell, cell], per layer."""
        maps = self._waiting.head_maps | ({} if self._fused is None else self._fused.head_maps)
        none = self._every_layer.head_maps[0]
        return [maps.get(layer, none).to(self.device) for layer in self.layer_of]

    def _gate(self) -> Tensor:
        """[layer, batch, head]; NaN without a gate."""
        shape = len(self.plan.real), self.n_heads
        of_layer = {} if self.gates is None else self.gates.of_layer
        if not of_layer:
            return torch.full((len(self.layer_of), *shape), torch.nan, device=self.device)
        none = torch.full(shape, torch.nan, device=self.device)
        return torch.stack([of_layer.get(layer, none).to(self.device) for layer in self.layer_of])

    @cached_property
    def _groups(self) -> list[Group]:
        groups = self._waiting.finish()
        fused = [] if self._fused is None else self._fused.finish()
        groups = [*groups, *((numbers, without_virtual(group)) for numbers, group in fused)]
        return [(numbers, moved(group, self.device)) for numbers, group in groups]

    @cached_property
    def audit_numbers(self) -> Tensor | None:
        """The numbers of the pass's audit, on the device; None without an audit."""
        return None if self.audit is None else self.audit.numbers(self.stacked, self.visible_of)

    @cached_property
    def audited(self) -> list[Audited]:
        """The audit's result for each document; empty without an audit."""
        numbers = self.audit_numbers
        return [] if self.audit is None or numbers is None else self.audit.named(numbers.tolist())

    def counts(self, name: str) -> Tensor:
        """[layer, batch, ...] on the processor, one field of the layers' Visible."""
        copies = {id(part): getattr(part, name).cpu() for part in self.visible_of}
        return torch.stack([copies[id(part)] for part in self.visible_of])

    @property
    def is_causal(self) -> bool:
        """Whether the first query of every document sees only itself."""
        n_keys = self.visible_of[-1].n_keys.cpu()  # [batch, query]
        first = self.plan.real.cpu().int().argmax(1)[:, None]
        return bool((n_keys.gather(1, first) == 1).all())

    def visible(self, call: Call, device: torch.device) -> Visible:
        """Counts of visible keys and queries, computed once for layers that share a mask tensor.
        They are on the device of the mask; without a mask, on `device`."""
        if call.mask is not None:
            device = call.mask.device
        cached = self._counted
        kind = (call.is_causal, device)
        if cached is None or cached[0] is not call.mask or cached[1:3] != kind:
            plan = moved(self.plan, device)
            visible = count_visible(call, plan.real, plan.window_rows())
            cached = self._counted = (call.mask, *kind, visible)
        return cached[3]

    def frame(self, plan: Plan, visible: Visible, call: Call) -> Frame:
        """Computed once for layers with the same visible keys."""
        frame = self._frame
        if frame is None or frame.visible is not visible or frame.is_causal != call.is_causal:
            frame = self._frame = Frame(plan, visible, is_causal=call.is_causal, mask=call.mask)
        return frame


def without_virtual(statistics: LayerStatistics) -> LayerStatistics:
    """The kernels' results, completed for virtual keys, which the kernels do not support."""
    nothing = torch.full_like(statistics.row_sum, torch.nan)
    return replace(statistics, virtual_sink=nothing)


def of_tokens(call: Call, state: LayerState | None, device: torch.device) -> dict[str, Tensor]:
    """state_norm, state_cosine and value_norm of one layer, [batch, token], on the device."""
    value_norm = torch.linalg.vector_norm(call.value, dim=-1, dtype=torch.float32).mean(1)
    if state is None:
        unknown = torch.full_like(value_norm, torch.nan)
        state = LayerState(unknown, unknown)
    norm, cosine = state
    norms = {"state_norm": norm, "state_cosine": cosine, "value_norm": value_norm}
    return {name: values.to(device) for name, values in norms.items()}


def fused_path(plan: Plan, workspace: Workspace, wanted: bool | None) -> Any:
    """The kernels for one pass; None where Triton is missing, or the plan has statistics that they
    do not know. wanted: None uses them on NVIDIA GPUs, for which they are tuned (torch calls AMD
    GPUs "cuda", too); True also where Triton only interprets them; False never."""
    tuned_for = workspace.device.type == "cuda" and torch.version.hip is None
    if wanted is False or plan.added or (wanted is None and not tuned_for):
        return None
    if importlib.util.find_spec("triton") is None:
        return None
    from sinkscope.extract.fused import Fused

    return Fused(plan, workspace.share)
