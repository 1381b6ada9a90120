"""Likelihood of long texts, read through windows."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from torch import Tensor

from sinkscope.errors import ModelError, SinkscopeError
from sinkscope.experiments.long_texts.window import (
    Turn,
    Window,
    attend,
    has_alibi,
    is_plain,
    turn_of,
)
from sinkscope.extract.encode import encode
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.observe import run_observed
from sinkscope.extract.output_head import with_output_head
from sinkscope.measure.passes import Task, by_name

POSITIONS = 128  # of one row of the table long_text_positions
AT_ONCE = 512  # positions whose likelihoods are computed together


def windows_of(loaded: Loaded, task: Task, n_tokens: int) -> tuple[list[Window], Turn | None]:
    """Dense attention, and the windows of the settings that are shorter than the text; rolling ones
    for models whose positions are distances."""
    turn, n_sinks = turn_of(loaded.network), task.settings["long_sinks"]
    is_relative = turn is not None or has_alibi(loaded.network)
    windows = [Window()]
    for size in sorted(task.settings["long_windows"]):
        if n_sinks < size < n_tokens:
            windows += [Window(size), Window(size, n_sinks)]
            windows += [Window(size, n_sinks, is_rolling=True)] if is_relative else []
    return windows, turn


def losses(loaded: Loaded, ids: Tensor, window: Window, turn: Turn | None) -> np.ndarray:
    """[token - 1] negative log likelihood of every token but the first, in nats. ids: [1, token].

    Raises ModelError if the model's attention is not plain causal softmax.
    """

    def through_window(call: Call) -> Tensor:
        if not is_plain(call):
            raise ModelError(
                f"model '{loaded.row.model}': long_texts needs causal softmax attention without "
                "windows, caps or learned sinks; take long_texts out of experiments, or choose "
                "another model."
            )
        return attend(call, window, turn if window.is_rolling else None)

    logits = run_observed(loaded, through_window, ids.to(loaded.device)).logits[0, :-1]
    targets = ids[0, 1:].to(logits.device)
    parts = [
        torch.nn.functional.cross_entropy(some.float(), of_some, reduction="none")
        for some, of_some in zip(logits.split(AT_ONCE), targets.split(AT_ONCE), strict=True)
    ]
    result: np.ndarray = torch.cat(parts).cpu().double().numpy()
    return result


def rows_of(loss: np.ndarray, window: Window) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of the tables long_texts and long_text_positions. loss: [token - 1]."""
    n_tokens = len(loss) + 1
    labels = {"attention": window.name, "window": window.size}
    late = loss[n_tokens // 2 - 1 :]  # the token at position p has the loss p - 1
    whole = pl.DataFrame(
        {
            **labels,
            "n_sinks": window.n_sinks,
            "n_tokens": n_tokens,
            "share_of_pairs": window.share_of_pairs(n_tokens),
            "loss": loss.mean(),
            "perplexity": np.exp(loss.mean()),
            "loss_late": late.mean(),
            "perplexity_late": np.exp(late.mean()),
        },
        schema_overrides={"window": pl.UInt32},
    )
    positions = (
        pl.DataFrame({"position": np.arange(1, n_tokens) // POSITIONS * POSITIONS, "loss": loss})
        .group_by("position", maintain_order=True)
        .agg(pl.col("loss").mean())
        .with_columns(attention=pl.lit(window.name), window=pl.lit(window.size, dtype=pl.UInt32))
    )
    return whole, positions


def texts_of(loaded: Loaded, task: Task) -> Iterator[tuple[str, Tensor]]:
    """Name and ids [1, token] of the documents that are long enough, by name."""
    most = task.settings["long_tokens"]
    shorter = replace(loaded, max_length=min(most, loaded.max_length or most))
    for document in by_name(task.documents):
        with suppress(SinkscopeError):  # the atlas reports what a model cannot read
            ids = encode(shorter, document.name, document.text, truncate=True).ids
            if len(ids) == shorter.max_length:
                yield document.name, torch.tensor([ids])


def measure(loaded: Loaded, task: Task) -> dict[str, pl.DataFrame]:
    """Frames by table name; none for a model without an output head.

    Raises SinkscopeError if no document is long enough.
    """
    with_head = with_output_head(loaded)
    if with_head is None:
        return {}
    frames: dict[str, list[pl.DataFrame]] = {"long_texts": [], "long_text_positions": []}
    for document, ids in texts_of(with_head, task):
        windows, turn = windows_of(with_head, task, ids.shape[1])
        for window in windows:
            parts = rows_of(losses(with_head, ids, window, turn), window)
            for name, frame in zip(frames, parts, strict=True):
                frames[name].append(frame.with_columns(document=pl.lit(document)))
    if not frames["long_texts"]:
        raise SinkscopeError(
            f"model '{loaded.row.model}': long_texts reads documents of at least "
            f"{task.settings['long_tokens']} tokens, and none is that long; add one to the table "
            "of documents (corpus/long/ has two), or lower long_tokens."
        )
    return {name: pl.concat(of_name) for name, of_name in frames.items()}
