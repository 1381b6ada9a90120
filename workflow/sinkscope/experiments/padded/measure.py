"""Max keys of documents that are padded to the longest of them, with queries at padding counted."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
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
from sinkscope.measure.passes import Task, plan_of
from sinkscope.tables.arrays import rows_of

TABLE, DOCUMENTS = "max_attention_tokens_padded", "max_attention_documents_padded"
LARGEST = "largest_attention"


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """The tables of the experiment, over all documents, each padded to the longest. Raises
    SinkscopeError if padding is needed and the tokenizer has no padding token."""
    encoded = dict(analysed(loaded, task))
    lengths = {len(one.ids) for one in encoded.values()}
    longest = max(lengths, default=0)
    if len(lengths) > 1 and loaded.tokenizer.pad_token_id is None:
        raise SinkscopeError(
            f"model '{loaded.row.model}': its tokenizer has no padding token; "
            "set padded_counting: false."
        )
    histograms, counted, largest = [], [], []
    with progress(loaded.row.model, len(encoded), loaded.device) as advance:
        for name, one in sorted(encoded.items()):
            attention = max_keys(loaded, one, longest)
            document = pl.lit(name).alias("document")
            keys, values, seconds = (
                rows[attention.sees] for rows in (attention.key, attention.value, attention.second)
            )
            tolerance = task.settings["tie_tolerance"]
            counts = count_keys(keys, values, seconds, one.tokens, one.classes, tolerance)
            histograms.append(counts)
            counted.append(counts.select("token", "key_class", "count", document).collect())
            most = attention.value[:, : len(one.ids)].max(1)
            largest.append(rows_of({"largest": most}, layer=None).with_columns(document))
            advance()
    if not encoded:
        return {}
    return {
        TABLE: histogram(histograms).collect(),
        DOCUMENTS: pl.concat(counted),
        LARGEST: pl.concat(largest),
    }


def analysed(loaded: Loaded, task: Task) -> Iterator[tuple[str, Encoded]]:
    """Name and tokens of the documents as the atlas reads them, without those that it refuses and
    reports."""
    for document in task.documents:
        with suppress(SinkscopeError):
            name, text = document.name, document.text
            yield name, encode(loaded, name, text, truncate=task.settings["truncate"])


@dataclass(frozen=True)
class MaxKeys:
    """Of every query of a padded document: its max key, its attention, and that of the second key;
    sees: whether it sees a key (with a sliding window, padding far from the text sees none). All
    [layer, query]."""

    key: np.ndarray
    value: np.ndarray
    second: np.ndarray
    sees: np.ndarray


def max_keys(loaded: Loaded, encoded: Encoded, n_padded: int) -> MaxKeys:
    """Of a document that is padded to n_padded tokens."""
    ids, attention_mask = padded(loaded, encoded, n_padded)
    observation = Observation(plan_of(ids), Workspace(loaded.device))
    run_observed(loaded, observation, ids, attention_mask)
    sees = [visible.n_keys[0].cpu() > 0 for visible in observation.visible_of]
    of_layers = (
        [getattr(layer, name)[0].cpu() for layer in observation.layers]
        for name in ("max_key", "max_value", "second_value")
    )
    return MaxKeys(*(torch.stack(rows).numpy() for rows in (*of_layers, sees)))


def padded(loaded: Loaded, encoded: Encoded, n_padded: int) -> tuple[Tensor, Tensor]:
    """Ids and attention mask, both [1, n_padded], on the model's device."""
    n_tokens, device = len(encoded.ids), loaded.device
    padding = [loaded.tokenizer.pad_token_id] * (n_padded - n_tokens)
    attention_mask = torch.arange(n_padded, device=device)[None] < n_tokens
    return torch.tensor([[*encoded.ids, *padding]], device=device), attention_mask.long()
