"""Whether the sinks of a checkpoint attach to the first position, a token, or both."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from sinkscope.experiments.emergence import TABLES
from sinkscope.experiments.emergence.growth import EVALUATED_TEXTS
from sinkscope.files import written
from sinkscope.zoo.batches import Batches
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.measure import (
    WINDOWS,
    Windows,
    first_and_special,
    heldout_loss,
    observed,
    sinks,
    windows_of,
)
from sinkscope.zoo.recipes import Recipe
from sinkscope.zoo.tokens import load_tokenizer, read_documents, token_stream, wrapping

CPU = torch.device("cpu")
N_ROWS, N_BATCHES = 8, 8  # of the held-out loss


def as_trained(ids: list[list[int]], tokenizer: Any, length: int) -> Windows:
    """Every text as the tokenizer returns it, with special tokens in their places."""
    front, back = wrapping(tokenizer)
    return windows_of([[*front, *text, *back] for text in ids], tokenizer, length, CPU)


def plain(ids: list[list[int]], tokenizer: Any, length: int) -> Windows:
    """No special tokens: an ordinary word is first."""
    cut = torch.tensor([text[:length] for text in ids])
    return Windows(cut, first_and_special(cut, tokenizer))


def other_first(ids: list[list[int]], tokenizer: Any, length: int) -> Windows:
    """The first word of every text is replaced by the first word of another text."""
    swapped = [[ids[i - 1][0], *text[1:]] for i, text in enumerate(ids)]
    return as_trained(swapped, tokenizer, length)


def special_moved(ids: list[list[int]], tokenizer: Any, length: int) -> Windows | None:
    """The special tokens side by side in the middle, ordinary words first and last.

    None for a family that puts none in front.
    """
    front, back = wrapping(tokenizer)
    if not front:
        return None
    special = front + back
    middle = length // 2
    cut = torch.tensor([[*t[:middle], *special, *t[middle:]][:length] for t in ids])
    moved = range(middle, middle + len(special))
    return Windows(cut, first_and_special(cut, tokenizer), moved)


INPUTS: dict[str, Callable[[list[list[int]], Any, int], Windows | None]] = {
    "as_trained": as_trained,
    "plain": plain,
    "other_first": other_first,
    "special_moved": special_moved,
}


def evaluate(network: Any, tokenizer: Any, recipe: Recipe, texts: Sequence[str]) -> pl.DataFrame:
    """One row per input, window and layer, mean over heads and held-out texts; on the CPU.

    uniform: attention of first and special tokens if every query attended uniformly. loss: of the
    held-out rows, nats per predicted token, as in training but in float32.
    """
    loaded = observed(network, tokenizer, recipe)
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    rows = []
    loss = loss_on(network, tokenizer, recipe, texts)
    for length in (n for n in WINDOWS if n <= recipe.max_length):
        long_enough = [ids for ids in encoded if len(ids) >= length]
        ids = long_enough[:: math.ceil(len(long_enough) / EVALUATED_TEXTS)]
        for name, make in INPUTS.items():
            windows = make(ids, tokenizer, length)
            if windows is None:
                continue
            values = sinks(loaded, windows)
            uniform = windows.uniform(is_causal=loaded.family == "decoder")
            for layer in range(recipe.n_layers):
                means = {
                    key: float(values[key][layer].mean())
                    for key in ("first_token", "first_and_special", "moved")
                }
                where = {"input": name, "window": length, "layer": layer}
                rows.append(where | means | {"uniform": uniform, "loss": loss})
    model_columns = {"model": recipe.model, "family": recipe.family, "attention": recipe.attention}
    frame = pl.DataFrame([model_columns | row for row in rows], schema=TABLES["attachment"].schema)
    return frame.with_columns(pl.col("moved").fill_nan(None))


def loss_on(network: Any, tokenizer: Any, recipe: Recipe, texts: Sequence[str]) -> float:
    family = FAMILIES[recipe.family]
    stream = token_stream(texts, tokenizer, recipe.family)
    batches = Batches(stream, family, tokenizer, 0, CPU)
    drawn = [batches.draw(N_ROWS, recipe.max_length) for _ in range(N_BATCHES)]
    return heldout_loss(network, family, drawn)


def run_evaluation(recipe: Recipe, checkpoint: Path, corpus: Path, out: Path) -> None:
    """Evaluate the checkpoint in a folder on the corpus's held-out documents, on the CPU."""
    kind = FAMILIES[recipe.family].kind
    loader = AutoModelForMaskedLM if kind == "encoder" else AutoModelForCausalLM
    network = loader.from_pretrained(
        checkpoint, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    texts = [document["text"] for document in read_documents(corpus / "heldout.jsonl.xz")]
    frame = evaluate(network, load_tokenizer(checkpoint), recipe, texts)
    with written(out) as temporary:
        frame.write_parquet(temporary)
