"""The observation of one forward pass, next to the model's computation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sinkscope.api.model import Observable
from sinkscope.config import Settings
from sinkscope.errors import PassingError, SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.extract.cells import arrays_of, cell_of, codes_of, members_of, plan_of
from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Call
from sinkscope.extract.observation import Observation
from sinkscope.extract.streaming import Workspace

# The statistics of the tables, with their settings: maps are exact up to 512 tokens.
SETTINGS = Settings(
    threads=1, truncate=False, window=64, map_exact=512, map_cells=256, head_maps=()
)  # the first two are not read here


class Pass:
    """Called once per layer, after the layer's own attention. real: [row, token] bool, on the
    processor."""

    def __init__(
        self,
        model: Observable,
        real: Tensor,
        encoded: Sequence[Encoded],
        heads: tuple[tuple[int, int], ...],
        workspace: Workspace,
    ) -> None:
        self.model, self.real, self.encoded = model, real, encoded
        self.layers: list[int | None] = []  # of each call
        self.n_heads: list[int] = []
        self.cached = False
        distinct, self._column = members_of(codes_of(encoded, real)).unique(
            dim=2, return_inverse=True
        )
        plan = plan_of(distinct, SETTINGS, heads, real)
        self.observation = Observation(plan, workspace)

    def __call__(self, call: Call) -> None:
        """Observe one layer. Raises SinkscopeError if the call does not have the batch's shape."""
        self.layers.append(call.layer)
        self.n_heads.append(call.query.shape[1])
        rows, n_tokens = self.real.shape
        if self.cached:
            return
        if call.query.shape[0] == rows and call.query.shape[2] == n_tokens != call.key.shape[2]:
            self.cached = True
            return
        if (call.query.shape[0], call.query.shape[2], call.key.shape[2]) != (
            rows, n_tokens, n_tokens,
        ):  # fmt: skip
            raise SinkscopeError(
                f"model '{self.model.name}': layer {self._layer} attends with queries "
                f"{list(call.query.shape)} to keys {list(call.key.shape)}, but its input is "
                f"{rows} rows of {n_tokens} tokens; its attention cannot be observed."
            )
        try:
            self.observation(call)
        except torch.OutOfMemoryError as error:
            raise self._out_of_memory() from error

    def _out_of_memory(self) -> PassingError:
        return PassingError(
            f"model '{self.model.name}': GPU memory ran out while the attention of layer "
            f"{self._layer} was observed; observe a smaller batch."
        )

    @property
    def _layer(self) -> int:
        """The layer of the last call."""
        layer = self.layers[-1]
        return len(self.layers) - 1 if layer is None else layer

    def cells(self, documents: Sequence[str]) -> list[Cell | SinkscopeError]:
        """One cell per row, or the error of the row. documents: names of the rows."""
        with torch.inference_mode():
            try:  # on a GPU, the last layers are reduced here
                layers, column = self.observation.stacked, self._column
                arrays = arrays_of(layers, self.observation, column)
            except torch.OutOfMemoryError as error:
                raise self._out_of_memory() from error
        results: list[Cell | SinkscopeError] = []
        for name, encoded, values in zip(documents, self.encoded, arrays, strict=True):
            model, dtype = self.model.name, self.model.dtype
            try:
                results.append(cell_of(model, name, dtype, encoded, values, self.observation))
            except SinkscopeError as error:
                results.append(error)
        return results
