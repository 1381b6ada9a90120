"""From one observed forward pass, whose batch may be padded on either side, to a cell per document
without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sinkscope.config import Settings
from sinkscope.declarations.registry import added, statistics
from sinkscope.declarations.statistic import Statistic
from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.extract.coarse import quantised
from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Visible
from sinkscope.extract.observation import Observation
from sinkscope.extract.plan import Facts, LayerStatistics, Plan
from sinkscope.keys import CODES, SPECIAL_CLASSES
from sinkscope.words import spans

MAPS = tuple(one.name for one in statistics() if {"cell", "coarse"} & set(one.axes))


def plan_of(
    distinct: Tensor,
    settings: Settings,
    heads: tuple[tuple[int, int], ...] = (),
    real: Tensor | None = None,
) -> Plan:
    """distinct: [document, token, set] bool, the key sets. real: as in codes_of."""
    if real is None:
        real = torch.ones(distinct.shape[:2], dtype=torch.bool)
    return Plan(
        real=real,
        key_sets=distinct,
        rule=settings.rule,
        window=settings.window,
        map_exact=settings.map_exact,
        map_cells=settings.map_cells,
        heads=heads,
        added=added(),
    )


def arrays_of(
    layers: LayerStatistics, observation: Observation, column: Tensor | None
) -> list[dict[str, np.ndarray]]:
    """The arrays of each document, [layer, ...]. layers: stacked, [layer, batch, ...]. column: for
    each of LISTED_SETS its column among those of the plan; None if they are the same."""
    judged = is_judged(observation.plan, observation.counts("n_queries"))
    arrays: dict[str, Any] = {
        one.name: tensor_of(one, layers, observation, column, judged).cpu().numpy()
        for one in statistics()
        if one.name not in MAPS
    }
    n_documents = len(observation.plan.real)
    rows = [{name: values[:, i] for name, values in arrays.items()} for i in range(n_documents)]
    if observation.plan.has_maps:
        # [layer, batch, cell, cell]; [batch, wanted head, cell, cell]
        maps = [one.half().cpu().numpy() for one in (layers.map, layers.head_maps)]
        for i, row in enumerate(rows):
            row |= {"map": maps[0][:, i], "head_map": maps[1][i]}
        if layers.coarse_map is not None:  # [layer, batch, head, coarse, coarse]
            coarse = quantised(layers.coarse_map.cpu().numpy())
            for i, row in enumerate(rows):
                row["coarse_map"] = coarse[:, i]
    of_real = observation.plan.real.cpu().numpy()
    return [trimmed(row, real, observation.plan) for row, real in zip(rows, of_real, strict=True)]


def tensor_of(
    one: Statistic,
    layers: LayerStatistics,
    observation: Observation,
    column: Tensor | None,
    judged: Tensor,
) -> Tensor:
    """[layer, batch, ...]: one statistic of all layers, on its device. judged: [layer, batch] bool,
    of is_judged."""
    if one in observation.plan.added:
        assert layers.added is not None
        values = layers.added[..., observation.plan.added.index(one)]
    elif one.name in Visible.__dataclass_fields__:
        values = observation.counts(one.name)
    else:
        values = getattr(layers, one.name)
    if one.axes[-1] == "key_set":  # KEY_SETS: the listed ones, and the sinks of each layer
        of_sinks = layers.sink_mass if one.name == "mass" else layers.strict_sink_mass
        assert of_sinks is not None
        of_sinks = of_sinks.masked_fill(~judged.to(of_sinks.device), torch.nan)
        if column is not None:
            values = values[..., column.to(values.device)]
        values = torch.cat([values, of_sinks[..., None]], -1)
    return values.to(getattr(torch, one.type))


def is_judged(plan: Plan, n_queries: Tensor) -> Tensor:
    """[..., batch] bool: whether any key can be a sink. n_queries: [..., batch, key]."""
    assert plan.rule is not None
    least = 1 if plan.rule.by == "state_cosine" else plan.rule.n_queries
    return (n_queries >= least).any(-1)


def trimmed(arrays: dict[str, Any], real: np.ndarray, plan: Plan) -> dict[str, Any]:
    """The arrays of one document without its padding. real: [token] bool. A block-averaged map of a
    padded document would mix tokens and padding: it is left out."""
    if not real.all():
        start, stop = np.flatnonzero(real)[[0, -1]] + (0, 1)
        if not plan.exact(len(real)):
            arrays = {name: array for name, array in arrays.items() if name not in MAPS}
        over_tokens = {"query", "key", "cell"}
        for one in statistics():
            if one.name in arrays:
                slices = [
                    slice(start, stop) if ax in over_tokens else slice(None) for ax in one.axes
                ]
                arrays[one.name] = arrays[one.name][tuple(slices)]
        arrays["max_key"] = arrays["max_key"] - start
    # A causal window ends long before its document does.
    last = np.flatnonzero(arrays["n_window_queries"].any(0)).max() + 1
    for name in ("window_score", "n_window_queries"):
        arrays[name] = arrays[name][..., :last]
    return arrays


def check_numbers(
    model: str, document: str, dtype: str, max_value: np.ndarray, layers: Sequence[int]
) -> None:
    """max_value: [layer, query]. Raises SinkscopeError if one is not a finite number."""
    for layer, values in zip(layers, max_value, strict=True):
        if not np.isfinite(values).all():
            raise SinkscopeError(
                f"document '{document}': model '{model}' computes NaN or infinite attention "
                f"logits in layer {layer} with dtype {dtype}; use float32, or check the weights.",
                document,
            )


def cell_of(
    model: str,
    document: str,
    dtype: str,
    encoded: Encoded,
    arrays: dict[str, np.ndarray],
    observation: Observation,
) -> Cell:
    """One document's part of a pass. Raises SinkscopeError for attention that is not finite."""
    layers = observation.layer_of
    check_numbers(model, document, dtype, arrays["max_value"], layers)
    for layer, head in observation.plan.heads:
        if layer not in layers:
            raise ModelError(
                f"model '{model}': layer {layer} has no attention, so head {layer}/{head} has no "
                f"map; layers with attention are {spans(layers)}."
            )
    meta = meta_of(model, document, encoded, observation.facts, is_causal=observation.is_causal)
    if "map" in arrays and encoded.gaps is not None:  # the report shows the running text
        meta["gaps"] = encoded.gaps
    return Cell(meta, arrays)


