# What all rules share: the checked configuration and its grid, and a few input functions.

import sys
from itertools import chain

from sinkscope.cluster.orphans import cancel_left_behind
from sinkscope.cluster.requests import Requests
from sinkscope.code import stamp
from sinkscope.config import load
from sinkscope.errors import SinkscopeError, sentences
from sinkscope.grid import Grid, shards_to_report
from sinkscope.mend import mend, sweep
from sinkscope.planning import other_grid, unready
from sinkscope.presence import Presence
from sinkscope.printable import printable
from sinkscope.reduce.parts import JOINED
from sinkscope.reduce.experiments import EXPERIMENTS
from sinkscope.reduce.schemas import SMALL_TABLES, TABLES
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
    for line in [*chain(*cannot_run.values()), *([note] if note else [])]:
        print(f"sinkscope: {printable(line)}", file=sys.stderr)


# This run among those that may be at work in the folder.
presence = Presence(Path.cwd())

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


def memory(wildcards, attempt):
    """MB that a job asks for that runs a model."""
    return asks.mem_mb(wildcards.model, attempt)


def minutes(wildcards, attempt):
    """Minutes that an extraction job asks for."""
    return asks.minutes(wildcards.model, attempt)


def experiment_minutes(wildcards, attempt):
    """Minutes that a job asks for that runs a model over the first tokens of all documents."""
    return asks.experiment_minutes(wildcards.model, attempt)


def padded_minutes(wildcards, attempt):
    """Minutes that a job asks for that runs the model over all documents, padded."""
    return asks.padded_minutes(wildcards.model, attempt)


def gpus(wildcards):
    return grid.n_gpus(wildcards.model)


def manifests(wildcards):
    """Manifests of the extraction jobs of one model, finished ones only where partial."""
    return expand(
        "results/shards/{model}/{shard}.json",
        model=wildcards.model,
        shard=shards[wildcards.model],
    )


def all_documents():
    """Files that hold the documents of the grid."""
    return [path for shard in grid.shards for path in grid.paths(shard)]


def all_hashes():
    """sha256 of every text of the grid: an experiment over all documents depends on them."""
    return [grid.hashes(shard) for shard in grid.shards]


def measured(experiment):
    """Models of one experiment, none where it is switched off. Of a partial report what is
    measured is an input, and no model is run."""
    return [
        model
        for model in shards
        if grid.runs(experiment)
        if not grid.config.raw["partial"]
        or Path(f"results/experiments/{experiment}/{model}").is_dir()
    ]


def joined_tables(experiment):
    """Files of the tables that join what an experiment measured of every model."""
    names = JOINED[experiment]
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


def report_partially():
    """After a failure: the same rules once more, over the jobs that have finished."""
    command = partial_command(grid, workflow.main_snakefile, Path.cwd())
    if command:
        shell(command.replace("{", "{{").replace("}", "}}"))  # it fills in braces
        print("The report of what has finished: reports/index.html", file=sys.stderr)
