"""The rule, on numbers and on models whose heads have known roles."""

import numpy as np
import pytest
import torch

import toy_roles
from sinkscope.experiments.head_roles.constants import ROLES
from sinkscope.experiments.head_roles.measure import measure
from sinkscope.experiments.head_roles.roles import (
    Writing,
    heads_of,
    role_of,
    stable_ranks,
    strongest,
    triangle_of,
)
from tasks import documents, task

TEXT = "a bright cat sat on the mat, and then it ran away from a dog. so it goes, day by day."


@pytest.mark.parametrize(
    ("share", "ratio", "rank", "role"),
    [(0.9, 0.2, 5, "no-op"), (0.89, 0.1, 1, "none"), (1.0, 0.21, 1, "mixed"),
     (1.0, 0.5, 1.5, "broadcast"), (1.0, 0.5, 1.6, "mixed"), (1.0, 0.49, 1.0, "mixed"),
     (float("nan"), 0.1, 1, "none"), (1.0, float("nan"), 1, "mixed")],
)  # fmt: skip
def test_the_rule_at_its_limits(share, ratio, rank, role):
    assert role_of(share, ratio, rank) == role


def test_the_sink_is_the_key_that_most_queries_give_half():
    n = 12
    rows = np.tile(np.eye(n), (3, 1, 1))
    rows[0, 2:, 1] = 0.6  # all that see key 1
    rows[1, 6:, 5] = 0.9
    rows[1, 8:, 0] = 0.5
    rows[2, 1:, 0] = 0.3  # nobody gives a half: the key with most
    visible = np.tril(np.ones((n, n), bool))
    key, share = strongest(rows, visible, 4)
    assert key.tolist() == [1, 5, 0]
    assert share == pytest.approx([1.0, 1.0, 0.0])
    key, share = strongest(rows, visible, 7)  # six queries see key 5: not enough
    assert (key[1], share[1]) == (0, pytest.approx(4 / 11))
    assert np.isnan(strongest(rows, visible, 12)[1]).all()


def test_a_querys_attention_to_itself_is_no_sink():
    rows, visible = np.eye(6)[None], np.ones((6, 6), bool)
    assert strongest(rows, visible, 3)[1] == [0]


def test_stable_rank():
    one = torch.randn(9, 1, dtype=torch.float64) @ torch.randn(1, 5, dtype=torch.float64)
    even = torch.eye(9, 5, dtype=torch.float64)
    random = torch.randn(9, 5, dtype=torch.float64)
    found = stable_ranks(torch.stack([one, even, random]))
    singular = np.linalg.svd(random.numpy(), compute_uv=False)
    expected = (singular**2).sum() / singular[0] ** 2
    assert found == pytest.approx([1, 5, expected])
    assert np.isnan(stable_ranks(torch.zeros(1, 4, 3, dtype=torch.float64))).all()


def test_a_triangle_keeps_lengths_and_angles():
    torch.manual_seed(1)
    projection = torch.randn(2, 4, 20, dtype=torch.float64)  # [head, d, d_model]
    values = torch.randn(2, 7, 4, dtype=torch.float64)
    short, long = values @ triangle_of(projection).mT, values @ projection
    torch.testing.assert_close(short @ short.mT, long @ long.mT)


def test_what_gated_heads_write_is_written_out():
    """Query by query: the norm of what a key sends is a root of the mean square over them."""
    torch.manual_seed(2)
    n_heads, n, d = 2, 9, 4
    projection = torch.randn(n_heads, d, 20, dtype=torch.float64)
    rows = torch.rand(n_heads, n, n, dtype=torch.float64).tril()
    values = torch.randn(n_heads, n, d, dtype=torch.float64)
    gate = torch.rand(n_heads, n, d, dtype=torch.float64)
    writing = Writing(triangle_of(projection), gate)
    found = heads_of(rows, values, writing, np.tril(np.ones((n, n), bool)), 4)
    for head in range(n_heads):
        sent = torch.stack([(gate[head, i] * values[head]) @ projection[head] for i in range(n)])
        norms = sent.norm(dim=-1).square().mean(0).sqrt().numpy()  # of [query, key, d_model]
        key = found.key[head]
        ratio = norms[key] / np.median(np.delete(norms, key))
        assert found.value_ratio[head] == pytest.approx(ratio)
        written = (gate[head] * (rows[head] @ values[head])) @ projection[head]
        singular = np.linalg.svd(written.numpy(), compute_uv=False)
        assert found.stable_rank[head] == pytest.approx((singular**2).sum() / singular[0] ** 2)


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_heads_that_were_built_for_a_role_have_it(family):
    """All 8 heads of 6 models of each family, in any order of roles."""
    for seed in range(6):
        random = np.random.default_rng(seed)
        built = [*ROLES, *random.choice(ROLES, 4)]
        random.shuffle(built)
        loaded = toy_roles.toy(family, built, seed)
        frames = measured(loaded)
        table = frames["head_roles_documents"].filter(document="d0").sort("head")
        assert table["role"].to_list() == built
        for row in table.filter(table["role"] != "none").iter_rows(named=True):
            assert row["key"] == 0
            assert row["share_of_queries"] == 1
            proof(row)


def proof(row):
    """What the edits must show of a built head."""
    if row["role"] == "no-op":
        # Nothing is missing without the value; without the key the head writes something else.
        assert row["sink_zero"] <= 1.0
        assert row["sink_remove"] > 10
        assert row["sink_mean"] > 1
    if row["role"] == "broadcast":
        assert row["sink_zero"] == pytest.approx(1, abs=0.02)  # all that it wrote is gone
    assert row["random_zero"] < 0.02
    assert row["random_remove"] < 0.02


def measured(loaded):
    job = task("head_roles", *documents(TEXT, TEXT[::-1].strip(". ")), edited_documents=0)
    return measure(loaded, job)
