"""Triton kernels of the fused path: statistics of attention without a matrix per head.

docs/explanation/kernels.md leads through them in the order of a pass: `forward` and
`collect.prepare_kernel` (a log_sum per query), `tiles` or `hopper` (sums per key; head means),
`means`, `sinks`, `edges`, `collect`. `states` reduces what enters each layer. For
`sinkscope.kernels.attention_statistics`, `rows` reduces single rows.

            one tile, one head                    the same tile over heads
               keys                                  keys
            k0 k1 k2 k3                           k0 k1 k2 k3
           +-----------+                         +-----------+   max_key, max_value, second_value
        q0 | p  .  .  .|     added over heads,   | m  .  .  .|   per query; strict mass per key set
queries q1 | p  p  .  .|  -> / n_heads, written  | m  m  .  .|
        q2 | p  p  p  .|     once: head means    | m  m | m  | -> smaller tiles, each in one map
        q3 | p  p  p  p|                         | m  m | m  |    cell: tile_sums -> map
           +-----------+                         +-----------+
             |  |  |  |
             v  v  v  v   received, entropy, norm_received: per head and key, summed over queries

p = exp2(logit - log_sum of the query); "." is hidden (the call is causal), so p is 0.

Kernels receive packs (`packs`), NamedTuples whose fields they read by name. The symbols, where
[.., x] stands for [layer, batch, x]; a row is a head, the last row the head mean:

    name              meaning                                          shape, unit or type
    ----------------  -----------------------------------------------  ---------------------------
    n_tokens          tokens per document                              int
    n_padded          the same, rounded up to a multiple of 256        int
    n_heads, n_batch  query heads per layer; documents per pass        int
    d, d_padded       head size; rounded up to a power of two          int
    group             query heads per key head                         int
    lb                layer * n_batch + document                       int64
    stride_x          distance between neighbours along the axis x     int, elements
    scale             factor on the products of queries and keys       float
    least             an added mask of at most this hides a key        float, nats
    log_sums          log2 of the sum of exp2 of a query's logits      [.., head, n_padded], log 2
    inverse_norms     1 / mean norm of the values under a query's row  [.., head, n_padded]
    received          attention per key, summed over queries           [.., head, key], fixed
    entropy           p log2(p) / log(number of visible keys), summed  [.., head, key], fixed
    norm_received     p * inverse_norms, summed over queries           [.., head, key], fixed
    largest           upper 32 bits: largest head mean; lower: key     [.., query], int64
    second            lower 32 bits: second largest head mean          [.., query], int64
    broken            1 where the logits of a query are not numbers    [.., query], int64
    strict            mass on a key set from queries outside it        [.., key_set], fixed
    means             head means of the queries from `start` on        [.., n_rows, key]
    tile_sums         sums of head means per tile of `mean_tiles`      [.., row, key segment]
    near              attention per distance; the same without sinks   [.., head, block, 2, 6]
    over_half         queries that give key 0 more than half           [.., head, block], int32
    diagonals         attention to the key at each wanted offset       [.., head, query, offset]
    window_received   attention per key, from the first queries only   [.., head, key]
    members           a bit per key set: whether it holds a key        [batch, word, token], int32
    strict_queries    a bit per key set: whether it excludes a query   [batch, word, token], int32
    limit             mean attention that a sink exceeds               [batch, n_padded]
    uniform           attention that a steady query exceeds            [batch, n_padded]
    n_steady          queries that give a candidate more than uniform  [.., row, key], int32
    candidates.keys   the candidates, in order; there are n of them    [.., row, key], int32
    sinks.keys        the n_sinks sinks, in order, then key 0 if it    [.., key], int32
                      is no sink: n_excluded keys in all
    excluded          head mean from these queries to the sinks        [..], fixed
    cosines           addresses of the cosines of states to key 0's    [layer], int64

Tensors are float32 unless a type is given; "fixed" is int64 in steps of 2^-44. Logits are in units
of log 2, so that exp2 replaces exp.
"""
