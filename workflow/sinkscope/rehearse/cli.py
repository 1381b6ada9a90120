"""The command that rehearses a grid: the resources of its models, without their weights."""

from pathlib import Path
from typing import Annotated

import typer

from sinkscope.errors import SinkscopeError
from sinkscope.options import Directory, above_zero

app = typer.Typer()


@app.command()
def rehearse(
    config: Annotated[
        Path, typer.Option(help="The run's configuration (YAML), from --directory.")
    ] = Path("config/published.yaml"),
    device: Annotated[str, typer.Option(help="meta (nothing runs), cpu, cuda, cuda:0.")] = "meta",
    model: Annotated[list[str] | None, typer.Option(help="Only this model; repeatable.")] = None,
    tokens: Annotated[int, typer.Option(min=2, max=10**8, help="Length of a document.")] = 512,
    n_gpus: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Split over this many GPUs, whatever the table says."),
    ] = None,
    gpu_gib: Annotated[
        float | None, typer.Option(callback=above_zero, help="Memory of a GPU to plan for.")
    ] = None,
    tflops: Annotated[
        float, typer.Option(callback=above_zero, help="Speed for the estimates on meta.")
    ] = 20.0,
    directory: Directory = Path("."),
) -> None:
    """Build every model at its true size with random weights, and print the resources it needs."""
    from sinkscope.config import load, read_config
    from sinkscope.rehearse.job import Stage, card_bytes, rehearse_all

    loaded = load(read_config(directory / config), directory)
    stage = Stage(device, tokens, len(loaded.documents), card_bytes(device, gpu_gib), tflops)
    problems = rehearse_all(loaded, directory, stage, model or [], n_gpus)
    if problems:
        raise SinkscopeError("\n".join(problems))
