"""Bootstrap intervals: closed forms, plain loops, and what every interval satisfies."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sinkscope import intervals
from sinkscope.intervals import RESAMPLES, Estimates, draws, means, sums
from sinkscope.means import of_sums


def of_ratios(values, weights):
    """Sum of values over sum of weights as tables have it. Both: [document, statistic]; NaN for
    none."""
    document, statistic = np.indices(values.shape).reshape(2, -1)
    columns = {"value": values.ravel(), "weight": weights.ravel(), "statistic": statistic}
    rows = pl.DataFrame(columns | {"document": [f"{i:05d}" for i in document]}, nan_to_null=True)
    table = of_sums(rows, ["statistic"], "value", "weight", "x")
    ends = (table[name].fill_null(np.nan).to_numpy() for name in ("x", "x_low", "x_high"))
    return Estimates(*ends, table["x_n"].to_numpy())


def of_means(values):
    return of_ratios(values, np.isfinite(values).astype(float))


def by_loops(values, weights):
    """Low and high end for one statistic: every resample by itself, in plain Python."""
    ratios = []
    for counts in draws(len(values))[1:]:
        above = below = 0.0
        for count, value, weight in zip(counts, values, weights, strict=True):
            if weight > 0:
                above += float(count) * float(value)
                below += float(count) * float(weight)
        if below > 0:
            ratios.append(above / below)
    ratios.sort()

    def percentile(part):
        at = part * (len(ratios) - 1)
        before, rest = int(at), at - int(at)
        after = min(before + 1, len(ratios) - 1)
        return ratios[before] + rest * (ratios[after] - ratios[before])

    return percentile(0.025), percentile(0.975)


def test_a_draw_takes_as_many_documents_as_there_are():
    for n in (1, 2, 8, 100):
        counts = draws(n)
        assert counts.shape == (1 + RESAMPLES, n)
        assert (counts[0] == 1).all()
        assert (counts.sum(1) == n).all()
        # On average each document is drawn once; four standard errors of the mean of the counts.
        assert np.abs(counts[1:].mean(0) - 1).max() < 4 / RESAMPLES**0.5


def test_draws_of_two_documents_are_the_exact_distribution():
    """Twice the first, one of each, twice the second: 1/4, 1/2 and 1/4."""
    firsts = draws(2)[1:, 0]
    shares = [(firsts == count).mean() for count in (0, 1, 2)]
    assert shares == pytest.approx([0.25, 0.5, 0.25], abs=4 * 0.5 / RESAMPLES**0.5)
    estimates = of_means(np.array([[1.0, 5.0], [3.0, -1.0]]))
    assert estimates.value.tolist() == [2, 2]
    assert estimates.low.tolist() == [1, -1]
    assert estimates.high.tolist() == [3, 5]
    assert estimates.n_documents.tolist() == [2, 2]


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3e-9, 1e300])
@pytest.mark.parametrize("n", [2, 3, 50])
def test_documents_that_are_alike_have_an_interval_without_width(value, n):
    estimates = of_means(np.full((n, 1), value))
    assert estimates.low == estimates.value == estimates.high
    assert estimates.value[0] == pytest.approx(value, rel=1e-13)


def test_a_single_document_has_a_mean_and_no_interval():
    estimates = of_means(np.array([[0.25, np.nan], [np.nan, np.nan]]))
    assert estimates.value[0] == 0.25
    assert np.isnan([estimates.low[0], estimates.high[0], estimates.value[1]]).all()
    assert estimates.n_documents.tolist() == [1, 0]


@pytest.mark.parametrize("n", [3, 8, 41])
def test_means_and_ratios_equal_plain_loops(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(n, 3))
    weights = rng.integers(0, 4, size=(n, 3)).astype(float)
    weights[:2] = 1
    values[weights == 0] = np.nan  # a document without a value
    estimates = of_ratios(values, weights)
    holes = np.where(rng.random((n, 3)) < 0.3, np.nan, values)
    holes[:2] = [[0.5], [0.75]]
    of_holes = of_means(holes)
    for k in range(3):
        known = weights[:, k] > 0
        assert estimates.value[k] == pytest.approx(
            values[known, k].sum() / weights[known, k].sum(), rel=1e-12
        )
        ends = by_loops(values[:, k], weights[:, k])
        assert (estimates.low[k], estimates.high[k]) == pytest.approx(ends, rel=1e-10, abs=1e-14)
        ends = by_loops(holes[:, k], np.isfinite(holes[:, k]))
        assert (of_holes.low[k], of_holes.high[k]) == pytest.approx(ends, rel=1e-10, abs=1e-14)
        assert of_holes.n_documents[k] == np.isfinite(holes[:, k]).sum()


SAMPLES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(2, 12), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6, width=32),
)


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_an_interval_lies_within_the_documents_and_around_their_mean(values):
    estimates = of_means(values)
    slack = 1e-12 * np.abs(values).max(0)
    assert (estimates.low >= values.min(0) - slack).all()
    assert (estimates.high <= values.max(0) + slack).all()
    assert (estimates.low <= estimates.high).all()
    mirrored = np.concatenate([values, 2 * values.mean(0) - values])  # symmetric about the mean
    both = of_means(mirrored)
    slack = 1e-9 * (1 + np.abs(mirrored).max(0))
    assert (both.low <= both.value + slack).all()
    assert (both.high >= both.value - slack).all()


@settings(max_examples=60, deadline=None)
@given(SAMPLES, st.floats(0.01, 100), st.floats(-100, 100))
def test_an_interval_moves_and_scales_with_its_values(values, scale, shift):
    before, after = of_means(values), of_means(values * scale + shift)
    slack = 1e-9 * (1 + np.abs(values).max(0) * scale + abs(shift))
    for name in ("value", "low", "high"):
        moved = getattr(before, name) * scale + shift
        assert (np.abs(getattr(after, name) - moved) <= slack).all(), name
    down = of_means(-values)
    assert (np.abs(down.low + before.high) <= slack).all()


@settings(max_examples=40, deadline=None)
@given(SAMPLES)
def test_sums_are_exact_so_no_order_of_addition_changes_a_bit(values):
    """Other statistics beside a column, and their order, leave its bytes as they are."""
    together = sums(values)
    for k in range(values.shape[1]):
        assert (sums(values[:, [k]])[:, 0] == together[:, k]).all()
    assert (sums(values[:, ::-1])[:, ::-1] == together).all()
    # The same resample with its documents in another order: the draws permuted with the values.
    order = np.arange(len(values))[::-1]
    exponents = np.frexp(np.abs(values).max(0))[1]
    bits = 53 - int(np.ceil(np.log2(len(values))))
    steps = np.rint(np.ldexp(values, bits - exponents))
    plain = np.zeros_like(together)
    for document in order:
        plain += draws(len(values))[:, [document]] * steps[document]
    assert (np.ldexp(plain, exponents - bits) == together).all()
    assert together == pytest.approx(draws(len(values)) @ values, rel=1e-9, abs=1e-6)


def test_the_number_of_threads_changes_no_byte():
    program = (
        "import numpy as np; from sinkscope.intervals import means;"
        "values = np.random.default_rng(1).normal(size=(200, 700));"
        "import hashlib; print(hashlib.sha256(means(values).tobytes()).hexdigest())"
    )
    hashes = set()
    for threads in ("1", "2"):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        hashes.add(done.stdout)
    assert len(hashes) == 1


def test_resamples_without_a_document_that_has_a_value_are_left_out():
    values = np.full((6, 1), np.nan)
    values[:2, 0] = 0.0, 1.0
    resampled = means(values)
    assert np.isnan(resampled[1:]).any()
    low, high = intervals.interval(resampled)
    assert (low[0], high[0]) == (0, 1)


@pytest.mark.parametrize(("n", "expected"), [(8, 0.88), (20, 0.92), (100, 0.945)])
def test_coverage_of_the_true_mean_is_what_the_docstring_says(n, expected):
    """2,000 samples: a standard error of 0.007 at 0.9."""
    samples = np.random.default_rng(4).normal(size=(n, 2000))
    estimates = of_means(samples)
    covered = ((estimates.low <= 0) & (estimates.high >= 0)).mean()
    assert covered == pytest.approx(expected, abs=0.015)


def test_memory_is_bounded_for_many_documents():
    """The draws take 2 kB per document; without blocks, this took 260 MiB."""
    values = np.random.default_rng(3).random((8000, 100))
    draws.cache_clear()
    tracemalloc.start()
    means(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20
