"""Statistics of a layer from queries drawn at random: estimates with standard errors.

Some queries are always read: the first FIRST, which see few keys and are unlike all others, and the
NEAR queries from each key of a rare key set, to which they may give much. The others form strata of
2 x part neighbours, and two queries of each are drawn without replacement, so that one in `part` is
read and no region of the text is left out. Single queries are drawn, not blocks: neighbours attend
similarly, so blocks of 8 give intervals almost twice as wide for the same work.

A total over queries is estimated from the drawn ones, each weighted by the number of queries that
it stands for (Horvitz and Thompson 1952). Its variance is added up from the differences within
strata (Cochran 1977, chapter 5); a mean over some of the queries is a ratio of two totals, with the
variance of y - r x (chapter 6). Intervals take quantiles of Student's t with the degrees of freedom
of Satterthwaite, since few strata may hold most of the variance. All layers of a pass read the same
queries: their errors are not independent.

Sources: D. G. Horvitz and D. J. Thompson, Journal of the American Statistical Association 47
(1952); W. G. Cochran, Sampling Techniques, third edition (1977).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from sinkscope.extract.masks import HIDDEN, Call, Visible, shown
from sinkscope.extract.rows import ALTERNATIVES, capped, with_sink

FIRST = 64  # queries that are always read
NEAR = 8  # queries from each key of a rare set that are always read, its own included
RARE = 128  # a set is rare if it holds at most one in so many keys
LEAST_STRATA = 32  # fewer give no variance to rely on
# Attention of all heads in memory at once: more does not fit a CPU's cache, less leaves a GPU idle.
ENTRIES_CPU, ENTRIES_GPU = 1 << 20, 1 << 26
Z = 1.959964  # normal quantile of a 95 % interval


@dataclass(frozen=True)
class Sample:
    """Queries of a text. certain: int [query], always read. pairs: int [stratum, 2], the drawn
    queries of each stratum, in order; sizes: int [stratum], queries of a stratum."""

    certain: np.ndarray
    pairs: np.ndarray
    sizes: np.ndarray

    @property
    def n_queries(self) -> int:
        return len(self.certain) + self.pairs.size


def draw(key_sets: np.ndarray, part: int, seed: Sequence[int]) -> Sample | None:
    """About one in `part` of the queries of a text; None for a text that is too short for
    LEAST_STRATA strata. key_sets: bool [token, key_set]. Equal arguments give equal samples."""
    n_tokens = len(key_sets)
    is_certain = np.arange(n_tokens) < FIRST
    n_keys = key_sets.sum(0)
    rare = np.flatnonzero(key_sets[:, n_keys * RARE <= n_tokens].any(1))
    is_certain[np.minimum(rare[:, None] + np.arange(NEAR), n_tokens - 1)] = True
    others = np.flatnonzero(~is_certain)
    n_strata = len(others) // (2 * part)
    if n_strata < LEAST_STRATA:
        return None
    sizes = np.array([len(stratum) for stratum in np.array_split(others, n_strata)])
    # Raw bits of PCG64: the stream of a bit generator is the same in all versions of NumPy.
    bits = np.random.PCG64(list(seed)).random_raw((2, n_strata))
    one = (bits[0] % sizes.astype(np.uint64)).astype(np.int64)
    other = (bits[1] % (sizes - 1).astype(np.uint64)).astype(np.int64)
    other += other >= one
    starts = np.cumsum(sizes) - sizes
    pairs = others[starts[:, None] + np.sort(np.stack([one, other], 1), 1)]
    return Sample(np.flatnonzero(is_certain), pairs, sizes)


def seed_of(seed: int, ids: Sequence[int]) -> list[int]:
    """The seed of a document: equal tokens draw equally."""
    return [seed, crc32(np.array(ids, dtype=np.int64).tobytes())]


class Estimate(NamedTuple):
    """[...] float64. value: NaN where no query counts. error: its standard error. half: half the
    width of its 95 % interval."""

    value: np.ndarray
    error: np.ndarray
    half: np.ndarray


def estimate(value: np.ndarray, variance: np.ndarray, squares: np.ndarray) -> Estimate:
    """variance: sum over strata of their contributions; squares: sum of the squares of these."""
    error = np.sqrt(variance)
    freedom = np.divide(variance**2, squares, out=np.full_like(variance, np.inf), where=squares > 0)
    return Estimate(value, error, t_quantile(freedom) * error)


def t_quantile(freedom: np.ndarray) -> np.ndarray:
    """Of a 95 % interval: Student's t, by its expansion about the normal quantile (Abramowitz and
    Stegun 26.7.5); from 2 degrees of freedom on, fewer are taken as 2, it is off by at most 3 %."""
    n = np.maximum(freedom, 2.0)
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + sum(term / n**power for power, term in enumerate(terms, start=1))


def factors(sizes: np.ndarray) -> np.ndarray:
    """[stratum] the variance of a stratum's total over the squared difference of its two drawn
    queries: size^2 (1 - 2 / size) s^2 / 2, where s^2 is half of the squared difference."""
    return sizes * (sizes - 2) / 4


def ratio(sample: Sample, y: np.ndarray, x: np.ndarray) -> Estimate:
    """The sum of y over the sum of x, over all queries. y, x: [query read, ...], the certain ones
    first, then the pairs."""
    n = len(sample.certain)
    (y_sum, y_pairs), (x_sum, x_pairs) = (
        (rows[:n].sum(0), rows[n:].reshape(len(sample.pairs), 2, -1)) for rows in (y, x)
    )
    weight = sample.sizes[:, None] / 2
    y_sum, x_sum = (
        known + (weight * pairs.sum(1)).sum(0)
        for known, pairs in ((y_sum, y_pairs), (x_sum, x_pairs))
    )
    r = np.divide(y_sum, x_sum, out=np.full_like(y_sum, np.nan), where=x_sum > 0)
    residual = (y_pairs[:, 0] - y_pairs[:, 1]) - r * (x_pairs[:, 0] - x_pairs[:, 1])
    parts = factors(sample.sizes)[:, None] * (residual / x_sum.clip(min=1)) ** 2
    return estimate(r, parts.sum(0), (parts**2).sum(0))


@dataclass(frozen=True)
class SampledLayer:
    """mass, strict_mass: per key set. received: per key, mean over heads and over the queries that
    see the key. max_key: int [query read], max keys of these queries alone."""

    mass: Estimate
    strict_mass: Estimate
    received: Estimate
    max_key: np.ndarray


def sampled_layer(
    call: Call, sample: Sample, key_sets: np.ndarray, visible: Visible
) -> SampledLayer:
    """The attention of one document, by the queries of the sample. key_sets: as of draw."""
    device = call.query.device
    sets = torch.from_numpy(key_sets).to(device).float()
    received, variance, squares = torch.zeros(3, len(key_sets), device=device).double()
    on_sets, max_key = [], []
    for mean in head_means(call, visible, sample.certain):
        received[: mean.shape[1]] += mean.sum(0, dtype=torch.float64)
        on_sets.append(mean @ sets[: mean.shape[1]])
        max_key.append(mean.argmax(-1))
    sizes = torch.from_numpy(sample.sizes).to(device)
    factor = torch.from_numpy(factors(sample.sizes)).to(device).float()
    n_read = 0
    for mean in head_means(call, visible, sample.pairs.ravel()):
        strata, keys = slice(n_read, n_read + len(mean) // 2), slice(mean.shape[1])
        n_read = strata.stop
        on_sets.append(mean @ sets[keys])
        max_key.append(mean.argmax(-1))
        one, other = mean[::2], mean[1::2]
        received[keys] += (sizes[strata] / 2).float() @ (one + other)
        parts = (one - other).square_().mul_(factor[strata, None])
        variance[keys] += parts.sum(0, dtype=torch.float64)
        squares[keys] += parts.square_().sum(0, dtype=torch.float64)
    y = torch.cat(on_sets).double().cpu().numpy()
    queries = np.concatenate([sample.certain, sample.pairs.ravel()])
    strict = (queries > 0)[:, None] & ~key_sets[queries]
    n_seeing = visible.n_queries[0].cpu().double().numpy()
    n = np.where(n_seeing > 0, n_seeing, np.nan)
    of_keys = (
        values.cpu().numpy() / n**power
        for values, power in ((received, 1), (variance, 2), (squares, 4))
    )
    return SampledLayer(
        mass=ratio(sample, y, np.ones_like(y)),
        strict_mass=ratio(sample, y * strict, strict.astype(np.float64)),
        received=estimate(*of_keys),
        max_key=torch.cat(max_key).cpu().numpy(),
    )


def head_means(call: Call, visible: Visible, queries: np.ndarray) -> Iterator[Tensor]:
    """Head means [query, key] of the queries, in order, an even number of them at a time; under a
    causal mask, of the keys up to the last query."""
    _, n_heads, n_tokens, _ = call.query.shape
    most = ENTRIES_GPU if call.query.is_cuda else ENTRIES_CPU
    n_rows = max(16, most // (n_heads * n_tokens) // 2 * 2)
    for start in range(0, len(queries), n_rows):
        some = queries[start : start + n_rows]
        at = torch.from_numpy(some).to(call.query.device)
        stop = int(some[-1]) + 1 if call.is_causal else n_tokens
        yield attention_of(call, visible, at, stop)[..., :stop].mean(0)


def attention_of(call: Call, visible: Visible, at: Tensor, stop: int) -> Tensor:
    """[head, row, key] float32 attention of the queries `at` [row] of a single document. stop: the
    keys that a causal call needs for them; others have all keys, those of no token last."""
    n_keys = stop if call.is_causal else call.key.shape[2]
    query = call.query[0, :, at].float() * call.scale
    key = call.key[0, :, :n_keys].float()
    logits = query.reshape(len(key), -1, query.shape[-1]) @ key.mT
    logits = logits.view(*query.shape[:2], n_keys)
    if call.softcap is not None:
        logits = capped(logits, call.softcap)
    if call.key_bias is not None:
        logits += call.key_bias[0, :, None, :n_keys]
    if call.is_causal:
        logits.masked_fill_(torch.arange(n_keys, device=at.device) > at[:, None], HIDDEN)
    if call.mask is not None:
        mask = call.mask[0, ..., :n_keys]
        mask = mask[:, at] if mask.shape[1] > 1 else mask
        if mask.dtype != torch.bool:
            logits += mask
        logits.masked_fill_(~shown(mask), HIDDEN)
    if call.sink is not None:
        sink = call.sink[0]
        return with_sink(logits, (sink[:, at] if sink.shape[1] > 1 else sink).float())
    if call.attention == "softmax":
        return logits.softmax(-1)
    return ALTERNATIVES[call.attention](logits[None], visible.n_keys[:, at])[0]
