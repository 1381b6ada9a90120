# What all rules share: the checked configuration and its grid, and a few input functions.

import sys

from sinkscope.code import modules
from sinkscope.config import load
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid, shards_to_report
from sinkscope.reduce.schemas import SMALL_TABLES, TABLES
from sinkscope.rerun import partial_command
from sinkscope.version import commit

try:
    grid = Grid(load(config, Path.cwd()))
    # Shards to report, by model: all of them, or those that have finished.
    shards = shards_to_report(grid, Path.cwd())
except SinkscopeError as error:
    raise WorkflowError(str(error))


# Sections that experiments add to the report, and the tables that each is drawn from: an
# experiment's rule file puts its own in, where the grid has what it is about.
sections = {}


wildcard_constraints:
    model="[A-Za-z0-9._-]+",
    shard="[0-9]+",
    section="[a-z_]+",
    repository="[A-Za-z0-9._@-]+",


def source(stage):
    """The package's modules that a stage runs: inputs, so that editing one reruns it."""
    return modules(stage)


def weights(wildcards):
    """What must have been downloaded before a model can run: nothing but for hub models."""
    repository = grid.repository(wildcards.model)
    return f"results/hub/{repository}.json" if repository else []


def manifests(wildcards):
    """Manifests of the extraction jobs of one model, finished ones only where partial."""
    return expand(
        "results/shards/{model}/{shard}.json",
        model=wildcards.model,
        shard=shards[wildcards.model],
    )


def report_partially():
    """After a failure: the same rules once more, over the jobs that have finished."""
    command = partial_command(grid, workflow.main_snakefile, Path.cwd())
    if command:
        shell(command)
        print("The report of what has finished: reports/index.html", file=sys.stderr)
