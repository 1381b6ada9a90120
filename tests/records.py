"""What experiments recorded, of models whose sinks and heads are known."""

import numpy as np
import polars as pl
import yaml

from sinkscope.atlas.max_keys import count_keys, histogram
from sinkscope.experiments.second_sink.convergence import STEPS

TOKENS = (0, *(int(30_000 * 2**i) for i in range(12)))  # to 61 million
N_HEADS = 5


def training_log(
    model, family, attention="softmax", *, onset=2e6, mass=0.6, layer=2, n_layers=5, row_sum=1.0
):
    """Layer `layer` grows to `mass`, half of it by `onset` tokens; other layers stay below.

    Loss falls from 8 to 4, a quarter of it before the sink.
    """
    rows = []
    for step, tokens in enumerate(TOKENS):
        grown = 1 / (1 + (onset / max(tokens, 1)) ** 2)
        loss = 8 - 1 * tokens / (tokens + onset / 20) - 3 * tokens / (tokens + onset)
        for window in (64, 256):
            for at in range(n_layers):
                own = 0.02 + mass * grown * (1 - 0.25 * abs(at - layer)) * (0.2 if at == 0 else 1)
                for head in range(N_HEADS):
                    value = own * (1 + 0.1 * (head - N_HEADS // 2)) * (64 / window) ** 0.25
                    rows.append(
                        {
                            "model": model, "family": family, "attention": attention,
                            "step": step * 100, "tokens": tokens,
                            "train_loss": None if step == 0 else loss - 0.05,
                            "heldout_loss": loss, "window": window, "layer": at, "head": head,
                            "first_token": value * 0.9, "first_and_special": value,
                            "row_sum": row_sum,
                        }
                    )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"train_loss": pl.Float64})


def evaluation(
    model, family, attention="softmax", *, mass=0.6, layer=2, n_layers=5, plain=1.0,
    other_first=1.0, moved=None,
):  # fmt: skip
    """plain, other_first, moved: what is left of the sink under these inputs, as a part of it;
    moved: None where no special token stands in front.
    """
    left = {"as_trained": 1.0, "plain": plain, "other_first": other_first}
    left |= {} if moved is None else {"special_moved": 0.1}
    rows = []
    for name, part in left.items():
        for window in (64, 256):
            for at in range(n_layers):
                value = mass * part * (1 - 0.2 * abs(at - layer))
                rows.append(
                    {
                        "model": model, "family": family, "attention": attention, "input": name,
                        "window": window, "layer": at, "first_token": value * 0.9,
                        "first_and_special": value,
                        "moved": mass * moved if name == "special_moved" else None,
                        "uniform": 5 / window, "loss": 4.0,
                    }
                )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"moved": pl.Float64})


def write(folder, model, family, attention="softmax", log=None, evaluated=None):
    """A checkpoint's two records, with keyword arguments of the functions above."""
    folder.mkdir(parents=True, exist_ok=True)
    training_log(model, family, attention, **(log or {})).write_parquet(
        folder / "training_log.parquet"
    )
    evaluation(model, family, attention, **(evaluated or {})).write_parquet(
        folder / "evaluation.parquet"
    )
    return folder


def padded(folder, model, cells):
    """What that experiment wrote of an encoder: padding chooses key 0 in every layer."""
    part = folder / "results" / "experiments" / "padded" / model
    part.mkdir(parents=True)
    longest = max(cell.n_tokens for cell in cells)
    counts, documents = [], []
    for cell in cells:
        padding = np.zeros((len(cell["max_key"]), longest - cell.n_tokens), np.int32)
        keys = np.concatenate([cell["max_key"], padding], 1).ravel()
        values, seconds = np.ones(len(keys)), np.zeros(len(keys))
        tokens, classes = cell.meta["tokens"], cell.meta["classes"]
        counts.append(count_keys(keys, values, seconds, tokens, classes, 0.02))
        documents.append(counts[-1].with_columns(document=pl.lit(cell.meta["document"])))
    layers = cells[0]["max_key"].shape[0]
    names = pl.DataFrame({"document": [cell.meta["document"] for cell in cells]})
    rows = names.join(pl.DataFrame({"layer": range(layers)}), how="cross")
    rows.with_columns(largest=pl.lit(0.9), model=pl.lit(model)).write_parquet(
        part / "largest_attention.parquet"
    )
    of_documents = pl.concat(documents).select("document", "token", "key_class", "count")
    of_documents.with_columns(model=pl.lit(model)).sink_parquet(
        part / "max_attention_documents_padded.parquet"
    )
    histogram(counts).with_columns(model=pl.lit(model)).sink_parquet(
        part / "max_attention_tokens_padded.parquet"
    )
    return part


