"""Who may see whom."""

import pytest
import torch

from sinkscope.extract.masks import HIDDEN, Call, count_visible, shown


def counted(mask, is_causal, n_tokens=300, n_documents=1, window=8):
    x = torch.zeros(n_documents, 2, n_tokens, 4)
    real = torch.ones(n_documents, n_tokens, dtype=torch.bool)
    first = real & (torch.arange(n_tokens) < window)
    return count_visible(Call(x, x, x, mask, is_causal, 1.0), real, first)


def test_a_causal_query_sees_itself_and_what_came_before():
    visible = counted(None, is_causal=True)
    assert visible.n_keys[0].tolist() == list(range(1, 301))
    assert visible.n_queries[0].tolist() == list(range(300, 0, -1))
    assert visible.n_window_queries[0].tolist() == [*range(8, 0, -1), *[0] * 292]


def test_without_a_mask_everybody_sees_everybody():
    visible = counted(None, is_causal=False)
    assert set(visible.n_keys[0].tolist()) == set(visible.n_queries[0].tolist()) == {300}
    assert set(visible.n_window_queries[0].tolist()) == {8}


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.bfloat16, torch.float16])
def test_masks_of_every_kind_count_the_same(dtype):
    """One row for all queries that hides a document's padding, true or added."""
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)[:, None, None]
    if dtype != torch.bool:
        mask = torch.where(mask, -3.0, torch.finfo(dtype).min).to(dtype)
    visible = counted(mask, False, n_tokens=4, n_documents=2)
    assert visible.n_keys.tolist() == [[3] * 4, [3] * 4]
    assert visible.n_queries.tolist() == [[4, 4, 4, 0], [0, 4, 4, 4]]


def test_minus_infinity_hides():
    assert shown(torch.tensor([0.0, -1e4, float("-inf")])).tolist() == [True, True, False]


def test_a_hidden_logit_stays_finite():
    assert torch.isfinite(torch.tensor(HIDDEN) + torch.tensor(HIDDEN))
