"""Long texts with a window of keys, with and without the first tokens as sinks.

Xiao et al. 2023 (arXiv 2309.17453): a window alone breaks down once the first tokens leave it;
keeping four of them repairs that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sinkscope.declarations.experiment import Experiment, Section, Setting
from sinkscope.documents import AnyDocument
from sinkscope.tables.columns import count, fraction, number, position, shared, text
from sinkscope.tables.table import Table

NATS = "nats per token"
ATTENTION = {
    "attention": text(
        "dense; window: the most recent keys; sinks+window: some of them replaced by the first "
        "keys, with positions in the text; rolling: the same with positions in a cache, so that "
        "the distance to the sinks is at most the length of the cache"
    ),
    "window": count("number of keys per query, itself included; null if dense"),
}
TABLES: dict[str, Table] = {
    "long_texts": Table(
        "one row per model, document, kind of attention and window. The loss over a long text if "
        "every query sees a window of keys (Xiao et al. 2023).",
        {
            **shared("model", "document"),
            **ATTENTION,
            "n_sinks": count("number of these keys that are the first tokens"),
            "n_tokens": count("number of tokens read"),
            "share_of_pairs": fraction("query-key pairs kept over those of dense attention"),
            "loss": number("negative log likelihood of all tokens but the first, mean", NATS),
            "perplexity": number("exp of loss", "perplexity"),
            "loss_late": number("loss of the second half of the tokens", NATS),
            "perplexity_late": number("exp of loss_late", "perplexity"),
        },
        sort=("model", "document", "attention", "window"),
    ),
    "long_text_positions": Table(
        "one row per model, document, kind of attention, window and 128 positions. The table "
        "long_texts along the text.",
        {
            **shared("model", "document"),
            **ATTENTION,
            "position": position("first of these positions, counted from 0"),
            "loss": number(
                "negative log likelihood of the tokens at these positions, mean; the first token "
                "is not predicted",
                NATS,
            ),
        },
        sort=("model", "document", "attention", "window", "position"),
        csv=False,
    ),
}


def long_documents(
    documents: Sequence[AnyDocument], settings: Mapping[str, Any]
) -> Sequence[AnyDocument]:
    """The documents that may have this many tokens: a token has at least one character."""
    return [one for one in documents if one.n_characters >= settings["long_tokens"]]


EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(
        Setting(
            "long_tokens",
            4096,
            "First tokens of a document that long_texts reads; shorter documents are left out.",
            {"type": "integer", "minimum": 16, "maximum": 1_000_000},
        ),
        Setting(
            "long_windows",
            [256, 1024],
            "Numbers of keys per query that long_texts compares with dense attention.",
            {
                "type": "array",
                "uniqueItems": True,
                "items": {"type": "integer", "minimum": 2, "maximum": 1_000_000},
            },
        ),
        Setting(
            "long_sinks",
            4,
            "First tokens that stay beside the window in long_texts, as a part of it.",
            {"type": "integer", "minimum": 1, "maximum": 1024},
        ),
    ),
    families=("decoder",),
    chooses=long_documents,
    tokens="long_tokens",
    sections={
        "long_texts": Section(
            title="Long texts through a window",
            intro=(
                "A model that reads a stream can keep only a limited number of keys. If it keeps "
                "the most recent ones, it breaks down when the first tokens leave the window: "
                "they are the sinks, though their content does not matter. Xiao et al. (2023) "
                "keep four of them. Here the same texts are read with a window, and with four of "
                "its keys given to the first tokens."
            ),
            verdict=(
                "{% set row = long_texts.models[0] %}In {{ row.model }} the perplexity of a long "
                "text is {{ row.with_window | decimals(1) }} with a window alone, and "
                "{{ row.with_sinks | decimals(1) }} if the first {{ row.n_sinks }} tokens stay."
            ),
            tables=tuple(TABLES),
        ),
    },
)
