"""Observe a model with the package, and hold its statistics against the reference."""

import numpy as np
import torch

import reference
from sinkscope.extract.door import answered
from sinkscope.extract.observation import Observation
from sinkscope.extract.plan import Plan
from sinkscope.extract.streaming import Workspace

SETS = ([0], [0, 1, 2, 3], [2, 5, 6])
SINKS = [0, 2]
WINDOW = 8


def plan(real, sets=SETS, sinks=SINKS, **options):
    """real: [batch, token] bool. Positions in sets and sinks count from each document's start."""
    n_documents, n_tokens = real.shape
    members = torch.zeros(n_documents, n_tokens, len(sets), dtype=torch.bool)
    left_out = torch.zeros(n_documents, n_tokens, dtype=torch.bool)
    for i, first in enumerate(real.int().argmax(1).tolist()):
        for column, positions in enumerate(sets):
            members[i, [first + p for p in positions], column] = True
        left_out[i, [first + p for p in sinks]] = True
    found = None if "rule" in options else left_out
    return Plan(real, members, found, **({"window": WINDOW} | options))


def expected_of(attention, visible):
    return reference.statistics(attention, visible, SETS, SINKS, WINDOW)


def observe(network, ids, attention_mask=None, options=None, **plan_options):
    """Statistics of a batch, and what the model put out. ids: [batch, token]."""
    real = torch.ones_like(ids) if attention_mask is None else attention_mask
    observation = Observation(plan(real.bool(), **plan_options), Workspace(ids.device))
    with torch.inference_mode(), answered(observation):
        output = network(input_ids=ids, attention_mask=attention_mask, **(options or {}))
    return of_layers(observation), output.last_hidden_state


def of_layers(observation):
    """[document, layer, ...] of every statistic."""
    names = observation.layers[0].__dataclass_fields__
    return {
        name: torch.stack([getattr(layer, name) for layer in observation.layers], 1).numpy()
        for name in names
        if name not in ("head_maps", "diagonals")
        and getattr(observation.layers[0], name) is not None
    }


def of_call(call, **plan_options):
    """Statistics of a single call of the attention: [document, ...]."""
    real = torch.ones(call.query.shape[0], call.query.shape[2], dtype=torch.bool)
    observation = Observation(plan(real, **plan_options), Workspace(call.query.device))
    observation(call)
    return {name: values[:, 0] for name, values in of_layers(observation).items()}


# The axes of each statistic that run over tokens, after [document, layer].
TOKEN_AXES = {
    "max_key": 1, "max_value": 1, "second_value": 1, "sink_score": 2, "window_score": 2,
    "map": (1, 2),
}  # fmt: skip


def of_document(statistics, i, start, stop):
    """One document of a batch, as if it had been alone: padding cut, positions shifted."""
    found = {name: values[i] for name, values in statistics.items()}
    tokens = slice(start, stop)
    found["max_key"] = found["max_key"][:, tokens] - start
    for name in ("max_value", "second_value"):
        found[name] = found[name][:, tokens]
    found["sink_score"] = found["sink_score"][..., tokens]
    found["window_score"] = found["window_score"][..., tokens]
    found["map"] = found["map"][:, tokens, tokens]
    return found


def assert_equal(found, expected, rtol=1e-5, atol=1e-7):
    """found: one document's statistics; expected: the same, or fewer, without max_key."""
    for name, values in expected.items():
        if name != "max_key":
            np.testing.assert_allclose(found[name], values, rtol, atol, err_msg=name)


def assert_max_keys(found, attention):
    """Equal wherever the best key is ahead by more than rounding, which is nearly everywhere."""
    clear = reference.margin(attention) > 1e-6
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(found["max_key"][clear], reference.max_key(attention)[clear])
