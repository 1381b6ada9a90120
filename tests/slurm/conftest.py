"""A cluster for the session, a grid that nothing disturbs on it, and a fresh grid a test."""

import shutil

import pytest

from slurm.cluster import Slurm, missing
from slurm.grid import ClusterProject
from workflow.project import ROOT, copy_of_workflow


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    reason = missing()
    if reason:
        pytest.skip(reason)
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def quiet(request):
    """No test finds jobs of another."""
    yield
    if "slurm" in request.fixturenames:
        cluster = request.getfixturevalue("slurm")
        cluster.empty()
        cluster.forget()


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """The workflow with its zoo, out of reach of whoever edits it while the tests run."""
    folder = copy_of_workflow(tmp_path_factory.mktemp("clone"))
    shutil.copytree(ROOT / "zoo" / "gpt2", folder / "zoo" / "gpt2")
    return folder


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, clone):
    """The files of the small grid, made on this host without a cluster."""
    project = ClusterProject(tmp_path_factory.mktemp("undisturbed") / "project", clone)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project.files()


@pytest.fixture
def project(tmp_path, clone, slurm, undisturbed):
    return ClusterProject(tmp_path / "project", clone)
