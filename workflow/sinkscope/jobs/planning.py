"""Checks of a run before any job starts. They are cheap: nothing loads weights or transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sinkscope.config import Config, ModelRow
from sinkscope.errors import SinkscopeError, collected
from sinkscope.extract.sources import find_config
from sinkscope.files import read_json
from sinkscope.grid import Grid
from sinkscope.jobs.wanted import Wanted
from sinkscope.mapping import read_mapping

# Names of the sizes in config.json, by architecture; without any, the class has a default.
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
HEADS = ("num_attention_heads", "n_head", "n_heads")


def unready(wanted: Wanted) -> dict[str, list[str]]:
    """Models that cannot run, each with the sentences that say why: its source does not exist, or
    it lacks a head. Models whose extraction jobs have all finished are skipped."""
    problems_of_model: dict[str, list[str]] = {}
    grid, directory = wanted.grid, wanted.directory
    for row in grid.config.models:
        if not all(wanted.is_made(wanted.extract(row.model, shard)) for shard in grid.shards):
            problems: list[str] = []
            with collected(problems):
                path = find_config(row.model, row.source, directory)
                if path is not None:
                    check_config(row, path, grid.config)
            if problems:
                problems_of_model[row.model] = problems
    return problems_of_model


def check_config(row: ModelRow, path: Path, config: Config) -> None:
    """Raises SinkscopeError if config.json cannot be read, or states too few layers or heads."""
    try:
        values = read_json(path)
        n_layers, n_heads = first_of(values, LAYERS), first_of(values, HEADS)
    except (ValueError, AttributeError) as error:
        raise SinkscopeError(
            f"model '{row.model}': {path} is not a JSON object; download or install it again."
        ) from error
    problems = []
    for what, size in (("layers", n_layers), ("attention heads", n_heads)):
        if size is not None and size < 1:
            problems.append(f"model '{row.model}': its config.json says {size} {what}; correct it.")
    for head_map in config.raw["head_maps"] if n_layers and n_heads and not problems else ():
        model, layer, head = head_map.split("/")
        if model == row.model and (int(layer) >= n_layers or int(head) >= n_heads):
            problems.append(
                f"config: head_maps names '{head_map}', but the model has layers 0 to "
                f"{n_layers - 1} and heads 0 to {n_heads - 1}; correct it."
            )
    if problems:
        raise SinkscopeError("\n".join(problems))


def first_of(values: dict[str, Any], names: Sequence[str]) -> Any:
    """The integer under the first of these names that has one; None if none has."""
    numbers = [values[name] for name in names if isinstance(values.get(name), int)]
    return numbers[0] if numbers else None


def other_grid(grid: Grid, directory: Path) -> str | None:
    """A warning if this run replaces tables and report of another table of models."""
    try:
        before = read_mapping(directory / "results" / "config.yaml")[0]["models"]
    except (SinkscopeError, KeyError):
        return None  # the first run here
    now = grid.config.raw["models"]
    if before == now:
        return None
    return (
        f"results/ and reports/ are of {before}, and this run is of {now}: it replaces tables and "
        "report, and keeps finished cells. To keep both, run one of them in a folder of its own "
        "(--directory DIR; `sinkscope init DIR` writes one)."
    )