def induction(folder, model):
    """What that experiment wrote of a model: head 1 of layer 2 is an induction head."""
    part = folder / "results" / "experiments" / "induction" / model
    part.mkdir(parents=True)
    grid = pl.DataFrame({"layer": range(3)}).join(pl.DataFrame({"head": range(2)}), how="cross")
    planted = (pl.col("layer") == 2) & (pl.col("head") == 1)
    score = pl.when(planted).then(0.9).otherwise(0.05)
    grid.with_columns(
        model=pl.lit(model), induction_score=score, duplicate_score=pl.lit(0.1)
    ).write_parquet(part / "scores.parquet")
    rows = [
        {"input": name, "query": query, "key": key, "attention": 1 / (query + 1)}
        for name in ("repeated", "ordinary")
        for query in range(9)
        for key in range(query + 1)
    ]
    pl.DataFrame(rows).with_columns(
        model=pl.lit(model), layer=pl.lit(2), head=pl.lit(1)
    ).write_parquet(part / "patterns.parquet")
    return part


def claims(path, hostile):
    """A file of claims about the models `enc` and `dec` of a made run, and one that is absent."""
    kinds = {"enc": "encoder", "dec": "decoder", "gone": "encoder"}
    models = {
        name: {"sources": [f"zoo:{name}"], "architecture": "MadeModel", "kind": kind}
        for name, kind in kinds.items()
    }

    def claim(name, models, measure, condition, options, study="atlas", **more):
        return {
            "claim": name, "study": study, "kind": "number", "statement": f"{name} {hostile}",
            "source": "a study", "models": models, "measure": measure, "condition": condition,
            "with": options, **more,
        }  # fmt: skip

    cls, first = {"counting": "padded", "tokens": ["[CLS]"]}, {"key_set": "first_token"}
    found = [
        claim("holds", ["enc"], "max_key_share", {"above": 0.1}, cls, published="11/20"),
        claim("partly", ["enc", "gone"], "max_key_share", {"above": 0.1}, cls, published="11/20"),
        claim("alike", ["dec", "gone"], "mass", {"above": 0.01}, first),
        claim("fails", ["dec"], "mass", {"above": 2}, first, published=0.9,
              ablation={"cause": "length", "name": "layer 0", "with": {"layers": [0, 0]}}),
        claim("absent", ["dec"], "half_peak_layer", {"above": 0}, {"key_set": "punctuation"}),
        claim("untested", ["gone"], "value", {"above": 0},
              {"table": "bos", "column": "first_token"}),
        claim("unclear", ["enc"], "mass", {"above": 0.2}, first | {"layers": [1, 1]},
              sensitivity={"layer 0": {"layers": [0, 0]}}),
        claim("note", ["dec"], "mass", {"above": 0.01}, first, study="design", published=0.25),
    ]  # fmt: skip
    path.write_text(yaml.safe_dump({"shipped": False, "models": models, "claims": found}))
    return path


