"""Sink mass against the length of the text, beside what uniform attention would give.

Means over documents mix lengths: attention to one token must fall as more tokens compete for it.
"""

from __future__ import annotations

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.tables.columns import count, fraction, ratio, shared, text
from sinkscope.tables.table import Table

TABLES: dict[str, Table] = {
    "sink_lengths": Table(
        "one row per model, document, length, layer and key set. Sink mass of the beginnings of a "
        "document, 16, 32, 64, ... tokens long, and of the whole document, beside that of uniform "
        "attention. A beginning is what the model reads of the document if its end is cut: "
        "encoders keep the special tokens and the mask token after the text.",
        {
            **shared("model", "document"),
            "n_tokens": count(
                "number of tokens of the beginning, special tokens included; the largest of a "
                "document is the whole document, or what the model takes of it"
            ),
            **shared("layer"),
            "key_set": text(
                "set of keys S that the attention is summed over: first_token (key 0) or "
                "listed_sinks (key 0, special tokens except the mask, first terminator)"
            ),
            "n_keys": count("number of keys of the beginning in the set"),
            "mass": fraction(
                "attention on the keys of the set, summed over these keys, mean over heads and "
                "all queries of the beginning: mean_i sum_{j in S} M[l,i,j]"
            ),
            "uniform": fraction(
                "the same for a model whose queries give all keys that they see the same "
                "attention: mean_i (number of keys of S that i sees) / (number of keys that i "
                "sees); for key 0 and n tokens (1 + 1/2 + ... + 1/n) / n under a causal mask, 1/n "
                "without a mask"
            ),
            "times_uniform": ratio("mass divided by uniform; 1: no more than uniform attention"),
        },
        sort=("model", "document", "n_tokens", "layer", "key_set"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    tokens=None,  # whole documents, and what they begin with
    sections={
        "lengths": Section(
            title="Sinks in short and long texts",
            intro=(
                "A text of 16 tokens gives each of them a large part of attention even if the "
                "model has no preference; one of 500 tokens does not. So sink masses of texts of "
                "different lengths say little until an even spread of attention stands beside "
                "them. Here the same texts are read up to 16, 32, 64, ... tokens: what is left of "
                "the sink as they grow, and how far above an even spread does it stay?"
            ),
            verdict=(
                "The longer the text, the less the first token gets, in {{ "
                "lengths_first_token.n_fall }} of {{ lengths_first_token.n_models | "
                "counted('model') }}; beside an even spread its lead grows in {{ "
                "lengths_first_token.n_grow }}."
            ),
            tables=("sink_lengths", "models"),
        ),
    },
)
