"""Makers of made-up tables for the claims of the literature: each takes the names of models and
returns tables by name."""

import polars as pl

from claims.made_tables import masses, of_all

LAYER = {"layer": pl.UInt16}


def facts(**values):
    """Columns of the table models."""
    return lambda models: of_all(models, "models", [values])


def words(*counts):
    rows = [{"document": f"d{i}", "n_words": n} for i, n in enumerate(counts)]
    return lambda models: of_all(models, "documents", rows)


def heads(column, *layers):
    """A statistic of two heads on two documents, by layer: a number, or one of each head."""
    rows = [
        {"document": document, "layer": layer, "head": head,
         column: float(value[head] if isinstance(value, list) else value)}
        for document in "ab" for layer, value in enumerate(layers) for head in (0, 1)
    ]  # fmt: skip
    return lambda models: of_all(models, "heads", rows, **LAYER)


def over_half(*of_heads):
    """Fraction of dormant queries: of each head, on each document."""
    rows = [
        {"document": f"d{i}", "layer": 0, "head": head, "over_half": float(value)}
        for head, values in enumerate(of_heads) for i, value in enumerate(values)
    ]  # fmt: skip
    return lambda models: of_all(models, "heads", rows, **LAYER)


def joined(*makers):
    def make(models):
        return {name: table for maker in makers for name, table in maker(models).items()}

    return make


def without_stops(*layers):
    """Mass of <s>: in a text without a terminator by layer, in another one 0.9."""

    def make(models):
        rows = [
            {"document": document, "layer": layer, "key_set": key_set, "n_keys": n_keys,
             "mass": float(value if document == "bare" else 0.9 if key_set == "bos" else 0.0)}
            for document in ("bare", "marked") for layer, value in enumerate(layers)
            for key_set, n_keys in (("bos", 1), ("terminator", int(document == "marked")))
        ]  # fmt: skip
        return of_all(models, "sink_mass", rows, **LAYER)

    return make


def rest(bos, local):
    return joined(masses("bos", *[bos] * 12), heads("local_5_no_sinks", *[local] * 12))


def lengths_of_sinks(begin, whole):
    """Mass of the first token in the beginnings and in whole documents; layer 0 has no sink."""
    rows = [
        {"document": document, "n_tokens": n, "layer": layer, "key_set": "first_token",
         "mass": mass if layer else 0.01}
        for document in "ab" for n, mass in ((16, begin), (32, begin), (64, 0.5), (200, whole))
        for layer in (0, 1)
    ]  # fmt: skip
    return lambda models: of_all(models, "sink_lengths", rows, **LAYER)


def ratios(sink, column, *layers):
    rows = [
        {"document": document, "layer": layer, "sink": name, column: float(ratio)}
        for document in "ab" for layer, value in enumerate(layers)
        for name, ratio in ((sink, value), ("first_terminator", 1))
    ]  # fmt: skip
    return lambda models: of_all(models, "norm_ratios", rows, **LAYER)


def weighted(norm_mass, mass=0.5, key_set="special"):
    """Layer 0 is no sink, and keeps all of its mass."""
    rows = [
        {"document": document, "layer": layer, "key_set": key_set, "n_keys": 2,
         "mass": at, "norm_mass": by_norm}
        for document in "ab"
        for layer, (at, by_norm) in enumerate(((0.05, 0.05), (mass, norm_mass)))
    ]  # fmt: skip
    return lambda models: of_all(models, "norm_weighted", rows, **LAYER)


def induction_in(*layers):
    rows = [{"layer": layer, "head": 0, "is_induction": layer in layers} for layer in range(4)]
    return lambda models: of_all(models, "induction", rows, **LAYER)


def virtual(mass):
    rows = [
        {"document": d, "layer": n, "head": 0, "mass": mass + (n - 0.5) / 50}
        for d in "ab" for n in (0, 1)
    ]  # fmt: skip
    return lambda models: of_all(models, "virtual_sink", rows, **LAYER)


def rate(*by_window):
    """Sink rates of one document of 200 tokens: over 64 tokens, and over all of it."""
    rows = [
        {"document": "a", "layer": layer, "key_set": "first_token", "window": window,
         "n_heads": 1000, "n_above": round(1000 * value)}
        for layer in (0, 1) for window, value in zip((64, None), by_window, strict=True)
    ]  # fmt: skip

    def make(models):
        scored = of_all(models, "sink_rate_documents", rows, window=pl.UInt32)
        documents = of_all(models, "documents", [{"document": "a", "n_tokens": 200}])
        return scored | documents | {"sink_rate": scored["sink_rate_documents"].clear()}

    return make


def chat_rates(shift):
    published = {"mistral-7b-instruct": 0.8834, "llama-2-7b-chat": 0.9288,
                 "llama-2-13b-chat": 0.9094, "llama-3-8b-instruct": 0.9885}  # fmt: skip

    def make(models):
        rows = [
            {"model": name, "layer": 0, "key_set": "first_token", "window": 64, "n_documents": 3,
             "rate": published[name] + shift}
            for name in models
        ]  # fmt: skip
        return {"sink_rate": pl.DataFrame(rows, schema_overrides={"window": pl.UInt32})}

    return make