def meta_of(
    model: str, document: str, encoded: Encoded, facts: Facts, *, is_causal: bool
) -> dict[str, Any]:
    return {
        "model": model,
        "document": document,
        "tokens": encoded.tokens,
        "classes": encoded.classes,
        "n_tokens_full": encoded.n_tokens_full,
        "window": facts.plan.window,
        "sink_rule": vars(facts.plan.rule),
        "is_causal": is_causal,
        "layers": list(facts.layer_of),
        "heads": [f"{layer}/{head}" for layer, head in facts.plan.heads],
        "path": " and ".join(facts.paths),
    }


def checked_heads(
    heads: Sequence[tuple[int, int]], model: str, n_layers: int, n_heads: int, where: str
) -> tuple[tuple[int, int], ...]:
    """The (layer, head) pairs, sorted. Raises ModelError for others. where: their source."""
    for layer, head in heads:
        if not (0 <= layer < n_layers and 0 <= head < n_heads):
            raise ModelError(
                f"{where} '{model}/{layer}/{head}', but the model has layers 0 to {n_layers - 1} "
                f"and heads 0 to {n_heads - 1}; correct it."
            )
    return tuple(sorted(set(heads)))


def codes_of(encoded: Sequence[Encoded], real: Tensor | None = None) -> Tensor:
    """[document, token] int8, the number of each token's class, that of CODES or one more without a
    class; -1 at padding. real: [document, token] bool, False at padding; None: all of one
    length."""
    starts = [0] * len(encoded) if real is None else real.int().argmax(1).tolist()
    n_tokens = len(encoded[0].ids) if real is None else real.shape[1]
    codes = np.full((len(encoded), n_tokens), -1, dtype=np.int8)
    for start, one, row in zip(starts, encoded, codes, strict=True):
        row[start : start + len(one.classes)] = [
            CODES.get(name, len(CODES)) for name in one.classes
        ]
    return torch.from_numpy(codes)


def members_of(codes: Tensor) -> Tensor:
    """[document, token, key_set] bool: the LISTED_SETS of each token. codes: of codes_of."""
    of_class = torch.stack([codes == code for code in CODES.values()], 2)
    rank = (codes >= 0).cumsum(1) * (codes >= 0)  # 1 for the first token, 0 for padding
    first, first_four = rank == 1, (rank > 0) & (rank <= 4)
    special = torch.stack([codes == CODES[name] for name in SPECIAL_CLASSES]).any(0)
    terminator = codes == CODES["terminator"]
    first_terminator = terminator & (terminator.cumsum(1) == 1)
    listed_sinks = (first | special | first_terminator) & (codes != CODES["mask"])
    others = torch.stack([first, first_four, special, first_terminator, listed_sinks], 2)
    return torch.cat([others[..., :2], of_class, others[..., 2:]], 2)
