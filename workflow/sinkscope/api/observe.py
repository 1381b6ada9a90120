"""`sinkscope.observe`: see the attention of a model as it is, while it runs."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import torch

from sinkscope.api.inputs import Inputs, arguments_of, has_cache, inputs_of
from sinkscope.api.model import Observable, observable, through_sdpa
from sinkscope.api.passes import Pass
from sinkscope.api.statistics import AttentionStatistics
from sinkscope.api.tokens import encoded_of, nameless
from sinkscope.api.watch import watched
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cells import checked_heads
from sinkscope.extract.door import answered
from sinkscope.extract.encode import Encoded
from sinkscope.extract.observe import unobservable
from sinkscope.extract.streaming import Workspace


@contextmanager
def observe(
    model: torch.nn.Module,
    tokenizer: Any = None,
    *,
    documents: Sequence[str] | None = None,
    tokens: Sequence[Sequence[str]] | None = None,
    texts: Sequence[str] | None = None,
    heads: Sequence[tuple[int, int]] = (),
    name: str | None = None,
) -> Iterator[AttentionStatistics]:
    """Within the block, measure the attention of every forward pass of a transformers model.

    Each row of a batch is one document. Give the model its attention mask where the batch is
    padded, on either side: statistics are of the real tokens alone. Nothing that the model
    computes changes: outputs, gradients and random numbers are bitwise what they were, in
    training too, and the model is left as it was, also after an exception.

    tokenizer: gives tokens and key classes, as in the atlas; without it ids are the tokens.
    documents: names of the rows, in the order in which they run; else "0", "1", ... tokens, texts:
    of each row, in the same order: its tokens without padding, in place of a tokenizer's; the text
    it was made of, for tokenizers that drop case or white space. heads: (layer, head) whose own
    maps are kept. name: of the model in the frames; else where its weights came from.

    A model whose attention is not sdpa is set to sdpa within the block (outputs then differ by
    rounding); in training mode it is refused. Forward passes over a filled cache (all but the
    first of `generate`) run as ever and are not observed: a warning and `n_skipped` count them.

    Raises ModelError for a model that cannot be observed, at the start or in its forward pass;
    SinkscopeError in the forward pass for inputs that are not one text per row.
    """
    target = observable(model, name)
    where = "observe: heads names"
    wanted = checked_heads(heads, target.name, target.n_layers, target.n_heads, where)
    check_names(documents)
    rows = Rows(tokenizer, documents, tokens, texts)
    statistics = AttentionStatistics(
        target.name, target.n_layers, has_classes=tokenizer is not None
    )
    observer = Observer(target, rows, wanted, statistics)
    with through_sdpa(target), watched(model, observer.around):
        yield statistics
    if statistics.n_skipped:
        warnings.warn(
            f"model '{target.name}': {statistics.n_skipped} forward passes over a filled cache "
            "were not observed; run the whole text in one pass to see all of it.",
            stacklevel=3,
        )


def check_names(documents: Sequence[str] | None) -> None:
    twice = [name for name, n in Counter(documents or ()).items() if n > 1]
    if twice:
        raise SinkscopeError(f"observe: two documents are named '{twice[0]}'; name each once.")


class Rows:
    """Names and tokens of the rows that are observed, counted from the first pass on."""

    def __init__(
        self,
        tokenizer: Any,
        documents: Sequence[str] | None,
        tokens: Sequence[Sequence[str]] | None,
        texts: Sequence[str] | None,
    ) -> None:
        if texts is not None and tokenizer is None:
            raise SinkscopeError("observe: texts are read by a tokenizer; give it too.")
        self._tokenizer = tokenizer
        self._given = {"documents": documents, "tokens": tokens, "texts": texts}

    def name(self, row: int) -> str:
        return str(self._of("documents", row, str(row)))

    def encoded(self, row: int, ids: list[int] | None, n_tokens: int) -> Encoded:
        """Raises SinkscopeError where what was given does not fit the row."""
        name, tokens = self.name(row), self._of("tokens", row)
        if tokens is not None and len(tokens) != n_tokens:
            raise SinkscopeError(
                f"document '{name}': {len(tokens)} tokens are named, but the model was given "
                f"{n_tokens}; name those of each row, special tokens included, without padding."
            )
        if ids is None or self._tokenizer is None:
            if self._tokenizer is not None:
                raise SinkscopeError(
                    f"document '{name}': the model was given embeddings, which a tokenizer cannot "
                    "read; observe it without one."
                )
            return nameless(range(n_tokens) if ids is None else ids, tokens)
        encoded = encoded_of(self._tokenizer, ids, name, self._of("texts", row))
        return encoded if tokens is None else replace(encoded, tokens=list(tokens))

    def _of(self, kind: str, row: int, default: Any = None) -> Any:
        given = self._given[kind]
        if given is None:
            return default
        if row >= len(given):
            raise SinkscopeError(
                f"observe: {kind} has {len(given)} entries, but the model is given row {row + 1}; "
                "give one per row of all forward passes in the block."
            )
        return given[row]


class Observer:
    """Makes a Pass of every forward pass, and keeps what it measured."""

    def __init__(
        self,
        model: Observable,
        rows: Rows,
        heads: tuple[tuple[int, int], ...],
        statistics: AttentionStatistics,
    ) -> None:
        self._model, self._rows, self._heads = model, rows, heads
        self._statistics = statistics
        self._lock, self._n_rows = threading.Lock(), 0
        self._workspaces: list[Workspace] = []  # those that no pass is using

    def around(
        self, forward: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> AbstractContextManager:
        """The block around one forward pass."""
        return self._around(arguments_of(forward, args, options))

    @contextmanager
    def _around(self, arguments: dict[str, Any] | None) -> Iterator[None]:
        if arguments is None:  # the model says what is wrong with them
            yield
            return
        if has_cache(arguments):
            self._statistics.n_skipped += 1
            yield
            return
        inputs = inputs_of(self._model.name, arguments)
        workspace = self._workspace()
        try:
            current = self._pass(inputs, workspace)
            with answered(current, self._model.network, beside=True):
                yield
            self._finish(current)
        finally:
            self._workspaces.append(workspace)

    def _pass(self, inputs: Inputs, workspace: Workspace) -> Pass:
        first = self._n_rows
        encoded = [
            self._rows.encoded(first + row, inputs.ids_of(row), int(real.sum()))
            for row, real in enumerate(inputs.real)
        ]
        return Pass(self._model, inputs.real, encoded, self._heads, workspace)

    def _finish(self, current: Pass) -> None:
        """Raises ModelError where the model did not call the attention once per layer."""
        model = self._model
        if current.n_calls != model.n_layers:
            reason = f"it calls scaled_dot_product_attention {current.n_calls} times in one pass"
            raise unobservable(model.name, model.network, reason, model.n_layers)
        if current.cached:
            self._statistics.n_skipped += 1
            return
        with self._lock:
            names = [self._rows.name(self._n_rows + row) for row in range(len(current.encoded))]
            self._n_rows += len(names)
            self._statistics.add(current.cells(names))

    def _workspace(self) -> Workspace:
        try:
            return self._workspaces.pop()
        except IndexError:
            return Workspace(self._model.device)