def activations(
    *, layers=(2, 30), dimensions=(1415, 2533), size=2100.0, median=0.2, elsewhere=0, of=20,
    key_class="word",
):  # fmt: skip
    """Massive activations of a model with 32 layers: `of` at key 0 by layer, and `elsewhere` of all
    at another token of this class."""
    rows = [
        {"document": document, "layer": layer, "rank": rank, "dimension": dimension, "position": 0,
         "key_class": "bos", "activation": -size, "median": median,
         "is_massive": layers[0] <= layer <= layers[1] and size > 100}
        for document in "ab" for layer in range(32) for rank, dimension in enumerate(dimensions)
    ]  # fmt: skip
    n_massive = sum(row["is_massive"] for row in rows)
    rows += [
        rows[2 * layers[0]] | {"position": 7, "rank": 2 + i, "key_class": key_class}
        for i in range(round(n_massive * elsewhere / of))
    ]
    return lambda models: of_all(models, "activations", rows, **LAYER)


def lives(*others, first_mass=0.5, n_documents=4):
    """Sinks: key 0 of every document, and others: (document, first_layer, first_close_layer,
    last_close_layer, peak_mass). One more document is too short to be judged."""
    keys = ["document", "first_layer", "first_close_layer", "last_close_layer", "peak_mass"]
    zero = [
        {"document": i, "key": 0, "key_class": "first", "first_layer": 1, "peak_mass": first_mass,
         "first_close_layer": None, "last_close_layer": None}
        for i in range(n_documents)
    ]  # fmt: skip
    rows = zero + [
        dict(zip(keys, other, strict=True)) | {"key": 5 + i, "key_class": "word"}
        for i, other in enumerate(others)
    ]

    def make(models):
        tables = of_all(models, "sink_lives", rows)
        documents = [{"document": i, "n_tokens": 9} for i in range(n_documents + 1)]
        masses = [
            {
                "document": i,
                "key_set": "sinks",
                "layer": 0,
                "mass": 0.5 if i < n_documents else None,
            }
            for i, mass in enumerate([*[0.5] * n_documents, None])
        ]
        tables |= of_all(models, "documents", documents)
        return tables | of_all(models, "sink_mass", masses)

    return make


def levels(numbers):
    """Secondary sinks with so many levels, by model, and a level that one of 50 has."""

    def make(models):
        parts = [
            lives(
                *[(0, 8, 8 + level, 20, 0.2) for level in range(numbers[name]) for _ in range(10)],
                (0, 8, 30, 31, 0.2),
            )([name])
            for name in models
        ]
        return {
            table: pl.concat([part[table] for part in parts]) for part in parts for table in part
        }

    return make


def depth(entropy, without, ratio, first_token=None):
    """Matrix entropy with and without key 0, and its norm, by layer; attention on key 0."""
    rows = [
        {"document": d, "layer": layer, "entropy": e, "entropy_no_first": w, "norm_ratio": r}
        for d in "ab"
        for layer, (e, w, r) in enumerate(zip(entropy, without, ratio, strict=True))
    ]  # fmt: skip
    made = masses("first_token", *(first_token or [0.1] * len(entropy)))
    return joined(lambda models: of_all(models, "matrix_entropy", rows, **LAYER), made)


def beginnings(special=0.5, other=0.5):
    """Attention on key 0, layer 1 the strongest: of texts without special tokens, and of texts with
    another first word (their own one gets 0.5)."""
    bos = [
        {"document": d, "input": which, "layer": layer, "first_token": mass if layer else 0.0}
        for d in "ab" for layer in (0, 1) for which, mass in (("with", 0.9), ("without", special))
    ]  # fmt: skip
    content = [
        {"document": d, "input": which, "layer": layer, "role": "first_token",
         "mass": mass if layer else 0.1}
        for d in "ab" for layer in (0, 1) for which, mass in (("text", 0.5),
                                                            ("other_first_word", other))
    ]  # fmt: skip
    return joined(
        lambda models: of_all(models, "bos", bos, **LAYER),
        lambda models: of_all(models, "position_content", content, **LAYER),
    )


def edits(role, cost, edit="zero"):
    """What the edit of the sinks of one role costs, and of a random key beside them."""
    row = {"layer": None, "head": None, "role": role, "edit": edit, "edited_key": "sink",
           "loss_change": cost, "loss_change_low": None, "loss_change_high": None,
           "n_documents": 1}  # fmt: skip
    rows = [row, row | {"edited_key": "random", "loss_change": 9.0}, row | {"layer": 3, "head": 1}]
    floats = {"loss_change_low": pl.Float64, "loss_change_high": pl.Float64, "head": pl.UInt16}
    return lambda models: of_all(models, "head_edit_costs", rows, **LAYER, **floats)


def long_texts(window, alone, sinks, n_tokens=4096, attention="sinks+window"):
    """Losses of two texts through a window, alone and with the first tokens; dense beside them."""
    rows = [
        {"document": document, "attention": name, "window": size, "n_tokens": n_tokens,
         "loss": loss / 2, "loss_late": loss, "perplexity": loss}
        for document in "ab"
        for name, size, loss in (("window", window, alone), (attention, window, sinks),
                                 ("window", 2 * window, 1.0), ("dense", None, 0.1))
    ]  # fmt: skip
    return lambda models: of_all(models, "long_texts", rows, window=pl.UInt32)


def roles(**counts):
    """Heads by the role of their sink; no_op for no-op."""
    rows = [
        {"layer": 0, "head": i, "role": role.replace("_", "-")}
        for role, n in counts.items() for i in range(n)
    ]  # fmt: skip
    return lambda models: of_all(models, "head_roles", rows, **LAYER)
