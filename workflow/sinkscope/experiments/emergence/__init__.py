"""When sinks appear: the records of the zoo's training, and alternatives to softmax.

Sources: Gu et al. 2024, Xiao et al. 2023.
"""

from sinkscope.declarations.experiment import Experiment, Section
from sinkscope.tables.columns import fraction, number, position, shared, text
from sinkscope.tables.table import Column, Table

NATS = "nats per token"

FAMILY = text("family of the zoo model: bert, distilbert, roberta, gpt2, opt, falcon or llama")
ATTENTION = text(
    "how logits become attention: softmax, softmax_off_by_one, sigmoid, learned_sink (softmax with "
    "one more logit in every row, which each head learns) or gated_softmax (softmax, and a gate on "
    "each head's output)"
)

TABLES: dict[str, Table] = {
    "emergence": Table(
        "one row per zoo model, logged training step, window, layer and head. Measured during "
        "training, on held-out texts no shorter than the longest window (Gu et al. 2024).",
        {
            **shared("model"),
            "family": FAMILY,
            "attention": ATTENTION,
            "step": position(
                "optimizer steps done; 0 is before training, the last logged step is its end"
            ),
            "tokens": Column(
                "UInt64", "tokens trained on so far, special tokens included", "tokens"
            ),
            "train_loss": number(
                "training loss of the whole model, mean over the steps since the previous logged "
                "step, per predicted token; with a teacher (distilbert) the weighted loss of "
                "distillation; null at step 0",
                NATS,
            ),
            "heldout_loss": number(
                "cross-entropy of the whole model on held-out rows, mean over predicted tokens: "
                "the next token for decoders, hidden tokens for encoders",
                NATS,
            ),
            "window": Column(
                "UInt32",
                "length of the inputs, the first tokens of each held-out text, special tokens "
                "included",
                "tokens",
            ),
            **shared("layer", "head"),
            "first_token": fraction(
                "attention on key 0 (sink score), mean over texts and all queries: mean_i "
                "A[l,h,i,0]"
            ),
            "first_and_special": fraction(
                "attention on key 0 and on the special tokens bos, cls, sep and eos together, "
                "mean over texts and all queries"
            ),
            "row_sum": fraction(
                "sum of a query's attention over all keys, mean over texts and queries; 1 for "
                "softmax"
            ),
        },
        sort=("model", "step", "window", "layer", "head"),
    ),
    "attachment": Table(
        "one row per zoo model, input, window and layer. The trained model reads held-out texts "
        "with and without special tokens, to show whether its sink follows the first position or "
        "the special token.",
        {
            **shared("model"),
            "family": FAMILY,
            "attention": ATTENTION,
            "input": text(
                "how the texts are given: as_trained (special tokens where the tokenizer puts "
                "them), plain (no special tokens), other_first (as_trained with the first word of "
                "another text), special_moved (the special tokens in the middle; only for models "
                "with a special token in front)"
            ),
            "window": Column("UInt32", "length of the inputs, special tokens included", "tokens"),
            **shared("layer"),
            "first_token": fraction(
                "attention on key 0, mean over heads, texts and all queries: mean_i M[l,i,0]"
            ),
            "first_and_special": fraction(
                "attention on key 0 and on the special tokens bos, cls, sep and eos together, "
                "wherever they are, mean over heads, texts and all queries"
            ),
            "moved": fraction(
                "attention on each special token moved to the middle, mean over heads, texts and "
                "the queries that see it, then summed over these tokens; null for inputs other "
                "than special_moved"
            ),
            "uniform": fraction(
                "first_and_special under uniform attention of every query over the keys that it "
                "sees; the same for all layers"
            ),
            "loss": number(
                "cross-entropy of the trained model on held-out rows read as in training, in "
                "float32, mean over predicted tokens; the same in all rows of a model",
                NATS,
            ),
        },
        sort=("model", "input", "window", "layer"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    records={"emergence": "training_log.parquet", "attachment": "evaluation.parquet"},
    sections={
        "emergence": Section(
            title="When sinks appear",
            intro=(
                "The zoo's models are small and were trained by this repository from random "
                "weights, and their attention was measured throughout training on held-out "
                "texts. They show when a sink appears, in which layers, how the loss changes "
                "meanwhile, and whether the sink attaches to the first position or to a special "
                "token."
            ),
            verdict=(
                "A sink appears in {{ emergence_growth.n_sinks }} of "
                "{{ emergence_growth.n_models | counted('model') }} trained here"
                "{% if emergence_growth.sinks is defined %}, the first after "
                "{{ emergence_growth.sinks[0].onset | tokens_trained }}{% endif %}."
            ),
            tables=("emergence", "attachment"),
            figures=("growth", "layers", "trained", "attachment"),
        ),
        "alternatives": Section(
            title="Alternatives to softmax",
            intro=(
                "Softmax makes every row of attention sum to 1, so a head with nothing to add "
                "must still put its attention somewhere. Here a model is trained again with "
                "attention without this constraint: softmax off-by-one (a zero logit beside "
                "those of the keys, so that rows sum to less than 1), a learned sink (the same "
                "with a logit that each head learns, as in gpt-oss), sigmoid (each key "
                "separately, so that rows have any sum), and gated softmax (rows sum to 1, but a "
                "gate computed from the layer's input scales each head's output)."
            ),
            verdict=(
                "On texts of 64 tokens, the first token gets up to "
                "{% for row in alternatives_layers.models %}{{ loop.index | "
                "separator(loop.length) }}{{ row.share | whole_percent }} with {{ row.kind | "
                "attention_label }}{% endfor %} of a layer's attention."
            ),
            tables=("emergence",),
            figures=("loss", "layers", "trained"),
            package="alternatives",
            more_tables=("activations", "norm_ratios"),
        ),
    },
)
