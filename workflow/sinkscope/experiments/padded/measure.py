"""Max keys of documents that are padded to the longest of them, with queries at padding counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import polars as pl
import torch
from torch import Tensor

from sinkscope.atlas.max_keys import count_keys, histogram
from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import Encoded, encode
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.progress import progress
from sinkscope.extract.streaming import Workspace
from sinkscope.measure.passes import plan_of
from sinkscope.measure.task import Task

TABLE = "max_attention_tokens_padded"


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """token, key_class, count, share, n_ties, n_tied: the histogram over all documents, each padded
    to the longest. Raises SinkscopeError if padding is needed and the tokenizer has no padding
    token."""
    encoded = list(analysed(loaded, task))
    longest = max((len(one.ids) for one in encoded), default=0)
    if any(len(one.ids) < longest for one in encoded) and loaded.tokenizer.pad_token_id is None:
        raise SinkscopeError(
            f"model '{loaded.row.model}': its tokenizer has no padding token; "
            "set padded_counting: false."
        )
    parts = []
    with progress(loaded.row.model, len(encoded), loaded.device) as advance:
        for one in encoded:
            parts.append(counts(loaded, one, longest, task.settings["tie_tolerance"]))
            advance()
    return {TABLE: histogram(parts).collect()} if parts else {}


def analysed(loaded: Loaded, task: Task) -> Iterator[Encoded]:
    """The documents as the atlas reads them, without those that it refuses and reports."""
    for document in task.documents:
        with suppress(SinkscopeError):
            yield encode(loaded, document.name, document.text, truncate=task.settings["truncate"])


def counts(loaded: Loaded, encoded: Encoded, n_padded: int, tolerance: float) -> pl.LazyFrame:
    """token, key_class, count, n_ties, n_tied of one document, padded to n_padded tokens.

    Queries that see no key are left out: with a sliding window, padding far from the text sees
    none.
    """
    ids, attention_mask = padded(loaded, encoded, n_padded)
    observation = Observation(plan_of(ids), Workspace(loaded.device))
    run_observed(loaded, observation, ids, attention_mask)
    layers = observation.layers
    # All [layer, query].
    sees = torch.stack([visible.n_keys[0].cpu() > 0 for visible in observation.visible_of]).numpy()
    max_key, largest, second = (
        torch.stack([getattr(layer, name)[0] for layer in layers]).cpu().numpy()
        for name in ("max_key", "max_value", "second_value")
    )
    return count_keys(
        max_key[sees], largest[sees], second[sees], encoded.tokens, encoded.classes, tolerance
    )


def padded(loaded: Loaded, encoded: Encoded, n_padded: int) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, both [1, n_padded], on the model's device."""
    n_tokens, device = len(encoded.ids), loaded.device
    padding = [loaded.tokenizer.pad_token_id] * (n_padded - n_tokens)
    attention_mask = torch.arange(n_padded, device=device)[None] < n_tokens
    return torch.tensor([[*encoded.ids, *padding]], device=device), attention_mask.long()
