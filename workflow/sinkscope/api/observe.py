"""`sinkscope.observe`: measure the attention of a model in place, while it runs."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from sinkscope.api.inputs import arguments_of, has_cache, inputs_of
from sinkscope.api.model import Observable, observable, through_sdpa
from sinkscope.api.passes import Pass
from sinkscope.api.statistics import AttentionStatistics
from sinkscope.api.tokens import encoded_of, nameless
from sinkscope.api.watch import watched
from sinkscope.errors import SinkscopeError
from sinkscope.extract.architecture import text_config
from sinkscope.extract.cells import checked_heads
from sinkscope.extract.door import answered
from sinkscope.extract.encode import Encoded
from sinkscope.extract.gates import gated_projections, gates_of
from sinkscope.extract.layers import fault_of, layer_numbers
from sinkscope.extract.listeners import UnobservableError
from sinkscope.extract.observe import unobservable
from sinkscope.extract.own_code import own_code_of
from sinkscope.extract.states import entering
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

    Each row of a batch is one document. If the batch is padded, on either side, pass its attention
    mask to the model: statistics cover real tokens only. The model's computation does not change:
    outputs, gradients and random numbers are bitwise equal, also in training. The model is restored
    after the block, also after an exception.

    - tokenizer: gives tokens and key classes, as in the atlas; without it the ids are the tokens.
    - documents: names of the rows, in the order in which they run; default "0", "1", ...
    - tokens: per row, in the same order, its tokens without padding, instead of the tokenizer's.
    - texts: per row, the text that was tokenized, for tokenizers that drop case or white space.
    - heads: (layer, head) pairs whose maps are kept too.
    - name: name of the model in the frames; by default the last part of the path or id of its
      weights.

    A model whose attention is not sdpa is set to sdpa within the block (outputs then differ by
    rounding); in training mode it is refused. Forward passes over a filled cache (all except the
    first of `generate`) run unchanged and are not observed; a warning and `n_skipped` count them.

    Raises ModelError for a model that cannot be observed, at the start or in its forward pass.
    Raises SinkscopeError in the forward pass for inputs that are not one text per row.
    """
    target = observable(model, name)
    where = "observe: heads names"
    checked = checked_heads(heads, target.name, target.n_layers, target.n_heads, where)
    twice = [one for one, n in Counter(documents or ()).items() if n > 1]
    if twice:
        raise SinkscopeError(f"observe: two documents are named '{twice[0]}'; name each once.")
    rows = Rows(tokenizer, documents, tokens, texts)
    statistics = AttentionStatistics(
        target.name, target.n_layers, has_classes=tokenizer is not None
    )
    observer = Observer(target, rows, checked, statistics)
    with through_sdpa(target), watched(model, observer.around):
        yield statistics
    if statistics.n_skipped:
        warnings.warn(
            f"model '{target.name}': {statistics.n_skipped} forward passes over a filled cache "
            "were not observed; run the whole text in one pass to see all of it.",
            stacklevel=3,
        )


class Rows:
    """Names and tokens of the observed rows, numbered over all passes in the block."""

    def __init__(
        self,
        tokenizer: Any,
        documents: Sequence[str] | None,
        tokens: Sequence[Sequence[str]] | None,
        texts: Sequence[str] | None,
    ) -> None:
        if texts is not None and tokenizer is None:
            raise SinkscopeError("observe: texts need a tokenizer; give it too.")
        self._tokenizer = tokenizer
        self._given = {"documents": documents, "tokens": tokens, "texts": texts}

    def name(self, row: int) -> str:
        return str(self._of("documents", row, str(row)))

    def encoded(self, row: int, ids: list[int] | None, n_tokens: int) -> Encoded:
        """The tokens of a row. Raises SinkscopeError if the given tokens or texts do not fit it."""
        name, tokens = self.name(row), self._of("tokens", row)
        if tokens is not None and len(tokens) != n_tokens:
            raise SinkscopeError(
                f"document '{name}': {len(tokens)} tokens are named, but the model was given "
                f"{n_tokens}; name the tokens of each row, special tokens included, without "
                "padding."
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
        entries = self._given[kind]
        if entries is None:
            return default
        if row >= len(entries):
            raise SinkscopeError(
                f"observe: {kind} has {len(entries)} entries, but the model is given row "
                f"{row + 1}; give one per row of all forward passes in the block."
            )
        return entries[row]


class Observer:
    """Creates a Pass for every forward pass, and adds its cells to the statistics."""

    def __init__(
        self,
        model: Observable,
        rows: Rows,
        heads: tuple[tuple[int, int], ...],
        statistics: AttentionStatistics,
    ) -> None:
        self._model, self._rows, self._heads = model, rows, heads
        self._statistics = statistics
        self._numbers = layer_numbers(model.network, model.n_layers)
        self._lock, self._n_rows = threading.Lock(), 0
        self._workspaces: list[Workspace] = []  # workspaces that no pass is using

    @contextmanager
    def around(
        self, forward: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> Iterator[None]:
        """The context manager around one forward pass."""
        arguments = arguments_of(forward, args, options)
        if arguments is None or has_cache(arguments):  # without arguments, the model raises
            self._statistics.n_skipped += arguments is not None
            yield
            return
        inputs = inputs_of(self._model.name, arguments)
        workspace = self._workspace()
        network, n_layers = self._model.network, self._model.n_layers
        try:
            encoded = [
                self._rows.encoded(self._n_rows + row, inputs.ids_of(row), int(real.sum()))
                for row, real in enumerate(inputs.real)
            ]
            current = Pass(self._model, inputs.real, encoded, self._heads, workspace)
            with (
                answered(current, network, beside=True, numbers=self._numbers),
                entering(network, n_layers, current.observation.states),
                gates_of(gated_projections(network, n_layers), inputs.real) as gates,
                own_code_of(network),
            ):
                current.observation.gates = gates
                yield
            self._finish(current)
        except UnobservableError as error:
            model = self._model
            raise unobservable(model.name, network, str(error), model.n_layers) from error
        finally:
            self._workspaces.append(workspace)

    def _finish(self, current: Pass) -> None:
        """Add the cells of a pass. Raises ModelError unless attention was called once per layer."""
        model = self._model
        reason = fault_of(
            current.layers, current.n_heads, model.network, text_config(model.network.config)
        )
        if reason is not None:
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
