"""Estimates from sampled queries: against all queries, against every possible draw, and in how many
draws their intervals hold the exact value."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calls import DEVICE, call, planted
from sinkscope.extract import formula, sampled
from sinkscope.extract.masks import count_visible
from sinkscope.extract.sampled import Sample, draw, factors, ratio, sampled_layer, t_quantile

N = 900


def members(n_tokens, seed=0):
    """bool [token, set]: the first token, every tenth token or so, a rare set, all others."""
    random = np.random.default_rng(seed)
    sets = np.zeros((n_tokens, 4), dtype=bool)
    sets[0, 0] = True
    sets[1:, 1] = random.random(n_tokens - 1) < 0.1
    sets[[n_tokens // 3, n_tokens // 2], 2] = True
    sets[1:, 3] = ~sets[1:, 1]
    return sets


def exact(made, sets):
    """mass, strict_mass [set], received [key], from full matrices in float64."""
    logits = made.query.double() @ made.key.double().mT * made.scale
    if made.is_causal:
        logits = logits.masked_fill(torch.ones_like(logits).triu(1).bool(), -torch.inf)
    mean = logits.softmax(-1).mean(1)[0].cpu().numpy()
    y = mean @ sets
    later = (np.arange(len(sets)) > 0)[:, None] & ~sets
    return (
        y.mean(0),
        (y * later).sum(0) / later.sum(0),
        mean.sum(0) / seeing(made).n_queries[0].cpu().numpy(),
        mean,
    )


def seeing(made):
    real = torch.ones(1, made.query.shape[2], dtype=torch.bool, device=DEVICE)
    return count_visible(made, real, real)


@pytest.mark.parametrize("is_causal", [True, False])
def test_where_every_query_is_read_the_estimate_is_exact(is_causal):
    made, sets = call(N, 16, torch.float32, batch=1, is_causal=is_causal), members(N)
    sample = draw(sets, 1, [0])
    found = sampled_layer(made, sample, sets, seeing(made))
    left = N - sample.n_queries
    assert left <= 1  # of an odd number of queries, one stratum has three
    mass, strict, received, mean = exact(made, sets)
    atol = 2e-6 if left == 0 else 2e-3
    np.testing.assert_allclose(found.mass.value, mass, rtol=0, atol=atol)
    np.testing.assert_allclose(found.strict_mass.value, strict, rtol=0, atol=atol)
    np.testing.assert_allclose(found.received.value, received, rtol=0, atol=atol * 20)
    if left == 0:
        assert (found.mass.error == 0).all()
    queries = np.concatenate([sample.certain, sample.pairs.ravel()])
    np.testing.assert_array_equal(found.max_key, mean.argmax(-1)[queries])


def test_over_all_draws_the_mean_is_exact_and_the_variance_that_of_the_draws():
    """Three strata of 3, 4 and 5 queries: 3 x 6 x 10 draws."""
    y = np.random.default_rng(0).normal(size=13) ** 2
    strata = [range(1, 4), range(4, 8), range(8, 13)]
    draws = itertools.product(*(itertools.combinations(stratum, 2) for stratum in strata))
    estimates = []
    for pairs in draws:
        sample = Sample(np.array([0]), np.array(pairs), np.array([3, 4, 5]))
        rows = y[np.concatenate([[0], sample.pairs.ravel()])][:, None]
        estimates.append(ratio(sample, rows, np.ones_like(rows)))
    values = np.array([one.value[0] for one in estimates])
    variances = np.array([one.error[0] ** 2 for one in estimates])
    np.testing.assert_allclose(values.mean(), y.mean(), rtol=1e-12)
    np.testing.assert_allclose(variances.mean(), values.var(), rtol=1e-12)


@given(
    n_tokens=st.integers(700, 3000), part=st.integers(2, 8), seed=st.integers(0, 2**32 - 1),
    kinds=st.integers(0, 5),
)  # fmt: skip
def test_a_draw_reads_what_it_must_and_two_of_each_stratum(n_tokens, part, seed, kinds):
    sets = members(n_tokens, kinds)
    sample = draw(sets, part, [seed])
    if sample is None:
        assert n_tokens < 2 * part * (sampled.LEAST_STRATA + 1) + sampled.FIRST + 16
        return
    certain = set(sample.certain.tolist())
    assert certain >= {*range(sampled.FIRST), *range(n_tokens // 3, n_tokens // 3 + 8)}
    drawn = sample.pairs.ravel()
    assert (np.diff(drawn) > 0).all()
    assert not certain & set(drawn.tolist())
    assert sample.sizes.sum() + len(certain) == n_tokens
    others = np.array(sorted(set(range(n_tokens)) - certain))
    for pair, stratum in zip(sample.pairs, np.split(others, sample.sizes.cumsum()), strict=False):
        assert set(pair.tolist()) <= set(stratum.tolist())
    assert abs(sample.pairs.size / len(others) - 1 / part) < 0.25 / part
    again = draw(sets, part, [seed])
    np.testing.assert_array_equal(again.pairs, sample.pairs)


def test_every_query_of_a_stratum_is_drawn_as_often_as_another():
    sets = members(N)
    counts = np.zeros(N)
    for seed in range(400):
        counts[draw(sets, 8, [seed]).pairs] += 1
    drawn = counts[counts > 0]
    assert (counts > 0).sum() == N - len(draw(sets, 8, [0]).certain)
    assert abs(drawn.mean() / 400 - 1 / 8) < 0.01
    assert drawn.std() < 1.3 * np.sqrt(400 / 8)


def test_quantiles_of_t():
    known = {2: 4.303, 3: 3.182, 5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962}
    found = t_quantile(np.array([*known, np.inf], dtype=float))
    np.testing.assert_allclose(found, [*known.values(), 1.960], rtol=0.031)
    np.testing.assert_allclose(found[2:], [*list(known.values())[2:], 1.960], rtol=2e-3)


def test_a_text_that_is_too_short_has_no_sample():
    assert draw(members(500), 8, [0]) is None
    assert draw(members(500), 2, [0]) is not None


@pytest.mark.parametrize("kind", ["random keys", "two sinks", "heavy diagonal"])
def test_intervals_hold_the_exact_value(kind):
    """In 93 to 97 % of draws, to the precision of 300 of them and a handful of statistics; of a set
    of two keys somewhat less."""
    made = call(N, 16, torch.float32, batch=1)
    if kind == "two sinks":
        made = planted(N, [[0, 300]])
    if kind == "heavy diagonal":  # neighbours attend alike, and mostly to themselves
        drift = torch.randn(1, made.query.shape[1], N, 16, generator=torch.manual_seed(1))
        walk = 0.6 * drift.cumsum(2).to(DEVICE)
        made = made._replace(query=made.query + walk, key=made.key + walk, scale=0.02)
    sets = members(N)
    *truth, mean = exact(made, sets)
    y = mean @ sets
    hits, n_draws = np.zeros((2, 4)), 300
    for seed in range(n_draws):
        sample = draw(sets, 6, [seed, 5])
        queries = np.concatenate([sample.certain, sample.pairs.ravel()])
        strict = ((queries > 0)[:, None] & ~sets[queries]).astype(float)
        for row, found in enumerate(
            (ratio(sample, y[queries], np.ones_like(strict)),
             ratio(sample, y[queries] * strict, strict))
        ):  # fmt: skip
            hits[row] += np.abs(found.value - truth[row]) <= found.half + 1e-12
    assert 0.92 <= hits[:, [0, 1, 3]].mean() / n_draws <= 0.98
    assert hits.min() / n_draws >= 0.85


def test_received_per_key_is_held_by_its_interval():
    made, sets = planted(N, [[0, 300]]), members(N)
    _, _, received, _ = exact(made, sets)
    hits, n_draws = np.zeros(N), 60
    for seed in range(n_draws):
        found = sampled_layer(made, draw(sets, 4, [seed]), sets, seeing(made)).received
        hits += np.abs(found.value - received) <= found.half + 1e-6
    assert hits[[0, 300]].min() / n_draws >= 0.88
    assert hits[: N // 2].mean() / n_draws >= 0.9


def test_part_of_the_variance_that_a_stratum_adds():
    assert factors(np.array([2, 3, 4])).tolist() == [0, 0.75, 2]


@pytest.mark.parametrize(
    "changes",
    [
        {"softcap": 1.5},
        {"sink": torch.tensor([0.5, 2.0, -1.0]).view(1, 3, 1, 1)},
        {"attention": "sigmoid"},
        {"attention": "softmax_off_by_one"},
        {"key_bias": torch.linspace(0, 2, N).expand(1, 3, N)},
        {"mask": torch.ones(N, N).tril().triu(-200).bool()[None, None], "is_causal": False},
        {"mask": torch.zeros(1, 1, 1, N).index_fill(3, torch.arange(N - 9, N), -torch.inf)},
    ],
    ids=["cap", "learned sink", "sigmoid", "off by one", "bias", "window", "added mask"],
)
def test_rows_of_every_kind_are_those_of_the_formula(changes):
    moved = {k: v.to(DEVICE) if isinstance(v, torch.Tensor) else v for k, v in changes.items()}
    made = call(N, 16, torch.float32, n_kv=1, batch=1)._replace(**moved)
    at = torch.tensor([0, 3, 17, 500, N - 1], device=DEVICE)
    expected = formula.rows_of(made, formula.logits_of(made, at[None]), at[None])[0]
    found = sampled.attention_of(made, seeing(made), at, N)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-7)
