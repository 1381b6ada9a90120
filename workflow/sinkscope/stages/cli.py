"""Commands of the workflow's jobs. The rule of a job passes its request with --request."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.config import settings_of
from sinkscope.errors import SinkscopeError
from sinkscope.jobs.execution import Job
from sinkscope.jobs.stamps import in_place
from sinkscope.options import JOBS

app = typer.Typer()

HERE = Path(".")
TABLES = Path("results/tables")
Parts = Annotated[list[Path], typer.Argument(help="Stamps of the results that are joined.")]
Documents = Annotated[
    str, typer.Option(help="Which documents: a shard, and the settings that divide them (JSON).")
]


def job_of(context: typer.Context) -> Job:
    """The running job. Raises SinkscopeError if the command was not called by its rule."""
    if not isinstance(context.obj, Job):
        raise SinkscopeError(
            f"{context.info_name} is a job of the workflow, which passes --log, --stamp and "
            "--request; run snakemake, or `sinkscope look` for a single text."
        )
    return context.obj


@app.command(rich_help_panel=JOBS)
def extract(context: typer.Context, documents: Documents) -> None:
    """Run one model over one shard of documents and keep the statistics of its attention."""
    from sinkscope.extract.job import run_job
    from sinkscope.extract.parts import Summaries
    from sinkscope.jobs.documents import read_part
    from sinkscope.stages.weights import model_of

    job = job_of(context)
    row, settings = model_of(job.request, HERE), settings_of(job.request["settings"])
    part = json.loads(documents)
    texts = read_part(HERE, job.request, **part)
    code, n_mapped = job.request["code"], job.request["documents_in_report"]
    ties = job.request["tie_tolerance"]
    summaries = None if ties is None else Summaries(part["shard"], ties)
    job.facts = run_job(row, texts, settings, code, HERE, n_mapped, summaries)
    job.files = {entry["cell"]: entry["cell_sha256"] for entry in job.facts["cells"]}


@app.command(rich_help_panel=JOBS)
def measure(
    log: Annotated[Path, typer.Option(help="The job's log, with the reason of a failure.")],
    stamp: Annotated[Path, typer.Option(help="The file that lists the job's outputs.")],
    job: Annotated[str, typer.Option(help="EXPERIMENT/MODEL/SHARD.")],
    request: Annotated[str, typer.Option(help="Everything that the result depends on (JSON).")],
    documents: Documents,
) -> None:
    """Run one model for one experiment, over one shard of documents or over all, and for other
    experiments that this run asks of the same model and documents."""
    from sinkscope.jobs.ahead import Part
    from sinkscope.jobs.request import Request
    from sinkscope.stages.measuring import measure_ahead

    prefix = (stamp.parent / "made").as_posix()
    own = Part(Request(job, prefix, json.loads(request)), json.loads(documents))
    measure_ahead(own, stamp, log)


@app.command(rich_help_panel=JOBS)
def reduce(context: typer.Context, manifests: Parts) -> None:
    """Reduce the cells of one model to its part of every table."""
    from sinkscope.atlas.job import reduce_model
    from sinkscope.atlas.limits import limits_of

    job = job_of(context)
    with in_place(manifests):
        reduce_model(manifests, job.stamp.parent, limits_of(job.request), HERE)


@app.command(rich_help_panel=JOBS)
def tables(context: typer.Context, parts: Parts) -> None:
    """Join the parts of all models to the tables."""
    from sinkscope.atlas.job import write_tables

    job_of(context)
    with in_place(parts):
        write_tables([part.parent for part in parts], TABLES)


@app.command(rich_help_panel=JOBS)
def derive(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="induction, second_sink, norms, ...")],
    parts: Annotated[
        list[str],
        typer.Argument(help="Stamps of measurements, or MODEL=FOLDER of recorded training."),
    ],
) -> None:
    """Derive the tables of an experiment from the measurements (or recorded training) of all
    models."""
    from sinkscope.derive.job import write_derived, write_recorded

    request = job_of(context).request
    if "threshold" in request:
        stamps = [Path(part) for part in parts]
        with in_place(stamps):
            folders = [stamp.parent for stamp in stamps]
            write_derived(experiment, folders, TABLES, request["threshold"])
    else:
        pairs = (part.partition("=") for part in parts)
        write_recorded(experiment, {model: Path(folder) for model, _, folder in pairs}, TABLES)


@app.command(rich_help_panel=JOBS)
def claims(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The claims (YAML).")],
    names: Annotated[list[str], typer.Argument(help="Tables of this run, by name.")],
) -> None:
    """Decide for every claim of the studies whether it holds in the tables of a run."""
    from sinkscope.claims.verdicts import write_claims

    job_of(context)
    write_claims(file, TABLES, names, TABLES)


@app.command(rich_help_panel=JOBS)
def figures(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="Of one model; without it, of all.")] = None,
) -> None:
    """Draw figures as Vega-Lite, SVG and PNG, each with its data as CSV."""
    from sinkscope.atlas.figures.job import write_figures_of_all, write_figures_of_model

    job = job_of(context)
    if model is None:
        write_figures_of_all(TABLES, job.stamp.parent)
    else:
        write_figures_of_model(TABLES, job.stamp.parent, model, job.request["documents"])


@app.command(rich_help_panel=JOBS)
def section(context: typer.Context) -> None:
    """Draw the figures of a section of the report."""
    from sinkscope.charts.section import write_section

    job, request = job_of(context), job_of(context).request
    figures, tables = request["figures"], request["tables"]
    out, every_kind = job.stamp.parent, request["every_kind"]
    write_section(request["package"], figures, tables, TABLES, out, every_kind=every_kind)


@app.command(rich_help_panel=JOBS)
def findings(context: typer.Context, figures: Parts) -> None:
    """Join the numbers in the sentences of all figures to the table findings."""
    from sinkscope.findings.job import write_findings

    job_of(context)
    write_findings([stamp.parent for stamp in figures], TABLES)


@app.command(rich_help_panel=JOBS)
def maps(context: typer.Context, manifests: Parts) -> None:
    """Draw the heat maps of every layer of one model."""
    from sinkscope.atlas.maps import write_maps

    job = job_of(context)
    documents, n_of_heads = job.request["documents"], job.request["head_documents"]
    write_maps(manifests, HERE, job.stamp.parent, documents, n_of_heads)


@app.command()
def report(
    context: typer.Context,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Report what has finished, even if results are missing."),
    ] = False,
    config: Annotated[
        Path,
        typer.Option(
            help="With --partial: the run's configuration (YAML); - reads standard input."
        ),
    ] = Path("results/config.yaml"),
    single_file: Annotated[
        Path | None,
        typer.Option(
            help="Write the report of the folder reports as this one file, without full heat maps."
        ),
    ] = None,
) -> None:
    """Write the report: index.html and a page for every model."""
    if partial:
        from sinkscope.stages.partial import report_finished

        report_finished(config, HERE, app)
    elif single_file is None:
        from sinkscope.stages.partial import write_report_of

        write_report_of(job_of(context), HERE)
    if single_file is not None:
        from sinkscope.report.single import write_single_file

        write_single_file(Path("reports"), single_file)
        print(f"The report in one file: {single_file}")


@app.command(rich_help_panel=JOBS)
def made(files: Annotated[list[Path], typer.Argument(help="Results, by name.")]) -> None:
    """Record these files as outputs; a file that is gone does not count."""
    from sinkscope.errors import DamagedError

    for file in files:
        if not file.is_file():
            raise DamagedError(file, "is missing")
        file.touch()


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Let the next run compute damaged files again.")
    ] = False,
    config: Annotated[Path, typer.Option(help="The run's configuration (YAML).")] = Path(
        "results/config.yaml"
    ),
) -> None:
    """Compare every file of results and report with its recorded hash and the current request. Exit
    status 1 if something is damaged or stale."""
    from sinkscope.jobs.check import print_check

    raise typer.Exit(print_check(config, HERE, repair=repair))
