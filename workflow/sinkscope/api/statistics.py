"""Statistics of the attention of one model, as Polars frames and arrays."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from sinkscope.api.tokens import POSITION_SETS
from sinkscope.atlas.derive import table_of_cells
from sinkscope.atlas.limits import LIMITS, Limits
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell
from sinkscope.words import spans


class AttentionStatistics:
    """The attention of one model over one or more documents.

    A document is one row of a batch. The frames have the columns, types and row order of the tables
    of the same name that a run writes (docs/reference/tables.md). Layers, heads and positions count
    from 0. Without a tokenizer, tokens have no classes: `key_class` is null, and first_token,
    first_four and sinks are the only key sets.
    """

    def __init__(self, model: str, n_layers: int, *, has_classes: bool) -> None:
        self.model, self.n_layers = model, n_layers
        self.n_skipped = 0  # forward passes over a filled cache, not observed
        self.problems: list[str] = []  # errors of rows without statistics
        self._cells: list[Cell] = []
        self._has_classes = has_classes

    @property
    def cells(self) -> list[Cell]:
        """One cell per document, with all its statistics (docs/reference/tables.md lists them).

        Raises SinkscopeError if no document was observed, or if the attention of one is NaN.
        """
        if self.problems:
            raise SinkscopeError("\n".join(self.problems))
        if not self._cells:
            why = f"; {self.n_skipped} passes over a filled cache were skipped"
            raise SinkscopeError(
                f"model '{self.model}': no forward pass was observed"
                f"{why if self.n_skipped else ''}; call the model inside the block, without a "
                "filled cache and not from code that torch.compile has compiled."
            )
        return self._cells

    @property
    def documents(self) -> list[str]:
        """Names of the documents, in the order in which they were observed."""
        return [cell.meta["document"] for cell in self.cells]

    def tokens(self, document: int | str = 0) -> list[str]:
        """The tokens of a document, as the tables write them."""
        return list(self._cell(document).meta["tokens"])

    def sink_mass(self) -> pl.DataFrame:
        """Mean attention to each key set: model, document, layer, key_set, n_keys, mass,
        strict_mass (only from queries that are neither in the set nor the first).

        Source: study 1 (Pramodith 2023).
        """
        return self._table("sink_mass").filter(self._known_sets())

    def heads(self) -> pl.DataFrame:
        """One row per document, layer and head: sink_score at key 0 (mean attention over the
        n_queries that see it; Gu et al. 2024), entropy (1 = uniform; Guo et al. 2024), row_sum,
        over_half, and the attention within 1 to 5 tokens, with and without sinks."""
        return self._table("heads")

    def max_keys(self) -> pl.DataFrame:
        """The max-attention histogram over all documents: model, token, key_class, count, share,
        n_ties. A query's max key is the one with the most attention, mean over heads; counts sum
        to layers x tokens. Source: study 1 (Pramodith 2023)."""
        return self._table("max_attention_tokens")

    def found_sinks(self) -> pl.DataFrame:
        """The keys that are sinks, one row per document, layer and key: by the attention that they
        receive (by_attention, n_heads) and by their residual state (by_state; Wong et al. 2025).
        The columns are those of the table found_sinks (docs/reference/tables.md)."""
        return self._table("found_sinks")

    def sink_lives(self) -> pl.DataFrame:
        """One row per document and key that is a sink: first_layer, last_layer, peak_layer,
        peak_mass, and the layers in which its state is close to that of key 0."""
        return self._table("sink_lives")

    def sink_tokens(self) -> pl.DataFrame:
        """One row per token that becomes a sink: in how many of its occurrences and documents."""
        return self._table("sink_tokens")

    def sink_rate(self, epsilon: float = 0.3) -> pl.DataFrame:
        """Fraction of heads whose sink score is above epsilon, per layer and key set, over whole
        documents (window null) and over the first 64 tokens. Source: Gu et al. 2024."""
        return self._table("sink_rate", Limits(epsilon=epsilon)).filter(self._known_sets())

    def map(self, layer: int, head: int | None = None, document: int | str = 0) -> np.ndarray:
        """Attention [query, key], float32 (kept in 16 bits: 3 digits), of one document, over 512
        tokens as 256 x 256 block averages. head: None for the mean over heads; else one that was
        requested with `heads=`. Raises SinkscopeError for an unknown layer, head or document."""
        cell = self._cell(document)
        if not 0 <= layer < self.n_layers:
            raise SinkscopeError(
                f"model '{self.model}' has no layer {layer}; it has layers 0 to "
                f"{self.n_layers - 1}."
            )
        if "map" not in cell.arrays:
            raise SinkscopeError(
                f"document '{cell.meta['document']}': it was padded in a batch of over 512 "
                "tokens, for which maps are not kept; run it alone."
            )
        if layer not in cell.layers:
            raise SinkscopeError(
                f"model '{self.model}': layer {layer} has no attention; layers with attention are "
                f"{spans(cell.layers)}."
            )
        if head is None:
            return cell["map"][cell.layers.index(layer)].astype(np.float32)
        head_name = f"{layer}/{head}"
        if head_name not in cell.meta["heads"]:
            raise SinkscopeError(
                f"model '{self.model}': the map of head {head_name} was not kept; ask for it with "
                f"heads=[({layer}, {head})]."
            )
        return cell["head_map"][cell.meta["heads"].index(head_name)].astype(np.float32)

    def add(self, results: Sequence[Cell | SinkscopeError]) -> None:
        """Add the documents of one forward pass."""
        self._cells += [one for one in results if isinstance(one, Cell)]
        self.problems += [str(one) for one in results if isinstance(one, SinkscopeError)]

    def __repr__(self) -> str:
        n, layers = len(self._cells), self.n_layers
        skipped = f", {self.n_skipped} passes over a filled cache skipped" if self.n_skipped else ""
        return f"<AttentionStatistics of {self.model}: {n} documents, {layers} layers{skipped}>"

    def _table(self, name: str, limits: Limits = LIMITS) -> pl.DataFrame:
        return table_of_cells(name, self.model, self.cells, limits).collect()

    def _known_sets(self) -> pl.Expr:
        if self._has_classes:
            return pl.lit(True)
        return pl.col("key_set").is_in(POSITION_SETS)

    def _cell(self, document: int | str) -> Cell:
        cells = self.cells
        if isinstance(document, str):
            names = self.documents
            if document in names:
                return cells[names.index(document)]
        elif -len(cells) <= document < len(cells):
            return cells[document]
        raise SinkscopeError(
            f"model '{self.model}': document {document!r} was not observed; {len(cells)} were, "
            f"{cells[0].meta['document']!r} to {cells[-1].meta['document']!r}."
        )
