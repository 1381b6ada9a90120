"""Commands of the workflow's jobs. Each is given its request by its rule, with --request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sinkscope.config import ModelRow, Settings
from sinkscope.errors import SinkscopeError
from sinkscope.jobs.door import Job

app = typer.Typer()

HERE = Path(".")
TABLES = Path("results/tables")
REPORT = Path("reports")
Parts = Annotated[list[Path], typer.Argument(help="Stamps of the results that are joined.")]
Table = Annotated[str, typer.Option("--documents", help="The table of documents.")]
PerJob = Annotated[int, typer.Option(help="How many rows of it are a shard.")]
Shard = Annotated[str, typer.Option(help="Which documents: 0000, 0001, ...")]


def job_of(context: typer.Context) -> Job:
    """Raises SinkscopeError for a command that was not called by its rule."""
    if not isinstance(context.obj, Job):
        raise SinkscopeError(
            f"{context.info_name} is a job of the workflow, which gives it --log, --stamp and "
            "--request; run snakemake, or `sinkscope look` for a single text."
        )
    return context.obj


@app.command()
def extract(context: typer.Context, table: Table, per_job: PerJob, shard: Shard) -> None:
    """Run one model over one shard of documents and keep the statistics of its attention."""
    from sinkscope.extract.job import run_job
    from sinkscope.jobs.documents import read_part

    job = job_of(context)
    row, values = model_of(job.request), dict(job.request["settings"])
    documents = read_part(table, HERE, per_job, shard, job.request)
    settings = Settings(**values | {"head_maps": tuple(values["head_maps"])})
    job.facts = run_job(row, documents, settings, job.request["code"], HERE)
    job.files = {entry["cell"]: entry["cell_sha256"] for entry in job.facts["cells"]}


@app.command()
def measure(context: typer.Context, table: Table, per_job: PerJob, shard: Shard) -> None:
    """Run one model for one experiment, over one shard of documents or over all."""
    from sinkscope.experiments.job import run
    from sinkscope.jobs.documents import read_part

    job = job_of(context)
    row, request = model_of(job.request), job.request
    documents = read_part(table, HERE, per_job, shard, request)
    out, settings = job.stamp.parent, request["settings"]
    job.facts = {"revision": known(row)}
    run(request["experiment"], row, documents, settings, HERE, out)


def model_of(request: dict[str, Any]) -> ModelRow:
    """The row of the job's model. Raises SinkscopeError where its weights are not those that the
    request is about."""
    row = ModelRow(**request["model"])
    revision = known(row)
    if request["weights"] is not None and revision != request["weights"]:
        raise SinkscopeError(
            f"model '{row.model}': its weights were changed after this run was started (they were "
            f"{request['weights']}, now {revision}); run again."
        )
    return row


def known(row: ModelRow) -> str | None:
    from sinkscope.extract.sources import known_revision

    return known_revision(row.model, row.source, HERE)


@app.command()
def reduce(context: typer.Context, manifests: Parts) -> None:
    """Reduce the cells of one model to its part of every table."""
    from sinkscope.reduce.job import reduce_model

    job = job_of(context)
    reduce_model(manifests, job.stamp.parent, job.request["epsilon"], HERE)


@app.command()
def tables(context: typer.Context, parts: Parts) -> None:
    """Join the parts of all models to the tables."""
    from sinkscope.reduce.job import write_tables

    job_of(context)
    write_tables([part.parent for part in parts], TABLES)


@app.command()
def join(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="induction, second_sink, norms, ...")],
    parts: Parts,
) -> None:
    """Join what an experiment measured of all models to its tables."""
    from sinkscope.reduce.joins import write_joined

    folders = [part.parent for part in parts]
    write_joined(experiment, folders, TABLES, job_of(context).request["threshold"])


@app.command()
def emergence(
    context: typer.Context,
    checkpoints: Annotated[list[str], typer.Argument(help="MODEL=FOLDER of the zoo.")],
) -> None:
    """Join what the zoo's training recorded to the tables emergence and attachment."""
    from sinkscope.reduce.emergence import write_records

    job_of(context)
    pairs = (checkpoint.partition("=") for checkpoint in checkpoints)
    write_records({model: Path(folder) for model, _, folder in pairs}, TABLES)


@app.command()
def claims(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The claims (YAML).")],
    names: Annotated[list[str], typer.Argument(help="Tables of this run, by name.")],
) -> None:
    """Say of every claim of the studies whether it holds in the tables of a run."""
    from sinkscope.reduce.claims import write_claims

    job_of(context)
    write_claims(file, TABLES, names, TABLES)


@app.command()
def figures(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Of one model; without it, of all.")] = None,
) -> None:
    """Draw figures as Vega-Lite, SVG and PNG, each with its data as CSV."""
    job = job_of(context)
    if model is None:
        from sinkscope.charts.of_all import write_figures

        write_figures(TABLES, job.stamp.parent)
    else:
        from sinkscope.charts.of_model import write_figures_of_model

        write_figures_of_model(TABLES, job.stamp.parent, model, job.request["documents"])


@app.command()
def section(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A section of the report: emergence, ...")],
) -> None:
    """Draw the figures of a section that an experiment adds to the report."""
    from sinkscope.charts.sections import write_section

    write_section(name, TABLES, job_of(context).stamp.parent)


@app.command()
def maps(context: typer.Context, manifests: Parts) -> None:
    """Draw the heat maps of every layer of one model."""
    from sinkscope.charts.maps import write_maps

    job = job_of(context)
    write_maps(manifests, HERE, job.stamp.parent, job.request["documents"])


@app.command()
def report(
    context: typer.Context,
    partial: Annotated[
        bool, typer.Option("--partial", help="Of the jobs that have finished, whatever is missing.")
    ] = False,
    config: Annotated[
        Path,
        typer.Option(
            help="With --partial: the run's configuration (YAML); - reads standard input."
        ),
    ] = Path("results/config.yaml"),
) -> None:
    """Write the report: index.html and a page for every model."""
    if partial:
        from sinkscope.jobs.partial import report_finished

        report_finished(config, HERE)
    else:
        from sinkscope.jobs.partial import write_report_of

        write_report_of(job_of(context).request, HERE, REPORT)


@app.command()
def made(files: Annotated[list[Path], typer.Argument(help="Results, by name.")]) -> None:
    """Note that these files are there. A file that is gone counts as not made."""
    from sinkscope.errors import DamagedError

    for file in files:
        if not file.is_file():
            raise DamagedError(file, "is missing")
        file.touch()


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Let the next run make again what is damaged.")
    ] = False,
    config: Annotated[Path, typer.Option(help="The run's configuration (YAML).")] = Path(
        "results/config.yaml"
    ),
) -> None:
    """Hold every file of results and report against its recorded hash, and against what is wanted
    now. Exit status 1 where something is damaged or stale."""
    from sinkscope.jobs.check import print_check

    raise typer.Exit(print_check(config, HERE, repair=repair))
