"""Max keys of encoders counted as in study 1: documents padded to the longest of them, with the
queries at padding counted too.

Only for comparison with the published bars: the attention of padding says nothing about the
documents. Source: Pramodith 2023, whose notebook counts PAD rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sinkscope.declarations.experiment import Experiment
from sinkscope.documents import AnyDocument
from sinkscope.tables.columns import fraction, shared
from sinkscope.tables.table import Column, Table


def everything(
    documents: Sequence[AnyDocument], settings: Mapping[str, Any]
) -> Sequence[AnyDocument]:
    return documents


TABLES: dict[str, Table] = {
    "max_attention_tokens_padded": Table(
        "one row per encoder, token and key class. The columns of max_attention_tokens, with "
        "every document padded to the longest one and the queries at padding counted too, except "
        "those that see no key; only for comparison with the bars of Pramodith 2023.",
        {
            **shared("model", "token", "key_class"),
            "count": Column(
                "UInt64",
                "number of queries, those at padding included, summed over layers and documents, "
                "whose max key (argmax_j M[l,i,j], M the mean over heads) is this token",
                "count",
            ),
            "share": fraction("count divided by the sum of all counts of the model"),
            "n_ties": Column(
                "UInt64",
                "number of count that are ties: the attention on the second key differs by no "
                "more than float32 rounding (1 part in 2^20); the earliest of equal keys is "
                "counted",
                "count",
            ),
            "n_tied": Column(
                "UInt64",
                "number of count that are near ties: the attention on the second key is at most "
                "the fraction tie_tolerance smaller",
                "count",
            ),
        },
        sort=("model", "token", "key_class"),
    ),
    "max_attention_documents_padded": Table(
        "one row per encoder, document, token and key class. The counts of "
        "max_attention_tokens_padded, document by document.",
        {
            **shared("model", "document", "token", "key_class"),
            "count": Column(
                "UInt64",
                "number of queries of the document, those at padding included, summed over "
                "layers, whose max key is this token",
                "count",
            ),
        },
        sort=("model", "document", "token", "key_class"),
        csv=False,
    ),
    "largest_attention": Table(
        "one row per encoder, document and layer. The darkest cell of the heat map of a layer, "
        "as drawn by Pramodith 2023.",
        {
            **shared("model", "document", "layer"),
            "largest": fraction(
                "most attention that a query of the document gives one key, mean over heads: "
                "max_ij M[l,i,j]; queries at padding do not count"
            ),
        },
        sort=("model", "document", "layer"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    families=("encoder",),
    chooses=everything,  # each is padded to the longest of all
    reads=("truncate", "tie_tolerance"),
    tokens=None,
    feeds_atlas=True,
)