def second_sink(folder, model, masses=(0.0, 0.36, 0.24), key=8, n=40, marks=(".", "!", "?", ",")):
    """What that experiment wrote of a decoder with three layers on two documents: the first
    terminator, the first of `marks`, at `key`, gets `masses` by layer, key 0 gets 0.4, a comma in
    its place 0.01."""
    part = folder / "results" / "experiments" / "second_sink" / model
    part.mkdir(parents=True)
    documents = ("one", "two")
    rows = [
        {
            "document": document, "mark": mark, "is_own": mark == marks[0], "layer": layer,
            "key": key, "n_queries": n - key - 1, "first_token": 0.4,
            "second_sink": 0.01 if mark == "," else mass,
            "ratio": (0.01 if mark == "," else mass) / 0.4, "next_terminator": mass / 2,
            "first_token_before": 0.8, "strongest_key": key, "strongest_token": ".",
            "strongest": mass, "cosine": 0.2 if mark == "," else 0.9 if mass > 0.3 else 0.5,
            "unit_distance": 0.45 if mass > 0.3 else 1.0, "cosine_others": 0.1,
        }
        for document in documents for mark in marks for layer, mass in enumerate(masses)
    ]  # fmt: skip
    # Two unit vectors with a cosine c to each other: both documents' states.
    sums, units = [], []
    for layer, mass in enumerate(masses):
        cosine = 0.99 if mass > 0.3 else 0.6
        two = np.array([[1.0, 0.0], [cosine, (1 - cosine**2) ** 0.5]])
        total = np.round(two * STEPS).astype(int).sum(0).tolist()
        sums += [
            {"mark": mark, "layer": layer, "n_documents": 2, "total": total}
            for mark in ("own", *marks)
        ]
        units += [
            {"document": document, "layer": layer, "unit": vector}
            for document, vector in zip(documents, [[1.0, 0.0], [0.9, 0.19**0.5]], strict=True)
        ]
    local = [
        {
            "document": document, "layer": layer, "query": query, "key": key,
            "first_token": 0.4 if query > key else 0.8,
            "second_sink": mass if query > key else 0.0, "local": 0.12, "local_no_first": 0.12,
        }
        for document in documents for layer, mass in enumerate(masses) for query in range(n)
    ]  # fmt: skip
    maps = [
        {
            "document": "one", "layer": layer, "second_sink": key, "query": query, "key": at,
            "token": "." if at == key else f"t{at}",
            "attention": 0.4 if at == 0 else masses[layer] if at == key < query else 0.01,
        }
        for layer in (0, 1) for query in range(2 * key + 2) for at in range(query + 1)
    ]  # fmt: skip
    heads = [{**row, "head": 2 - row["layer"]} for row in maps]  # heads 0/2 and 1/1
    frames = {"second_sink": rows, "second_sink_sums": sums, "second_sink_local": local,
              "second_sink_units": units, "second_sink_maps": maps,
              "second_sink_heads": heads}  # fmt: skip
    for name, frame in frames.items():
        pl.DataFrame(frame).with_columns(model=pl.lit(model)).write_parquet(
            part / f"{name}.parquet"
        )
    return part


def norms(folder, model, value=0.1, massive=False, n=12, key=1.0):
    """What that experiment wrote of a model with two layers on two documents: the first token's
    value is `value` times the others', its attention 0.6 (in layer 1) becomes 0.6 * value."""
    part = folder / "results" / "experiments" / "norms" / model
    part.mkdir(parents=True)
    documents, grid = ("one", "two"), [(d, layer) for d in ("one", "two") for layer in (0, 1)]
    frames = {
        "norms": [
            {"document": document, "layer": layer, "position": i, "token": f"t{i}",
             "key_class": "word", "state": 50.0 if i == 0 else 1.0, "key": key,
             "value": value if i == 0 else 0.5 if i == 3 else 1.0}
            for document, layer in grid for i in range(n)
        ],
        "norm_ratios": [
            {"document": document, "layer": layer, "sink": sink, "position": position,
             "state": 50.0 if position == 0 else 1.5, "key": key, "value": value}
            for document, layer in grid
            for sink, position in (("first_token", 0), ("first_terminator", 3))
        ],
        "norm_weighted": [
            {"document": document, "layer": layer, "key_set": name, "n_keys": 1,
             "mass": 0.2 + 0.4 * layer, "norm_mass": (0.2 + 0.4 * layer) * value}
            for document, layer in grid for name in ("first_token", "sinks")
        ],
        "activations": [
            {"document": document, "layer": layer, "rank": rank, "dimension": 7 - rank,
             "position": 0, "token": "t0", "key_class": "first", "activation": -3000.0 / (1 + rank),
             "median": 1.0 if massive else 4.0, "is_massive": massive and rank < 2}
            for document, layer in grid for rank in range(3)
        ],
    }  # fmt: skip
    assert {row["document"] for row in frames["norms"]} == set(documents)
    for name, rows in frames.items():
        pl.DataFrame(rows).with_columns(model=pl.lit(model)).write_parquet(part / f"{name}.parquet")
    return part


