"""What experiments are given in tests."""

import tiny
from sinkscope.config import read_config
from sinkscope.experiments.declared import SETTINGS
from sinkscope.experiments.task import Task


def task(experiment, *documents, **changes):
    """The repository's configuration, of which an experiment is given what it declares: one that
    reads another key ends in a KeyError."""
    raw = read_config(tiny.ROOT / "config" / "config.yaml") | changes
    return Task(tuple(documents), {key: raw[key] for key in SETTINGS[experiment]})
