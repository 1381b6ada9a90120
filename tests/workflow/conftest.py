"""A copy of the workflow, and a user's folder that it runs on."""

import pytest

from workflow.project import Project, copy_of_workflow


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The workflow, out of reach of whoever edits it while the tests run."""
    return copy_of_workflow(tmp_path_factory.mktemp("clone"))


@pytest.fixture
def project(tmp_path, clone):
    return Project(tmp_path / "project", clone)
