"""The statistics of `sinkscope.kernels` once more: float64, from full matrices, by the definitions.

Nothing here comes from the package.
"""

import itertools

import numpy as np


def statistics(
    query, key, *, scale=None, softcap=None, sink=None, seen=None, added=None, map_cells=None
):
    """query: [batch, head, token, d]; key with fewer heads. seen: bool, added: float, both
    broadcastable to [batch, head, query, key]."""
    q, k = (rows.detach().double().cpu().numpy() for rows in (query, key))
    k = k.repeat(q.shape[1] // k.shape[1], axis=1)
    logits = q @ k.swapaxes(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if softcap is not None:
        logits = softcap * np.tanh(logits / softcap)
    if added is not None:
        logits = logits + added
    seen = np.broadcast_to(True if seen is None else seen, logits.shape)
    logits = np.where(seen, logits, -np.inf)
    with np.errstate(all="ignore"):
        largest = logits.max(-1)
        weight = np.where(seen, np.exp(logits - np.where(seen.any(-1), largest, 0)[..., None]), 0.0)
        total = weight.sum(-1)
        own = weight / total[..., None]  # a row over its keys alone
        entropy = -np.where(own > 0, own * np.log(own), 0.0).sum(-1)
        log_sum_exp = largest + np.log(total)
        sink_attention = None
        if sink is not None:
            sink = sink.double().cpu().numpy()[:, None]
            log_sum_exp = np.logaddexp(log_sum_exp, sink)
            sink_attention = np.exp(sink - log_sum_exp)
        p = np.where(seen, np.exp(logits - log_sum_exp[..., None]), 0.0)
    mean = p.mean(1)
    sees, any_sees = seen.any(-1), seen.any((1, 3))
    return {
        "received": p.sum(2),
        "log_sum_exp": log_sum_exp,
        "max_logit": largest,
        "max_key": np.where(sees, logits.argmax(-1), -1),
        "entropy": np.where(sees, entropy, 0.0),
        "sink_attention": sink_attention,
        "mean_max_key": np.where(any_sees, mean.argmax(-1), -1),
        "mean_max_value": mean.max(-1),
        "mean_map": None if map_cells is None else np.stack([blocks(m, map_cells) for m in mean]),
    }


def blocks(matrix, n_cells):
    """[cell, cell] means; cell c begins at token floor(c * n / n_cells)."""
    edges = [c * len(matrix) // n_cells for c in range(n_cells + 1)]
    parts = [slice(a, b) for a, b in itertools.pairwise(edges)]
    return np.array([[matrix[rows, columns].mean() for columns in parts] for rows in parts])
