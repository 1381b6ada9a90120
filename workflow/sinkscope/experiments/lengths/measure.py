"""Sink mass of the beginnings of documents, and under uniform attention. Under a causal mask, the
beginning of n tokens is the first n queries of one pass over the whole document (approximately, if
the model scales its rotary embedding by the length of the text). Without such a mask every
beginning needs a separate pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch

from sinkscope.documents import Document
from sinkscope.extract.encode import Encoded, encode
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.streaming import Workspace
from sinkscope.keys import key_sets
from sinkscope.measure.passes import Task, plan_of, readable
from sinkscope.tables.arrays import rows_of

SHORTEST = 16  # tokens of the shortest beginning
KEY_SETS = ("first_token", "listed_sinks")


@dataclass(frozen=True)
class Reading:
    """One pass over a text. sets: positions of the keys of each of KEY_SETS. mass, uniform: [layer,
    query, set], attention of each query on the keys of the set (mean over heads), and the same
    under uniform attention."""

    sets: list[list[int]]
    mass: np.ndarray
    uniform: np.ndarray
    is_causal: bool


def lengths_of(n_tokens: int) -> list[int]:
    """SHORTEST, twice as many, ... below n_tokens, and n_tokens."""
    doublings = max(0, (n_tokens - 1) // SHORTEST).bit_length()
    return [*(SHORTEST << i for i in range(doublings)), n_tokens]


def uniform_mass(n_keys: np.ndarray, keys: Sequence[int], *, is_causal: bool) -> np.ndarray:
    """[query] fraction of the visible keys that are in `keys`; NaN where it is not known.

    n_keys: [query] number of keys that a query sees. Under a causal mask these are the last ones
    up to its own position (fewer than all of them in layers with a sliding window). Otherwise they
    reach as far to both sides as those of the first query, where the text does not end before.
    """
    n_tokens = len(n_keys)
    query, n_keys = np.arange(n_tokens), n_keys.astype(np.int64)
    reach = int(n_keys[0]) - 1
    start = query + 1 - n_keys if is_causal else np.maximum(query - reach, 0)
    stop = query + 1 if is_causal else np.minimum(query + reach + 1, n_tokens)
    n_before = np.concatenate([[0], np.isin(query, keys).cumsum()])  # keys of the set before each
    is_known = (stop - start == n_keys) & (n_keys > 0)
    return np.where(
        is_known, (n_before[stop] - n_before[np.maximum(start, 0)]) / np.maximum(n_keys, 1), np.nan
    )


def read(loaded: Loaded, encoded: Encoded) -> Reading:
    """One pass over a whole text; its states, which may be large, are not kept."""
    ids = torch.tensor([encoded.ids], device=loaded.device)
    sets = [key_sets(encoded.classes)[name] for name in KEY_SETS]
    observation = Observation(plan_of(ids, sets, by_query=True), Workspace(loaded.device))
    run_observed(loaded, observation, ids)
    mass = [layer.query_mass for layer in observation.layers]
    n_keys = [visible.n_keys[0].cpu().numpy() for visible in observation.visible_of]
    causal = observation.is_causal
    uniform = [[uniform_mass(n, keys, is_causal=causal) for keys in sets] for n in n_keys]
    return Reading(
        sets,
        torch.stack([of_set[0] for of_set in mass if of_set is not None]).cpu().double().numpy(),
        np.array(uniform).swapaxes(1, 2),
        causal,
    )


def beginning(loaded: Loaded, document: Document, n_tokens: int) -> Encoded:
    """The document, its end cut to n_tokens tokens; special tokens after the text stay."""
    shorter = replace(loaded, max_length=n_tokens)
    return encode(shorter, document.name, document.text, truncate=True)


def of_beginning(reading: Reading, n_tokens: int) -> pl.DataFrame:
    """One row per layer and key set: means over the first n_tokens queries."""
    mass, uniform = (rows[:, :n_tokens].mean(1) for rows in (reading.mass, reading.uniform))
    n_keys = [sum(key < n_tokens for key in keys) for keys in reading.sets]
    columns = {
        "n_keys": np.broadcast_to(n_keys, mass.shape),
        "mass": mass,
        "uniform": uniform,
        "times_uniform": mass / uniform,
    }
    frame = rows_of(columns, layer=None, key_set=KEY_SETS)
    return frame.with_columns(n_tokens=pl.lit(n_tokens))


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    frames = []
    for document, encoded in readable(loaded, task):
        whole = read(loaded, encoded)
        for n_tokens in lengths_of(len(encoded.ids)):
            reading = whole
            if not whole.is_causal and n_tokens < len(encoded.ids):
                reading = read(loaded, beginning(loaded, document, n_tokens))
            rows = of_beginning(reading, n_tokens)
            frames.append(rows.with_columns(document=pl.lit(document.name)))
    return {"sink_lengths": pl.concat(frames)} if frames else {}
