"""Maps of single heads beside the kernels, which hold no attention: computed in blocks of rows."""

import numpy as np
import pytest
import torch

import compare
import reference
from calls import DEVICE, call
from sinkscope.extract.frame import block_weights, coarse_weights
from sinkscope.extract.fused import MAP_ENTRIES, MAP_ROWS, maps_of

LONG = MAP_ROWS + 77  # tokens; more than a block


def attention_of(made):
    """[batch, head, query, key] and log-sum-exp [batch, head, query], in float64."""
    query, key = (rows.double() for rows in (made.query, made.key))
    key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    logits = query @ key.transpose(2, 3) * made.scale
    if made.is_causal:
        future = torch.ones(logits.shape[2:], dtype=torch.bool, device=DEVICE).triu(1)
        logits = logits.masked_fill(future, -torch.inf)
    if made.mask is not None:
        logits = logits + made.mask.double()
    return logits.softmax(-1).cpu().numpy(), logits.logsumexp(-1).float()


def assert_maps(made, heads, real):
    n_tokens = made.query.shape[2]
    plan = compare.plan(real, map_exact=0, map_cells=20)
    attention, lse = attention_of(made)
    pool = block_weights(n_tokens, 20, DEVICE)
    coarse = maps_of(made, lse, heads, plan, *coarse_weights(n_tokens, DEVICE)).cpu()
    pooled = maps_of(made, lse, heads, plan, pool, pool.T).cpu()
    for i in range(len(real)):
        for place, head in enumerate(heads):
            matrix = attention[i, head] * real[i, :, None].numpy()
            expected = reference.coarse_map(matrix, 64)
            np.testing.assert_allclose(coarse[i, place], expected, 1e-4, 1e-6)
            expected = reference.block_map(matrix, 20)
            np.testing.assert_allclose(pooled[i, place], expected, 1e-4, 1e-8)


@pytest.mark.parametrize("is_causal", [True, False])
@pytest.mark.parametrize("n_tokens", [90, MAP_ROWS, LONG, 2 * MAP_ROWS + 1])
def test_of_documents_shorter_and_longer_than_a_block(n_tokens, is_causal):
    made = call(n_tokens, 16, torch.float32, n_heads=4, n_kv=2, is_causal=is_causal)
    assert_maps(made, [3, 1], torch.ones(2, n_tokens, dtype=torch.bool))


@pytest.mark.parametrize("n_masks", [1, 4])
def test_under_a_mask_and_with_padding(n_masks):
    real = torch.ones(2, LONG, dtype=torch.bool)
    real[1, -30:] = False
    hidden = torch.zeros(2, n_masks, LONG, LONG, device=DEVICE)
    hidden.masked_fill_(~real[:, None, None].to(DEVICE), torch.finfo(torch.float32).min)
    hidden[:, :, :, 5] -= torch.arange(float(n_masks), device=DEVICE)[:, None] + 1  # a bias
    made = call(LONG, 16, torch.float32, n_heads=4, is_causal=False, mask=hidden)
    assert_maps(made, [0, 2, 3], real)


def test_of_more_heads_than_are_computed_at_once():
    n_tokens, n_heads = 4100, 17
    assert n_heads > MAP_ENTRIES // (MAP_ROWS * n_tokens)
    made = call(n_tokens, 4, torch.float32, n_heads=n_heads, n_kv=1, batch=1)
    plan = compare.plan(torch.ones(1, n_tokens, dtype=torch.bool))
    _, lse = attention_of(made._replace(query=made.query[:, -3:]))
    lse = torch.nn.functional.pad(lse, (0, 0, n_heads - 3, 0))
    weights = coarse_weights(n_tokens, DEVICE)
    together = maps_of(made, lse, list(range(n_heads)), plan, *weights)
    alone = maps_of(made, lse, [n_heads - 1], plan, *weights)
    torch.testing.assert_close(together[:, -1:], alone)
    # Each row of a head sums to 1, and so does its mean over the rows of a cell.
    torch.testing.assert_close(alone.sum(-1), torch.ones_like(alone[..., 0]))
