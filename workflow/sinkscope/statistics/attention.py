"""The statistics that every cell holds, in the order of the tables' columns.

A[l,h,i,j] is the probability that query i gives to key j in head h of layer l; M is the mean of A
over heads.
"""

from __future__ import annotations

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
        "what that key gets, max over j of M[l,i,j]",
        source=ATLAS,
    ),
    Statistic(
        "second_value",
        ("layer", "query"),
        "the same of the key with the second most attention; 0 where there is none",
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
        "window_score",
        ("layer", "head", "key"),
        "sink_score over the first queries of a document, as many as the setting window says; only "
        "the keys that they see are kept",
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
        "queries: mean_i sum_{{j in S}} M[l,i,j]; 0 if the document has no such key",
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
        "over_half",
        ("layer", "head"),
        "fraction of queries (excluding the first) that put more than half of their attention on "
        "key 0: A[l,h,i,0] > 0.5; high in heads that are called dormant; null for one token",
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
        "local_{width} without the keys of the key set sinks (key 0, special tokens except the "
        "mask, first terminator); not rescaled; null in sinkscope.observe without a tokenizer",
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
        "A[l,h,i,j] of the single heads that were asked for, in the order of their names",
        type="float16",
    ),
)
