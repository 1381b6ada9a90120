"""Makers of made-up tables for claims: each takes the names of models, returns tables by name.

Numbers of study 1 are read from its notebook's output and figures, those of study 2 from its text.
"""

import polars as pl

N_COUNTED = 1_000_000  # max keys of a made-up histogram


def of_all(models, table, rows, **overrides):
    """The same rows for every model."""
    frame = pl.DataFrame(rows, schema_overrides=overrides, infer_schema_length=None)
    return {table: pl.concat([frame.with_columns(model=pl.lit(name)) for name in models])}


# --- Study 1: max keys, masses, documents --------------------------------------------------------

# Keyword of a maker to token and key class.
TOKENS = {
    "sep": ("[SEP]", "sep"), "cls": ("[CLS]", "cls"), "s": ("<s>", "bos"), "end": ("</s>", "bos"),
    "stop": (".", "terminator"), "comma": (",", "punctuation"), "z": ("Z", "first"),
    "word": ("tide", "word"), "the": ("the", "word"), "and_": ("and", "word"),
    "in_": ("in", "word"), "to": ("to", "word"), "bracket": ("(", "punctuation"),
    "quote": ('"', "punctuation"),
}  # fmt: skip


def max_keys(**shares):
    """Shares of all max keys; what is left goes to 100 numbers alike."""
    by_token = {TOKENS[name]: share for name, share in shares.items()}
    rest = 1 - sum(by_token.values())
    by_token |= {(str(i), "number"): rest / 100 for i in range(100)}
    counts = {key: round(share * N_COUNTED) for key, share in by_token.items()}
    rows = [
        {"token": token, "key_class": key_class, "count": count}
        for (token, key_class), count in counts.items()
        if count
    ]

    def make(models):
        tables = of_all(models, "max_attention_tokens", rows)
        return tables | {"max_attention_tokens_padded": tables["max_attention_tokens"]}

    return make


SHADES = (0.3, 0.5, 0.8, 0.8, 0.6, 0.7)  # darkest of DistilBERT's heat maps, by layer


def darkest(*values):
    """The most that a query gives one key in each layer, in two documents around these means."""
    rows = [
        {"document": document, "layer": layer, "largest": value + by}
        for document, by in (("a", -0.01), ("b", 0.01)) for layer, value in enumerate(values)
    ]  # fmt: skip
    return lambda models: of_all(models, "largest_attention", rows, layer=pl.UInt16)


def last_layer(**shares):
    """One document of 100 tokens whose last layer has these shares of max keys."""
    rows = [
        {"document": "a", "token": token, "key_class": key_class, "share": shares[name]}
        for name, (token, key_class) in TOKENS.items() if name in shares
    ]  # fmt: skip
    rest = 100 - len(rows)
    left = (1 - sum(shares.values())) / rest
    rows += [
        {"document": "a", "token": f"t{i}", "key_class": "word", "share": left} for i in range(rest)
    ]
    return lambda models: of_all(models, "last_layer_keys", rows)


def masses(key_set, *layers):
    """Mass by layer: one number of all documents, or a list with one of each."""
    documents = max((len(x) for x in layers if isinstance(x, list)), default=2)
    rows = [
        {"document": f"d{i}", "layer": layer, "key_set": key_set, "n_keys": 1,
         "mass": float(value[i] if isinstance(value, list) else value)}
        for layer, value in enumerate(layers) for i in range(documents)
    ]  # fmt: skip
    return lambda models: of_all(models, "sink_mass", rows, layer=pl.UInt16)


def lengths(*tokens):
    rows = [{"document": f"d{i}", "n_tokens": n} for i, n in enumerate(tokens)]
    return lambda models: of_all(models, "documents", rows, n_tokens=pl.UInt32)


# DistilBERT of study 1's notebook: mass of each of the eight documents, bin by bin.
SEP = [
    [0.01] * 5 + [0.025, 0.04, 0.07],
    [0.04] * 5 + [0.09, 0.13, 0.23],
    [0.31] * 4 + [0.36, 0.38, 0.43, 0.54],
    [0.42, 0.42, 0.42, 0.46, 0.46, 0.46, 0.5, 0.57],
    [0.44, 0.44, 0.44, 0.47, 0.47, 0.47, 0.52, 0.59],
    [0.085] * 6 + [0.66, 0.66],
]
CLS = [
    [0.09] * 3 + [0.2, 0.2, 0.32, 0.43, 0.55],
    [0.14] * 5 + [0.18, 0.18, 0.29],
    [0.035, 0.046, 0.055, 0.063, 0.063, 0.063, 0.07, 0.07],
    0.017, 0.014, 0.014,
]  # fmt: skip
# OPT-125m: the figure's means of layers 0 to 10, and the ends of layer 11.
OPT = [0.12, 0.47, 0.63, 0.72, 0.72, 0.69, 0.71, 0.68, 0.7, 0.69, 0.7]
OPT_LAST = [0.39, 0.6, 0.65, 0.65, 0.7, 0.7, 0.75, 0.93]


def opt(last=tuple(OPT_LAST), **changed):
    layers = [*OPT, list(last)]
    for name, value in changed.items():
        layers[int(name.removeprefix("layer_"))] = value
    return masses("bos", *layers)


def roberta(first, later):
    return masses("bos", 0.02, *[first] * 4, *[later] * 19)


