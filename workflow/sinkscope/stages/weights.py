"""The model of a job, with the weights that its request states."""

from pathlib import Path
from typing import Any

from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError


def model_of(request: dict[str, Any], directory: Path) -> ModelRow:
    """The job's model. Raises SinkscopeError if its weights are not those of the request."""
    from sinkscope.extract.gpus import share_kernels

    row = ModelRow(**request["model"])
    revision = known(row, directory)
    if request["weights"] is not None and revision != request["weights"]:
        raise SinkscopeError(
            f"model '{row.model}': its weights were changed after this run was started (they were "
            f"{request['weights']}, now {revision}); run again."
        )
    share_kernels(row, directory)
    return row


def known(row: ModelRow, directory: Path) -> str | None:
    """The revision of the weights that are here."""
    from sinkscope.extract.sources import known_revision

    return known_revision(row.model, row.source, directory)
