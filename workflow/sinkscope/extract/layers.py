"""Which layer a call of the attention comes from: the entry of the network's list of n_layers
modules whose forward pass is running. Models without such a list (ALBERT runs one layer several
times) are numbered by the order of their calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch

LINEAR = ("Linear", "Lightning", "Delta")  # in the names of such classes

Numbers = Mapping[int, int]  # id of a module: its layer


def layer_lists(network: Any, n_layers: int) -> list[torch.nn.ModuleList]:
    """The lists of n_layers modules, not those inside of another one's entries."""
    if not isinstance(network, torch.nn.Module):
        return []
    lists: dict[int, torch.nn.ModuleList] = {}
    seen, waiting = set(), [network]
    while waiting:  # asked in every pass: the modules of the layers themselves are not visited
        module = waiting.pop()
        seen.add(id(module))
        if isinstance(module, torch.nn.ModuleList) and len(module) == n_layers:
            lists[id(module)] = module
        else:
            children = [child for child in module.children() if id(child) not in seen]
            waiting.extend(reversed(children))
    return list(lists.values())


def layer_numbers(network: Any, n_layers: int) -> Numbers:
    """The layer of each module in these lists. A module at several places has no number."""
    numbers: dict[int, int] = {}
    ambiguous = set()
    for modules in layer_lists(network, n_layers):
        for layer, module in enumerate(modules):
            if numbers.setdefault(id(module), layer) != layer:
                ambiguous.add(id(module))
    return {at: layer for at, layer in numbers.items() if at not in ambiguous}


def layer_of(chain: Iterable[torch.nn.Module], numbers: Numbers) -> int | None:
    """The layer of the innermost numbered module of a chain of calls, innermost first."""
    return next((numbers[id(module)] for module in chain if id(module) in numbers), None)


def fault_of(
    layers: Sequence[int | None], n_heads: Sequence[int], network: Any, config: Any
) -> str | None:
    """Why the calls of one pass are not one for each layer with attention, each with all heads;
    else None. layers, n_heads: of the calls, in order. config: of the part that reads text. A layer
    may be without a call if no module's class is named like an attention with softmax."""
    n_calls, n_layers = len(layers), int(config.num_hidden_layers)
    others = sorted(set(n_heads) - {int(config.num_attention_heads)})
    if others:
        return (
            f"it attends with {others[0]} heads, but its configuration says "
            f"{config.num_attention_heads}"
        )
    if all(layer is None for layer in layers):
        reason = f"it calls the attention {n_calls} times in one pass"
        return None if n_calls == n_layers else reason
    known = [layer for layer in layers if layer is not None]
    if len(known) < n_calls:
        return "it also calls the attention outside of its layers"
    for before, layer in pairwise(known):
        if layer <= before:
            what = "twice in layer" if layer == before else "out of order in layer"
            return f"it calls the attention {what} {layer}"
    for layer in set(range(n_layers)) - set(known):
        for modules in layer_lists(network, n_layers):
            names = [type(module).__name__ for module in modules[layer].modules()]
            attention = next((name for name in names if is_attention(name)), None)
            if attention:
                return f"layer {layer} does not call the attention, but has a {attention}"
    return None


def is_attention(name: str) -> bool:
    """Whether the class of a module is an attention with softmax: linear attention has no rows."""
    return "attention" in name.lower() and not any(kind in name for kind in LINEAR)