def bos(folder, model, word=0.4, moved=0.15):
    """What that experiment wrote of a model with two layers on two documents: in layer 1 a BOS
    gets 0.5, without it the first real token `word`; with a sentence in front its end gets
    `moved`, the same terminator 0.1."""
    part = folder / "results" / "experiments" / "bos" / model
    part.mkdir(parents=True)
    grid = [(document, layer) for document in ("one", "two") for layer in (0, 1)]
    on_off = [
        {"document": document, "input": name, "is_usual": False, "layer": layer,
         "first_token": first * (layer + 1) / 2, "first_word": real * (layer + 1) / 2}
        for document, layer in grid
        for name, first, real in (("with", 0.5, 0.02), ("without", word, word))
    ]  # fmt: skip
    masses = {
        ("text", "first_token"): 0.5, ("text", "first_terminator"): 0.2,
        ("other_first_word", "first_token"): 0.48, ("other_first_word", "first_terminator"): 0.19,
        ("filler", "first_token"): 0.4, ("filler", "filler_end"): moved,
        ("filler", "first_terminator"): 0.1, ("filler", "same_position"): 0.01,
        ("filler_comma", "first_token"): 0.4, ("filler_comma", "first_terminator"): 0.18,
    }  # fmt: skip
    content = [
        {"document": document, "layer": layer, "input": name, "role": role,
         "mass": mass * (layer + 1) / 2}
        for document, layer in grid for (name, role), mass in masses.items()
    ]  # fmt: skip
    for name, rows in {"bos": on_off, "position_content": content}.items():
        pl.DataFrame(rows).with_columns(model=pl.lit(model)).write_parquet(part / f"{name}.parquet")
    return part


def depth(folder, model, valley=0.02, norm=150.0):
    """What that experiment wrote of a model with four layers on two documents: in layer 2 entropy
    is `valley` with key 0, in layer 1 ten times as much, and 0.6 without it; without a valley it
    is 0.5. Without key 0 it falls to 0.3 in layer 3, too."""
    part = folder / "results" / "experiments" / "depth" / model
    part.mkdir(parents=True)
    low = (0.5, 0.55) if valley is None else (10 * valley, valley)
    without = (0.8, 0.6, 0.6, 0.3)
    rows = [
        {"document": document, "layer": layer, "n_tokens": 40, "entropy": entropy,
         "entropy_no_first": without[layer], "nats": 4 * entropy, "nats_no_first": 2.0,
         "norm_ratio": ratio * change, "square_share": 0.5}
        for document, change in (("one", 2.0), ("two", 0.5))
        for layer, (entropy, ratio) in enumerate(
            zip((0.8, *low, 0.3), (1.0, norm / 2, norm, 1.0), strict=True)
        )
    ]  # fmt: skip
    pl.DataFrame(rows).with_columns(model=pl.lit(model)).write_parquet(
        part / "matrix_entropy.parquet"
    )
    return part


def lengths(folder, model, mass=0.9, halving=0.8, longest=128):
    """What that experiment wrote of a decoder with two layers on two documents, the second of ten
    tokens: in layer 1 key 0 gets `mass` of 16 tokens, and with every doubling `halving` of it."""
    part = folder / "results" / "experiments" / "lengths" / model
    part.mkdir(parents=True)
    read = {"one": [n for n in (16, 32, 64, 128) if n < longest] + [longest], "two": [10]}
    rows = [
        {"document": document, "n_tokens": n, "layer": layer, "key_set": key_set, "n_keys": 1,
         "mass": (0.5 + layer / 2) * mass * halving ** np.log2(n / 16),
         "uniform": float(np.mean(1 / np.arange(1, n + 1)))}
        for document, numbers in read.items() for n in numbers
        for layer in (0, 1) for key_set in ("first_token", "sinks")
    ]  # fmt: skip
    pl.DataFrame(rows).with_columns(
        model=pl.lit(model), times_uniform=pl.col("mass") / pl.col("uniform")
    ).write_parquet(part / "sink_lengths.parquet")
    return part


