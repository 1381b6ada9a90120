"""The arrays of a cell that say which keys are sinks, made for tests."""

import numpy as np

RULE = {"by": "attention", "times": 4.0, "floor": 0.03, "share": 0.75, "n_queries": 3,
        "cosine": 0.9}  # fmt: skip


def sink_arrays(is_sink, n_heads, visible, by_state=None):
    """is_sink, by_state: [layer, key] bool. visible: [query, key]. Every head has the same sinks;
    states of keys in by_state have a cosine of -0.95, their norms are 10, those of others 2."""
    n_layers = len(is_sink)
    by_state = np.zeros_like(is_sink) if by_state is None else by_state
    seen = visible.astype(bool)
    even = 1 / seen.sum(1, keepdims=True)
    uniform = (seen * even).sum(0) / np.maximum(seen.sum(0), 1)
    numbers = {
        "uniform": np.tile(uniform, (n_layers, 1)),
        "steady": np.where(is_sink, 0.9, np.nan),
        "state_norm": np.where(by_state, 10.0, 2.0),
        "state_cosine": np.where(by_state, -0.95, 0.1),
        "value_norm": np.where(is_sink, 0.5, 1.0),
    }
    return {name: values.astype(np.float32) for name, values in numbers.items()} | {
        "is_sink": is_sink,
        "by_attention": is_sink,
        "by_state": by_state,
        "is_head_sink": np.repeat(is_sink[:, None], n_heads, 1),
    }
