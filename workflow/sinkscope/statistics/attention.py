"""The statistics that every cell holds, in the order of the tables' columns.

A[l,h,i,j] is the probability that query i assigns to key j in head h of layer l; M is the mean of A
over heads.
"""

from sinkscope.declarations.statistic import Statistic

ATLAS = "Pramodith 2023"

STATISTICS = (
    Statistic(
        "max_key",
        ("layer", "query"),
        "key with the most attention, argmax over j of M[l,i,j]; ties go to the lowest j",
        unit="position",
        type="int32",
        source=ATLAS,
    ),
    Statistic(
        "max_value",
        ("layer", "query"),
        "attention on that key, max over j of M[l,i,j]",
        source=ATLAS,
    ),
    Statistic(
        "second_value",
        ("layer", "query"),
        "attention on the key with the second most; 0 for a query with one key",
    ),
    Statistic(
        "sink_score",
        ("layer", "head", "key"),
        "mean of A[l,h,i,k] over the queries i that see key k; null where none does",
        source="Gu et al. 2024",
    ),
    Statistic(
        "n_queries",
        ("layer", "key"),
        "number of queries that see key k",
        unit="count",
        type="int32",
    ),
    Statistic(
        "uniform",
        ("layer", "key"),
        "attention on key k under uniform attention of these queries (each sees n_i keys): mean "
        "of 1 / n_i",
        unit="attention",
    ),
    Statistic(
        "is_sink",
        ("layer", "key"),
        "whether key k is a sink of the layer, by the rule of the setting sink_rule",
        unit="",
        type="bool",
    ),
    Statistic(
        "by_attention",
        ("layer", "key"),
        "the same by attention, mean over heads: over the queries that see k, M[l,i,k] is on "
        "average above sink_floor and above sink_times uniform, and above 1 / n_i for at least "
        "sink_share of them; at least sink_queries see k",
        unit="",
        type="bool",
    ),
    Statistic(
        "by_state",
        ("layer", "key"),
        "the same by state: |state_cosine| is above sink_cosine",
        unit="",
        type="bool",
        source="Wong et al. 2025",
    ),
    Statistic(
        "is_head_sink",
        ("layer", "head", "key"),
        "by_attention of one head: A[l,h,i,k] in place of M[l,i,k]",
        unit="",
        type="bool",
    ),
    Statistic(
        "steady",
        ("layer", "key"),
        "fraction of the queries seeing key k that give it more than uniform attention, M[l,i,k] > "
        "1 / n_i; null for keys that are not above sink_floor and sink_times uniform on average, "
        "or that fewer than sink_queries see",
    ),
    Statistic(
        "state_norm",
        ("layer", "key"),
        "L2 norm of the residual state of token k that enters the layer; null where the library "
        "does not show it",
        unit="units of the state",
        source="Sun et al. 2024",
    ),
    Statistic(
        "state_cosine",
        ("layer", "key"),
        "cosine of this state to that of token 0",
        unit="cosine",
        source="Wong et al. 2025",
    ),
    Statistic(
        "value_norm",
        ("layer", "key"),
        "L2 norm of the value of token k, mean over key-value heads",
        unit="units of the value",
        source="Guo et al. 2024",
    ),
    Statistic(
        "window_score",
        ("layer", "head", "key"),
        "sink_score over the first queries of a document (their number is the setting window), of "
        "the keys that they see",
        source="Gu et al. 2024",
    ),
    Statistic(
        "n_window_queries",
        ("layer", "key"),
        "number of these first queries that see key k",
        unit="count",
        type="int32",
    ),
    Statistic(
        "mass",
        ("layer", "key_set"),
        "attention on the keys of the set S, summed over these keys, mean over heads and all "
        "queries: mean_i sum_{{j in S}} M[l,i,j]; 0 if the document has no such key, null for "
        "sinks if it is too short for the sink rule",
        source=ATLAS,
    ),
    Statistic(
        "strict_mass",
        ("layer", "key_set"),
        "mass, but averaged only over queries that are neither in the set nor the first query; "
        "null if the document has no such query",
    ),
    Statistic(
        "entropy",
        ("layer", "head"),
        "entropy of a query's attention over the logarithm of the number n_i of keys that it sees, "
        "mean over queries i >= 1 that see more than one key: H(A[l,h,i,:]) / log n_i, each row "
        "first divided by its sum; 0: all on one key, 1: uniform; null if there is no such query",
        unit="part of the maximum",
        source="Guo et al. 2024",
    ),
    Statistic(
        "row_sum",
        ("layer", "head"),
        "sum of a query's attention over all keys, mean over queries: mean_i sum_j A[l,h,i,j]; 1 "
        "for softmax",
        unit="attention",
    ),
    Statistic(
        "virtual_sink",
        ("layer", "head"),
        "attention on a virtual key without value, mean over queries: of a learned sink s, mean_i "
        "exp(s) / (exp(s) + sum_j exp(l_ij)); s is 0 for softmax_off_by_one; null for layers "
        "without one",
        unit="attention",
        source="OpenAI 2025",
        has_table=True,
    ),
    Statistic(
        "gate",
        ("layer", "head"),
        "factor of a gate on the head's output, mean over queries: mean_i <g_i, o_i> / <o_i, o_i>, "
        "o_i the output of the attention and g_i what enters the output projection; null for "
        "layers without a gate",
        unit="factor",
        source="Qiu et al. 2025",
        has_table=True,
    ),
    Statistic(
        "over_half",
        ("layer", "head"),
        "fraction of queries (excluding the first) that put more than half of their attention on "
        "key 0: A[l,h,i,0] > 0.5; high in dormant heads; null for one token",
        source="Guo et al. 2024",
    ),
    Statistic(
        "local",
        ("layer", "head", "width"),
        "attention on keys at most {width} tokens away, the query's own position included, mean "
        "over queries: mean_i sum_{{|i-j| <= {width}}} A[l,h,i,j]",
        source=ATLAS,
        column="local_{}",
    ),
    Statistic(
        "local_no_sinks",
        ("layer", "head", "width"),
        "local_{width} without the keys of the key set sinks (the sinks of the layer); not "
        "rescaled",
        column="local_{}_no_sinks",
    ),
    Statistic(
        "map",
        ("layer", "cell", "cell"),
        "M[l,i,j]; for long documents its mean over blocks of queries and of keys",
        type="float16",
    ),
    Statistic(
        "head_map",
        ("head", "cell", "cell"),
        "A[l,h,i,j] of the requested single heads, in the order of their names",
        type="float16",
    ),
    Statistic(
        "coarse_map",
        ("layer", "head", "coarse", "coarse"),
        "the same of every head on at most 64 cells a side, as round(255 sqrt(a)): mean over a "
        "block of queries of the sum over a block of keys; key 0 is a block alone",
        type="uint8",
    ),
)
