# What all rules share: the checked configuration and its grid, and a few input functions.

import subprocess
import sys
from itertools import chain

from sinkscope.cluster.orphans import cancel_left_behind
from sinkscope.cluster.requests import Requests
from sinkscope.code import stamp
from sinkscope.config import load
from sinkscope.errors import SinkscopeError, sentences
from sinkscope.failures import (
    attempt_to_plan,
    begin_run,
    changes,
    closing_list,
    failed_since,
)
from sinkscope.grid import Grid, shards_to_report
from sinkscope.mend import mend, sweep
from sinkscope.planning import other_grid, unready
from sinkscope.presence import Presence
from sinkscope.printable import printable
from sinkscope.reduce.parts import JOINED, OF_DOCUMENTS
from sinkscope.reduce.experiments import EXPERIMENTS
from sinkscope.reduce.schemas import OF_MODEL, SMALL_TABLES, TABLES
from sinkscope.report.provenance import missing
from sinkscope.rerun import partial_command
from sinkscope.version import commit

if workflow.is_main_process:
    for sentence in mend(Path.cwd()):
        print(f"sinkscope: {sentence}", file=sys.stderr)

try:
    grid = Grid(load(config, Path.cwd(), CONFIG_FILES))
    # Shards to report, by model: all of them, or those that have finished.
    shards = shards_to_report(grid, Path.cwd())
except SinkscopeError as error:
    sys.exit(sentences(error))  # a WorkflowError would name lines of this file


# Said at once, also by a dry run: models that cannot run, and that this run replaces the tables of
# another grid.
cannot_run = {}
if workflow.is_main_process and not grid.config.raw["partial"]:
    cannot_run = unready(grid, Path.cwd())
    note = other_grid(grid, Path.cwd())
    left_out = [f"left out: {entry.reason}" for entry in grid.refused]
    for line in [
        *left_out,
        *chain(*cannot_run.values()),
        *([note] if note else []),
    ]:
        print(f"sinkscope: {printable(line)}", file=sys.stderr)


# This run among those that may be at work in the folder.
presence = Presence(Path.cwd())

# Failures of earlier runs, from the moment when this one starts.
earlier = {}

# What jobs ask a scheduler for; a job that is repeated asks for more.
asks = Requests(grid, Path.cwd())

# Sections that experiments add to the report, and the tables that each is drawn from: an
# experiment's rule file puts its own in, where the grid has what it is about.
sections = {}


wildcard_constraints:
    model="[A-Za-z0-9._-]+",
    shard="[0-9]+",
    section="[a-z_]+",
    repository="[A-Za-z0-9._@-]+",


def source(stage):
    """The package's code that a stage runs: an input, so that editing it reruns the stage."""
    if workflow.is_main_process:
        stamp(stage, Path.cwd())
    return [f"results/code/{stage}.json"]


def weights(wildcards):
    """What must have been downloaded before a model can run: nothing but for hub models."""
    repository = grid.repository(wildcards.model)
    return f"results/hub/{repository}.json" if repository else []


def attempt_of(job, wildcards, attempt):
    """The attempt that a job's resources are for. job: its log below results/logs. What has
    failed for good asks for no more than at first: it only repeats its sentence."""
    return attempt_to_plan(Path.cwd(), job.format(**dict(wildcards.items())), attempt)


def asking(request, job):
    """What a job asks for that runs a model; request: memory or minutes, of `asks`."""
    return lambda wildcards, attempt: request(
        wildcards.model, attempt_of(job, wildcards, attempt)
    )


def gpus(job):
    """GPUs that a job asks for; none where it only repeats its sentence."""
    return lambda wildcards, attempt: (
        grid.n_gpus(wildcards.model)
        if attempt_of(job, wildcards, attempt) == attempt
        else 0
    )


def manifests(wildcards):
    """Manifests of the extraction jobs of one model, finished ones only where partial."""
    return expand(
        "results/shards/{model}/{shard}.json",
        model=wildcards.model,
        shard=shards[wildcards.model],
    )


def measured(experiment):
    """Folders of one experiment's parts, none where it is switched off: MODEL/SHARD, or MODEL of
    an experiment that is not about single documents. Of a partial report what is measured is an
    input, and no model is run."""
    if not grid.runs(experiment):
        return []
    parts = (
        [f"{model}/{shard}" for model in shards for shard in shards[model]]
        if experiment in OF_DOCUMENTS
        else list(shards)
    )
    folders = [f"results/experiments/{experiment}/{part}" for part in parts]
    partial = grid.config.raw["partial"]
    return [folder for folder in folders if not partial or Path(folder).is_dir()]


def weights_state(wildcards):
    """What the files of a model are now: other weights under the same names are noticed."""
    return grid.weights(wildcards.model, Path.cwd())


def tables_of(names):
    """Files of these tables of experiments."""
    small = [name for name in names if EXPERIMENTS[name].csv]
    return expand("results/tables/{table}.parquet", table=names) + expand(
        "results/tables/{table}.csv", table=small
    )


def stop_unready():
    """Start nothing where a job would run a model that cannot run, unless others may go on."""
    if not cannot_run or workflow.execution_settings.keep_going:
        return
    wanted = {
        job.wildcards.model
        for job in workflow.dag.needrun_jobs()
        if "weights" in job.input.keys()
    }
    lines = [*chain(*(cannot_run[model] for model in cannot_run if model in wanted))]
    if lines:
        lines.append(
            "nothing was started; correct this, or run the other models with --keep-going."
        )
        sys.exit(sentences(SinkscopeError("\n".join(lines))))


def take_over():
    """End and clear away what killed runs left here: jobs on the cluster, files they had begun."""
    if presence.alone():
        if workflow.executor_plugin.name == "slurm":
            end_earlier_jobs()
        sweep(Path.cwd())
    else:
        print(
            "Another run is at work in this folder: what killed ones may have left is kept.",
            file=sys.stderr,
        )


def list_missing():
    """After a run that has succeeded: the cells that could not be made, and why."""
    of_reason = {}
    for cells in missing(grid, Path.cwd()):
        of_reason.setdefault(cells.reason, []).append(cells.model)
    for why, models in of_reason.items():
        line = f"No result of {', '.join(models)}: {why}"
        print(printable(line), file=sys.stderr)


def leave_clean():
    if presence.alone():
        sweep(Path.cwd())


def end_earlier_jobs():
    """Cancel jobs that a killed run left on the cluster."""
    try:
        cancelled = cancel_left_behind(Path.cwd())
    except SinkscopeError as error:
        raise WorkflowError(str(error))
    if cancelled:
        print(
            f"Cancelled jobs of an earlier run: {', '.join(cancelled)}", file=sys.stderr
        )


def remember_failures():
    """What failed before this run is not of this run, and may succeed now."""
    earlier.update(changes(Path.cwd()))
    begin_run(Path.cwd())


def report_partially():
    """After a failure: the same rules once more, over the jobs that have finished."""
    command = partial_command(grid, workflow.main_snakefile, Path.cwd())
    if command:
        try:
            # Braces of paths are not for Snakemake to fill in.
            shell(command.replace("{", "{{").replace("}", "}}"))
        except subprocess.CalledProcessError:
            print("There is no report of what has finished.", file=sys.stderr)
        else:
            print(
                "The report of what has finished: reports/index.html", file=sys.stderr
            )


def list_failures():
    """All that failed in this run, at its very end."""
    failed = failed_since(Path.cwd(), earlier)
    names = {
        shard: [document.name for document in documents]
        for shard, documents in grid.shards.items()
    }
    print("\n".join(closing_list(failed, names)), file=sys.stderr)
