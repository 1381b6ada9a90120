"""Sink mass against the length of the text, compared with uniform attention. Means over documents
mix lengths: attention to one token falls as more tokens compete for it.
"""

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.tables.columns import count, fraction, ratio, shared, text
from sinkscope.tables.table import Table

TABLES: dict[str, Table] = {
    "sink_lengths": Table(
        "one row per model, document, length, layer and key set. Sink mass of the beginnings of "
        "a document, 16, 32, 64, ... tokens long, and of the whole document, with that of "
        "uniform attention. A beginning is the document with its end cut: encoders keep the "
        "special tokens and the mask token after the text.",
        {
            **shared("model", "document"),
            "n_tokens": count(
                "number of tokens of the beginning, special tokens included; the largest value "
                "is the whole document, or the part that fits the model"
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
                "the same under uniform attention over the visible keys: mean_i (number of keys "
                "of S that i sees) / (number of keys that i sees); for key 0 and n tokens (1 + "
                "1/2 + ... + 1/n) / n under a causal mask, 1/n without a mask"
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
                "In a text of 16 tokens each token gets a large part of attention even under "
                "uniform attention; in one of 500 tokens it does not. Sink masses of texts of "
                "different lengths are therefore compared with uniform attention. Here the same "
                "texts are read up to 16, 32, 64, ... tokens: how does the sink shrink as they "
                "grow, and how far above uniform does it stay?"
            ),
            verdict=(
                "The longer the text, the less the first token gets, in "
                "{{ lengths_first_token.n_fall }} of "
                "{{ lengths_first_token.n_models | counted('model') }}; as a multiple of uniform "
                "attention it grows in {{ lengths_first_token.n_grow }} of "
                "{{ lengths_first_token.n_models }}."
            ),
            tables=("sink_lengths", "models"),
        ),
    },
)
