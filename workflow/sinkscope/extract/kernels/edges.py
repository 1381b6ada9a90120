"""Statistics that need few keys or few queries of each head, and no head mean: attention near the
diagonal, to key 0, at given offsets, and from the first queries."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from sinkscope.extract.kernels.logits import LOG2E, load_bias, load_rows, visible
from sinkscope.extract.kernels.packs import Edges, Flags, Logits, Matrix, Sizes
from sinkscope.keys import LOCAL_WIDTHS

WIDTH = tl.constexpr(LOCAL_WIDTHS[-1])


class Head(NamedTuple):
    """One head of one document in one layer, inside a kernel.

    queries, keys: pointers to [token, d]. log_sums: pointer to [n_padded]. row: index of the head
    in [layer, batch, head].
    """

    queries: Any
    stride_query: Any
    keys: Any
    stride_key: Any
    log_sums: Any
    document: Any
    head: Any
    row: Any


@triton.jit
def head_at(h, queries: Matrix, keys: Matrix, log_sums, sizes: Sizes, constants: tl.constexpr):
    """Head h of the layer and document of this program. Grid: (.., .., layer * batch)."""
    lb = tl.program_id(2).to(tl.int64)
    layer, b = lb // sizes.n_batch, lb % sizes.n_batch
    q_of = tl.multiple_of(tl.load(queries.pointer + layer).to(tl.pointer_type(constants.dtype)), 16)
    k_of = tl.multiple_of(tl.load(keys.pointer + layer).to(tl.pointer_type(constants.dtype)), 16)
    row = lb * sizes.n_heads + h
    return Head(
        q_of + b * queries.stride_batch + h * queries.stride_head,
        queries.stride_token,
        k_of + b * keys.stride_batch + (h // constants.group) * keys.stride_head,
        keys.stride_token,
        log_sums + row * sizes.n_padded,
        b,
        h,
        row,
    )


@triton.jit
def attention_tile(head: Head, key, query, logits: Logits, n_tokens, constants: tl.constexpr):
    """[key, query] attention of one head; 0 outside the document."""
    k = load_rows(head.keys, key, head.stride_key, n_tokens, constants.d, constants.d_padded)
    q = load_rows(head.queries, query, head.stride_query, n_tokens, constants.d, constants.d_padded)
    log_sum = tl.load(head.log_sums + query, mask=query < n_tokens, other=0.0)
    product = tl.dot(k, tl.trans(q), input_precision=constants.precision)
    x = product * (logits.scale * LOG2E) - log_sum[None, :]
    if constants.has_bias:
        x += load_bias(key, head.document, head.head, logits, n_tokens)[:, None]
    x = visible(
        x, key[:, None], query[None, :], head.document, head.head, logits, n_tokens, constants
    )
    return tl.exp2(x)


@triton.jit
def attention_to(
    q, log_sum, key, query, head: Head, logits: Logits, n_tokens, constants: tl.constexpr,
):  # fmt: skip
    """[query] attention of each query to one key per query; q: float32 [query, d_padded]."""
    k = load_rows(head.keys, key, head.stride_key, n_tokens, constants.d, constants.d_padded)
    x = tl.sum(q * k.to(tl.float32), 1) * (logits.scale * LOG2E) - log_sum
    if constants.has_bias:
        x += load_bias(key, head.document, head.head, logits, n_tokens)
    x = visible(x, key, query, head.document, head.head, logits, n_tokens, constants)
    return tl.exp2(x)


@triton.jit
def neighbours_kernel(
    queries: Matrix, keys: Matrix, logits: Logits, log_sums, counted, sinks: Flags, first,
    edges: Edges, sizes: Sizes, constants: tl.constexpr, n_queries: tl.constexpr,
):  # fmt: skip
    """One block of n_queries queries of one head: writes edges.near, the attention at each distance
    to all keys and to those that are not sinks, summed over the block; and edges.over_half.

    counted: float32 [batch, n_padded], flags of queries. sinks: packs.Flags of keys. first: float64
    [batch], position of key 0.
    """
    start = tl.program_id(0) * n_queries
    query = start + tl.arange(0, n_queries)
    head = head_at(tl.program_id(1), queries, keys, log_sums, sizes, constants)
    n_tokens, of_document = sizes.n_tokens, head.document * sizes.n_padded
    key = start - WIDTH + tl.arange(0, 2 * n_queries)
    p = attention_tile(head, key, query, logits, n_tokens, constants)
    is_key = (key >= 0) & (key < n_tokens)
    layer = tl.program_id(2).to(tl.int64) // sizes.n_batch
    at_sink = sinks.flags + layer * sinks.stride_layer + head.document * sinks.stride_batch + key
    is_sink = tl.load(at_sink, mask=is_key, other=0) != 0
    distance = tl.abs(key[:, None] - query[None, :])
    block = head.row * tl.num_programs(0) + tl.program_id(0)
    near = edges.near + block * 2 * (WIDTH + 1)
    for step in tl.static_range(0, WIDTH + 1):
        received = tl.sum(tl.where(distance == step, p, 0.0), 1)  # [key]
        tl.store(near + step, tl.sum(received, 0))
        tl.store(near + WIDTH + 1 + step, tl.sum(tl.where(is_sink, 0.0, received), 0))
    # Matrix products need 16 keys; only the row of key 0 is used.
    key = tl.load(first + head.document).to(tl.int32) + tl.arange(0, 16)
    p = attention_tile(head, key, query, logits, n_tokens, constants)
    on_first = tl.sum(tl.where((tl.arange(0, 16) == 0)[:, None], p, 0.0), 0)  # [query]
    is_counted = tl.load(counted + of_document + query, mask=query < n_tokens, other=0.0) != 0.0
    over_half = tl.sum(tl.where(is_counted & (on_first > 0.5), 1, 0), 0)
    tl.store(edges.over_half + block, over_half)


@triton.jit
def diagonals_kernel(
    queries: Matrix, keys: Matrix, logits: Logits, log_sums, offsets, n_offsets, edges: Edges,
    sizes: Sizes, constants: tl.constexpr, n_queries: tl.constexpr,
):  # fmt: skip
    """One block of n_queries queries of one head: writes edges.diagonals, the attention to the key
    at each offset (int32 [offset], key minus query)."""
    query = tl.program_id(0) * n_queries + tl.arange(0, n_queries)
    head = head_at(tl.program_id(1), queries, keys, log_sums, sizes, constants)
    n_tokens, inside = sizes.n_tokens, query < sizes.n_tokens
    log_sum = tl.load(head.log_sums + query, mask=inside, other=0.0)
    q = load_rows(head.queries, query, head.stride_query, n_tokens, constants.d, constants.d_padded)
    q = q.to(tl.float32)
    for i in range(n_offsets):
        key = query + tl.load(offsets + i)
        p = attention_to(q, log_sum, key, query, head, logits, n_tokens, constants)
        at = (head.row * n_tokens + query) * n_offsets + i
        tl.store(edges.diagonals + at, p, mask=inside)


@triton.jit
def window_kernel(
    queries: Matrix, keys: Matrix, logits: Logits, log_sums, first, window, edges: Edges,
    sizes: Sizes, constants: tl.constexpr, n_queries: tl.constexpr, n_keys: tl.constexpr,
):  # fmt: skip
    """One block of n_keys keys of one head: writes edges.window_received, what each key receives
    from the first `window` queries, read n_queries at a time. first: as in neighbours_kernel."""
    key = tl.program_id(0) * n_keys + tl.arange(0, n_keys)
    head = head_at(tl.program_id(1), queries, keys, log_sums, sizes, constants)
    n_tokens = sizes.n_tokens
    received = tl.zeros([n_keys], tl.float32)
    begin = tl.load(first + head.document).to(tl.int32)
    stop = tl.minimum(begin + window, n_tokens)
    if constants.is_causal:  # these keys are hidden from earlier queries
        begin = tl.maximum(begin, tl.program_id(0) * n_keys)
    for start in range(begin, stop, n_queries):
        query = start + tl.arange(0, n_queries)
        p = attention_tile(head, key, query, logits, n_tokens, constants)
        received += tl.sum(tl.where((query < stop)[None, :], p, 0.0), 1)
    tl.store(edges.window_received + head.row * n_tokens + key, received, mask=key < n_tokens)
