"""The profiles for clusters, as far as they go without one: what would be submitted."""

import re

import pytest

from workflow.project import ROOT

PROFILES = ROOT / "workflow" / "profiles"


def dry_run(project, name, *options):
    profile = ("--workflow-profile", str(PROFILES / name))
    done = project.snakemake("--dry-run", *profile, *options)
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_a_profile_plans_the_grid_with_memory_for_every_model(project, name):
    said = dry_run(project, name)
    assert re.search(r"Extracting minilm, documents of shard 0000 \(2 threads, 4\d00 MB", said)
    assert "Writing the report" in said
