"""Whether a sink attaches to a token or a position: texts with and without special tokens, with
another first word, and with a sentence in front.
"""

from sinkscope.declarations.experiment import EXPERIMENT_TOKENS, Experiment, Section
from sinkscope.tables.columns import flag, fraction, shared, text
from sinkscope.tables.table import Table

TABLES: dict[str, Table] = {
    "bos": Table(
        "one row per model, document, input and layer. The same text with and without its special "
        "tokens, cut to equal length; only for tokenizers that can put a special token in front; "
        "documents are cut to their first tokens (setting experiment_tokens).",
        {
            **shared("model", "document"),
            "input": text("with or without: whether the text has special tokens"),
            "is_usual": flag(
                "whether the model reads the document with a special token in front in the rest "
                "of the run"
            ),
            **shared("layer"),
            "first_token": fraction(
                "attention on key 0, mean over heads and queries: mean_i M[l,i,0]; the queries, "
                "at the same positions in both inputs, are those after the position of the first "
                "real token in the input with special tokens (encoders: all except key 0 and that "
                "position)"
            ),
            "first_word": fraction(
                "attention on the first token of the text that is not special, mean over heads "
                "and the same queries; equal to first_token for the input without, in which it is "
                "key 0"
            ),
        },
        sort=("model", "document", "input", "layer"),
    ),
    "position_content": Table(
        "one row per model, document, input, layer and role. Attention on candidate sinks when "
        "the beginning of the text changes; documents are cut to their first tokens (setting "
        "experiment_tokens).",
        {
            **shared("model", "document"),
            "input": text(
                "text: as it is; other_first_word: with a random ordinary token in place of its "
                "first one, mean over two of them; filler: with a sentence in front that ends in "
                "a full stop; filler_comma: the same sentence with a comma at its end"
            ),
            **shared("layer"),
            "role": text(
                "key that receives the attention: first_token (key 0); first_terminator (the "
                "first terminator of the text itself, after any sentence in front); with a "
                "sentence in front also filler_end (the mark at its end) and same_position (the "
                "position of the first terminator without the sentence in front; no row if "
                "filler_end is at that position)"
            ),
            "mass": fraction(
                "attention on this key, mean over heads and over the queries after all keys with "
                "a role in this input (encoders: all queries except these keys); null if the "
                "input has no such query"
            ),
        },
        sort=("model", "document", "input", "layer", "role"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(EXPERIMENT_TOKENS,),
    sections={
        "bos": Section(
            title="Does the sink attach to a token or to a position?",
            intro=(
                "The same texts are run with and without their special tokens, at equal length: "
                "does the first real token take over? Then they are run with another first word, "
                "and with another sentence in front that ends in a terminator or, as a control, "
                "in a comma: does the attention on the first terminator stay with that token, "
                "move to the new first terminator, or stay at the position?"
            ),
            verdict=(
                "Mostly to the position in {{ bos_on_off.n_over }} of "
                "{{ bos_on_off.n_models | counted('model') }}: without special tokens the first "
                "word gets at least half of what the special token got."
            ),
            tables=("bos", "position_content", "documents", "models"),
            figures=("special", "first_word", "places"),
        ),
    },
)
