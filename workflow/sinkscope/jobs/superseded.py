"""Removal of summaries of extraction shards that the grid has divided differently."""

from collections.abc import Sequence
from pathlib import Path

from sinkscope.extract.cell import parts_folder
from sinkscope.files import read_object, remove
from sinkscope.grid import Grid
from sinkscope.jobs.request import stamps_in


def remove_superseded(grid: Grid, directory: Path) -> None:
    """Remove the stamps and summaries of shards that the grid no longer has, if all of their
    documents are in other shards of it. Those with other documents stay: another configuration may
    ask for them again. Cells of single documents stay, since every shard uses them."""
    names = {document.name for document in grid.config.documents}
    for model, shards in grid.cells.items():
        known = set(shards)
        for shard, stamps in stamps_in(directory / "results/shards" / model).items():
            if shard not in known and documents_of(stamps) <= names:
                remove(parts_folder(directory / "results", model, shard))
                for stamp in stamps:
                    stamp.unlink(missing_ok=True)


def documents_of(stamps: Sequence[Path]) -> set[str]:
    """Names of the documents that extraction jobs have covered."""
    manifests = [read_object(stamp) for stamp in stamps]
    return {
        entry["document"]
        for manifest in manifests
        for entry in [*manifest.get("cells", []), *manifest.get("missing", [])]
    }