def masks(folder, model, costs=(0.2, 1.5), n=40):
    """What that experiment wrote of a model with two layers on two documents: sinks+window(16)
    costs costs[0] nats per token, with random keys in place of the sinks costs[1]; without its
    sinks another word is one in layer 1."""
    part = folder / "results" / "experiments" / "masks" / model
    part.mkdir(parents=True)
    grid = [
        ("dense", False, 1.0, 0.0, 0), ("sinks+window(16)", False, 0.4, costs[0], 0),
        ("sinks+window(16)", True, 0.4, costs[1], 0), ("dense-sinks", False, 0.97, 1.0, 1),
        ("dense-sinks", True, 0.97, 0.05, 0),
    ]  # fmt: skip
    frames = {"masks": [], "mask_layers": [], "mask_sinks": []}
    for document, base in (("one", 3.0), ("two", 4.0)):
        for mask, control, share, cost, n_new in grid:
            labels = {"document": document, "mask": mask, "is_control": control}
            frames["masks"].append(
                labels | {
                    "share_of_pairs": share, "n_sinks": 1.0, "n_tokens": n, "n_predicted": n - 1,
                    "loss": base + cost, "agreement": 1 - cost / 4, "cosine": 1 - cost / 5,
                }
            )  # fmt: skip
            on_sinks = 0.01 if n_new else 0.5
            for layer in (0, 1):
                new = n_new * layer
                frames["mask_layers"].append(
                    labels | {
                        "layer": layer, "dense_sinks": on_sinks, "n_found": new or 1,
                        "found_sinks": 0.3 * new if n_new else 0.5, "n_new": new,
                        "first_token": on_sinks, "own": 0.1, "local": 0.4, "entropy": 0.5,
                    }
                )  # fmt: skip
                key = 7 if new else 0
                if new or not n_new:
                    frames["mask_sinks"].append(
                        labels | {
                            "layer": layer, "key": key, "token": "t", "n_queries": n - key,
                            "key_class": "word" if new else "first", "is_dense_sink": not new,
                            "received": 0.3, "mass": 0.3,
                        }
                    )  # fmt: skip
    for name, rows in frames.items():
        pl.DataFrame(rows).with_columns(model=pl.lit(model)).write_parquet(part / f"{name}.parquet")
    return part


def head_roles(folder, model, roles=("none", "no-op", "broadcast", "no-op")):
    """What that experiment wrote of a model of two layers and two heads on two documents: the roles
    of its heads, layer by layer. Without the sinks of its no-op heads the loss is 1.0 higher."""
    part = folder / "results" / "experiments" / "head_roles" / model
    part.mkdir(parents=True)
    numbers = {"none": (0.1, 1.0, 5.0), "no-op": (1.0, 0.1, 2.0), "broadcast": (0.95, 0.8, 1.1)}
    heads = [
        {"document": document, "layer": i // 2, "head": i % 2, "key": 0, "token": "t",
         "key_class": "first", "role": role,
         **dict(zip(("share_of_queries", "value_ratio", "stable_rank"), numbers[role],
                    strict=True)),
         **{f"{on}_{kind}": (2.0 if kind == "remove" else 0.5) if on == "sink" else 0.01
            for on in ("sink", "random") for kind in ("zero", "mean", "other", "remove")}}
        for document in ("one", "two") for i, role in enumerate(roles)
    ]  # fmt: skip
    costs = {("no-op", "zero"): 0.01, ("no-op", "remove"): 1.0, ("broadcast", "zero"): 0.3,
             ("broadcast", "remove"): 0.2}  # fmt: skip
    edits = [
        {"document": document, "role": role, "layer": None, "head": None, "edit": edit,
         "edited_key": on, "n_heads": roles.count(role), "n_predicted": 20, "dense_loss": 3.0,
         "loss": 3.0 + (cost if on == "sink" else 0.0), "cosine": 0.9}
        for document in ("one", "two") for (role, edit), cost in costs.items()
        for on in ("sink", "random") if role in roles
    ]  # fmt: skip
    schema = {"layer": pl.UInt16, "head": pl.UInt16}
    for name, rows in {"head_roles_documents": heads, "head_edits": edits}.items():
        frame = pl.DataFrame(rows, schema_overrides=schema).with_columns(model=pl.lit(model))
        frame.write_parquet(part / f"{name}.parquet")
    return part
