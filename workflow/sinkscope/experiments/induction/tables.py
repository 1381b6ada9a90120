"""The tables of the experiment on induction heads."""

from sinkscope.tables.columns import estimated, flag, fraction, position, shared, text
from sinkscope.tables.table import Table

OF_HEADS = {
    **shared("model", "layer", "head"),
    "induction_score": fraction(
        "attention on the token that followed the same token in the first repeat, mean "
        "over random sequences and over the queries of the second repeat except the last: "
        "mean_i A[l,h,i,i-n+1] (Olsson et al. 2022)"
    ),
    "duplicate_score": fraction(
        "attention on the same token in the first repeat, mean over random sequences and "
        "all queries of the second repeat: mean_i A[l,h,i,i-n]"
    ),
    "is_induction": flag(
        "whether the head is an induction head: induction_score is at least threshold"
    ),
    "threshold": fraction(
        "least induction score of an induction head (setting induction_threshold)"
    ),
    "first_token": fraction(
        "attention of the head on key 0 on the documents: sink_score of the table heads "
        "(Gu et al. 2024), mean over documents"
    ),
    "over_half": fraction(
        "fraction of queries (excluding the first) that put more than half of their "
        "attention on key 0, mean over documents; high in dormant heads (Guo et al. "
        "2024); null if every document has one token"
    ),
    "first_token_peers": fraction(
        "first_token, mean over the other heads of the layer that are not induction "
        "heads; null if the layer has no such head"
    ),
    "over_half_peers": fraction(
        "over_half, mean over the other heads of the layer that are not induction heads; "
        "null if the layer has no such head"
    ),
}
# Those that are means over documents.
MEANS = ("first_token", "over_half", "first_token_peers", "over_half_peers")

TABLES: dict[str, Table] = {
    "induction": Table(
        "one row per decoder, layer and head. Induction scores on n different random tokens that "
        "are repeated once (setting induction_tokens; the bos token in front if the tokenizer has "
        "one), beside the attention of the same head to key 0 on the documents.",
        estimated(OF_HEADS, MEANS, counted=("first_token", "over_half")),
        sort=("model", "layer", "head"),
    ),
    "induction_patterns": Table(
        "one row per decoder, layer, head, input, query and key. Attention of the heads with an "
        "induction score of at least 0.1 (of a model at most 48, those with the highest scores), "
        "and of the four with the highest in any case.",
        {
            **shared("model", "layer", "head"),
            "input": text(
                "repeated: the first sequence of random tokens that are repeated once; ordinary: "
                "the first tokens of a document (setting induction_text_tokens, and no fewer than "
                "repeated has)"
            ),
            **shared("query"),
            "key": position("position of the key, counted from 0, at most query"),
            "attention": fraction(
                "attention that the query gives the key: A[l,h,i,j], to four decimals"
            ),
        },
        sort=("model", "layer", "head", "input", "query", "key"),
        csv=False,
    ),
}
