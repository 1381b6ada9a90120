"""Norms of residual state, key and value at sinks; massive activations; and attention to sinks
weighted by the norm of each key's value.

Sources: Sun et al. 2024, Guo et al. 2024, Kobayashi et al. 2020.
"""

from sinkscope.declarations.experiment import EXPERIMENT_TOKENS, Experiment, Section
from sinkscope.tables.columns import (
    count,
    flag,
    fraction,
    layer,
    number,
    position,
    ratio,
    shared,
    text,
)
from sinkscope.tables.table import Column, Table

NORM = "L2 norm"
STATE_LAYER = layer("layer that the residual state enters, counted from 0")
POSITION = position("position of the token, counted from 0")


def beside_others(vector: str) -> Column:
    """The norm of a vector of a sink token as a multiple of that of other tokens."""
    meaning = (
        f"norm of its {vector} divided by the median over all tokens that are not sinks; null if "
        "all tokens are sinks or the norms are not known"
    )
    return ratio(meaning)


TABLES: dict[str, Table] = {
    "norms": Table(
        "one row per model, document, layer and position. Norms of what attention is computed "
        "from (Guo et al. 2024); only the first documents of the table of documents (setting "
        "documents_in_report), cut to their first tokens (setting experiment_tokens).",
        {
            **shared("model", "document"),
            "layer": STATE_LAYER,
            "position": POSITION,
            **shared("token", "key_class"),
            "state": number("norm of the residual state that enters the layer", NORM),
            "key": number(
                "norm of the key vector that enters the attention (after rotary embedding), mean "
                "over key-value heads; null if the model's attention code does not expose keys",
                NORM,
            ),
            "value": number(
                "norm of the value vector, before the output projection, mean over key-value heads",
                NORM,
            ),
        },
        sort=("model", "document", "layer", "position"),
        csv=False,
    ),
    "norm_ratios": Table(
        "one row per model, document, layer and sink token. Norms at a sink token relative to "
        "ordinary tokens: small values, large states (Guo et al. 2024); documents are cut to "
        "their first tokens (setting experiment_tokens).",
        {
            **shared("model", "document"),
            "layer": STATE_LAYER,
            "sink": text(
                "kind of sink token, the first that fits: first_token (position 0), "
                "first_terminator (the first token that ends a sentence), or the class of a "
                "special token (bos, cls, sep or eos)"
            ),
            "position": position(
                "position of the sink token, counted from 0; a special token that occurs twice "
                "has two rows"
            ),
            "state": beside_others("residual state"),
            "key": beside_others("key vector (mean over key-value heads)"),
            "value": beside_others("value vector (mean over key-value heads)"),
        },
        sort=("model", "document", "layer", "sink", "position"),
    ),
    "norm_weighted": Table(
        "one row per model, document, layer and key set. Sink mass with and without weighting "
        "each key by the norm of its value, after Kobayashi et al. 2020; documents are cut to "
        "their first tokens (setting experiment_tokens).",
        {
            **shared("model", "document", "layer"),
            "key_set": text(
                "set of keys S that the attention is summed over: first_token, first_terminator, "
                "special (bos, cls, sep, eos and mask) or listed_sinks (key 0, special tokens "
                "except the mask, first terminator)"
            ),
            "n_keys": count("number of keys of the document in the set; 0 if it has none"),
            "mass": fraction(
                "attention on the keys of the set, summed over these keys, mean over heads and "
                "all queries: mean_i sum_{j in S} M[l,i,j]; not divided by the sum of the row, so "
                "compare it with norm_mass for softmax only"
            ),
            "norm_mass": fraction(
                "the same with A[l,h,i,j] norm(v_j) in place of A[l,h,i,j], divided in each head "
                "by its sum over the keys of the row; v_j is the value before the output "
                "projection, which Kobayashi et al. 2020 include"
            ),
        },
        sort=("model", "document", "layer", "key_set"),
    ),
    "activations": Table(
        "one row per model, document, layer and rank. The three largest entries of the residual "
        "state that enters a layer, and all massive ones (Sun et al. 2024); documents are cut to "
        "their first tokens (setting experiment_tokens).",
        {
            **shared("model", "document"),
            "layer": STATE_LAYER,
            "rank": position(
                "rank of the entry by magnitude within document and layer; 0 is largest"
            ),
            "dimension": position("dimension of the residual state, counted from 0"),
            "position": POSITION,
            **shared("token", "key_class"),
            "activation": number("value of the entry, with its sign", "activation"),
            "median": number(
                "median magnitude over all positions and dimensions of the document's state in "
                "this layer",
                "activation",
            ),
            "is_massive": flag(
                "whether the magnitude is above 100 and above 1,000 times the median (Sun et al. "
                "2024)"
            ),
        },
        sort=("model", "document", "layer", "rank"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(EXPERIMENT_TOKENS,),
    reads=("documents_in_report",),
    sections={
        "norms": Section(
            title="Norms at sink tokens",
            intro=(
                "A head with nothing to add can put its attention on a token whose value is "
                "small, so that its output is small. The norms of residual states, keys and "
                "values show whether sinks are such tokens; massive activations show how a model "
                "marks them; and attention weighted by the norms of the values shows how much of "
                "a sink remains."
            ),
            verdict=(
                "Where the first token gets most attention, its value is smaller than those of "
                "other tokens in {{ norms_ratios.n_smaller }} of "
                "{{ norms_ratios.n_models | counted('model') }}."
            ),
            tables=("norm_ratios", "norm_weighted", "activations", "norms", "documents", "models"),
            figures=("ratios", "positions", "weighted", "activations"),
        ),
    },
)