# --- Study 2: a model with 32 layers -------------------------------------------------------------

N_LAYERS, KEY, FIRST = 32, 20, 0.45
INSIDE = range(2, 31)  # layers that the outputs of the 2nd to the 30th transformer enter


def llama(
    *, first_copy=2, last_copy=30, ratio=0.88, distance=0.06, convergence=0.99999, outlier=None,
    following=0.01, marks=(".", "!", "?"), before=0.82, drop=1.0, local=0.2,
    skipped=0, is_there=True,
):  # fmt: skip
    """The study's numbers. outlier: convergence of layer 7 alone. drop: of local attention.
    skipped: how many of the queries after the second sink give it nothing."""
    layers, texts = [], []
    for layer in range(N_LAYERS):
        is_copy = first_copy <= layer <= last_copy
        mass = FIRST * ratio if layer in INSIDE and is_there else 0.09
        for mark in ("own", ".", "!", "?", ","):
            own = mass if mark == "own" or mark in marks else 0.09
            likeness = convergence if layer in INSIDE else 0.85
            layers.append(
                {"mark": mark, "layer": layer, "first_token": FIRST, "second_sink": own,
                 "second_sink_low": own, "second_sink_high": own, "ratio": own / FIRST,
                 "next_terminator": following, "threshold": 0.1,
                 "is_second_sink": own >= 0.1, "cosine": 0.998 if is_copy else 0.2,
                 "unit_distance": distance if layer in INSIDE else 1.2,
                 "convergence": outlier if outlier and layer == 7 else likeness}
            )  # fmt: skip
        texts.append({"document": "a", "layer": layer, "is_own": True,
                      "first_token": FIRST, "second_sink": mass,
                      "first_token_before": before if layer == 5 else 0.3})  # fmt: skip
    # With 0.8 before it the naive line is 1 + 0.88 x 0.8 = 1.704.
    neighbours = [
        {"document": "a", "layer": layer, "query": query, "key": KEY,
         "first_token": 0.8 if query < KEY else FIRST,
         "second_sink": 0.0 if query <= KEY + skipped else FIRST * 0.88,
         "local": local if query < KEY else local / drop, "local_no_first": 0.1}
        for layer in range(N_LAYERS) for query in range(3 * KEY)
    ]  # fmt: skip

    def make(models):
        tables = of_all(models, "second_sink_layers", layers, layer=pl.UInt16)
        tables |= of_all(models, "second_sink_local", neighbours, layer=pl.UInt16)
        return tables | of_all(models, "second_sink", texts, layer=pl.UInt16)

    return make


NO_SECOND_SINK = llama(is_there=False)

# --- Study 3 and the literature ------------------------------------------------------------------


def induction(*heads):
    """first_token and over_half of induction heads; one other head rests on nothing."""
    rows = [{"first_token": x, "over_half": x, "is_induction": True} for x in heads]
    rows += [{"first_token": 0.0, "over_half": 0.0, "is_induction": False}]
    return lambda models: of_all(models, "induction", rows)


def norms(column, *layers):
    """Ratio of the first token by layer; another sink beside it, with a ratio of 1."""
    rows = [
        {"document": document, "layer": layer, "sink": sink, column: float(ratio)}
        for document in "ab" for layer, value in enumerate(layers)
        for sink, ratio in (("first_token", value), ("sep", 1))
    ]  # fmt: skip
    return lambda models: of_all(models, "norm_ratios", rows, layer=pl.UInt16)


PUBLISHED_RATES = {"gpt2-xl": 0.77, "mistral-7b": 0.9749, "llama-2-7b": 0.9247,
                   "llama-2-13b": 0.9169, "llama-3-8b": 0.9902}  # fmt: skip


def rates(shift):
    """Half of the layers above the published rate, half below it; whole documents far from it."""

    def make(models):
        rows = [
            {"model": model, "layer": layer, "key_set": "first_token", "window": window,
             "n_documents": 3,
             "rate": PUBLISHED_RATES[model] + shift + (0.01, -0.01)[layer] if window else 0.1}
            for model in models for layer in (0, 1) for window in (64, None)
        ]  # fmt: skip
        return {"sink_rate": pl.DataFrame(rows, schema_overrides={"window": pl.UInt32})}

    return make


def trained(alternative, control):
    """Models in training: the layer where the first token gets most, at the last step."""

    def make(models):
        rows = [
            {"model": model, "family": "gpt2", "attention": attention, "step": step, "window": 64,
             "layer": layer, "head": head, "first_token": (most if layer else 0.01) * step / 10}
            for model, attention, most in [*((m, "sigmoid", alternative) for m in models),
                                           ("plain", "softmax", control)]
            for step in (0, 10) for layer in (0, 1) for head in (0, 1)
        ]  # fmt: skip
        return {"emergence": pl.DataFrame(rows)}

    return make


# --- Restricted attention -------------------------------------------------------------------------


def mask_costs(mask, **columns):
    """What one mask costs; without an interval."""
    row = {"mask": mask, "is_control": False, "n_documents": 1}
    for name, value in columns.items():
        row |= {name: value, f"{name}_low": None, f"{name}_high": None}
    floats = {name: pl.Float64 for name in row if name.endswith(("_low", "_high"))}
    return lambda models: of_all(models, "mask_costs", [row], **floats)
