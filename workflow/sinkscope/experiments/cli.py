"""Commands of the experiments, which stand beside those of the atlas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def emergence(
    checkpoints: Annotated[
        list[str], typer.Argument(help="MODEL=FOLDER of the zoo, with records.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tables.")],
) -> None:
    """Join what the zoo's training recorded to the tables emergence and attachment."""
    from sinkscope.reduce.emergence import write_records

    pairs = (checkpoint.partition("=") for checkpoint in checkpoints)
    write_records({model: Path(folder) for model, _, folder in pairs}, out)


@app.command()
def measure(
    experiment: Annotated[str, typer.Argument(help="induction, second_sink, norms, ...")],
    config: Annotated[Path, typer.Option(help="The run's configuration (YAML), from --directory.")],
    model: Annotated[str, typer.Option(help="A model of the table of models.")],
    out: Annotated[Path, typer.Option(help="Folder of this part of the tables.")],
    shard: Annotated[
        str | None, typer.Option(help="Which documents: 0000, 0001, ...; all without it.")
    ] = None,
    directory: Annotated[Path, typer.Option(help="Where config's paths count from.")] = Path("."),
) -> None:
    """Run one model for one experiment, over one shard of documents or over all."""
    from sinkscope.config import load, read_config
    from sinkscope.experiments.job import run
    from sinkscope.grid import Grid

    grid = Grid(load(read_config(directory / config), directory))
    wanted = grid.config if shard is None else grid.config_of(shard)
    if experiment == "induction":
        wanted = replace(grid.config, documents=(grid.ordinary_text(),))
    run(experiment, wanted, model, directory, out)


@app.command()
def padded(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests of the model's jobs.")],
    config: Annotated[Path, typer.Option(help="The run's configuration (YAML), from --directory.")],
    model: Annotated[str, typer.Option(help="A model of the table of models.")],
    out: Annotated[Path, typer.Option(help="Folder of the model's part of the table.")],
    directory: Annotated[Path, typer.Option(help="Where config's paths count from.")] = Path("."),
) -> None:
    """Count an encoder's max keys as study 1 did, with the queries at padding."""
    from sinkscope.files import read_json, replaced_folder

    if read_json(manifests[0])["model"]["family"] == "encoder":
        measure("padded", config, model, out, directory=directory)
        return
    with replaced_folder(out):  # a decoder has no padding to count, and need not be loaded
        pass


@app.command()
def join(
    experiment: Annotated[str, typer.Argument(help="second_sink, norms, ...")],
    parts: Annotated[list[Path], typer.Argument(help="Folders that `measure` wrote.")],
    tables: Annotated[Path, typer.Option(help="Folder of the tables.")],
) -> None:
    """Join what an experiment measured of all models to its tables."""
    from sinkscope.reduce.parts import write_parts

    write_parts(experiment, parts, tables)


@app.command(name="induction-tables")
def induction_tables(
    parts: Annotated[list[Path], typer.Argument(help="Folders that `measure` wrote.")],
    tables: Annotated[Path, typer.Option(help="Folder of the tables.")],
    threshold: Annotated[float, typer.Option(help="Score of an induction head.")] = 0.4,
) -> None:
    """Join the induction heads of all models, with their attention on ordinary text."""
    from sinkscope.reduce.induction import write_tables

    write_tables(parts, tables, threshold)


@app.command(name="second-sink-tables")
def second_sink_tables(
    parts: Annotated[list[Path], typer.Argument(help="Folders that `measure` wrote.")],
    tables: Annotated[Path, typer.Option(help="Folder of the tables.")],
    threshold: Annotated[float, typer.Option(help="Mass of a second sink.")] = 0.1,
) -> None:
    """Join the second sinks of all models, and average them over documents."""
    from sinkscope.reduce.second_sink import write_tables

    write_tables(parts, tables, threshold)


@app.command()
def claims(
    file: Annotated[Path, typer.Argument(help="The claims (YAML).")],
    names: Annotated[list[str], typer.Argument(help="Tables of this run, by name.")],
    tables: Annotated[Path, typer.Option(help="Folder of the tables; `claims` goes there.")],
) -> None:
    """Say of every claim of the studies whether it holds in the tables of a run."""
    from sinkscope.reduce.claims import write_claims

    write_claims(file, tables, names, tables)


@app.command()
def section(
    name: Annotated[str, typer.Argument(help="A section of the report: emergence, ...")],
    tables: Annotated[Path, typer.Option(help="Folder of the tables.")],
    out: Annotated[Path, typer.Option(help="Folder of the figures.")],
) -> None:
    """Draw the figures of a section that an experiment adds to the report."""
    from sinkscope.charts.sections import write_section

    write_section(name, tables, out)
