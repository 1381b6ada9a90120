"""What experiments are given in tests."""

import tiny
from sinkscope.config import read_config
from sinkscope.declarations.registry import experiment
from sinkscope.documents import Document
from sinkscope.measure.passes import Task


def task(name, *documents, **changes):
    """The repository's configuration, of which an experiment is given what it declares: one that
    reads another key ends in a KeyError."""
    raw = read_config(tiny.ROOT / "config" / "config.yaml") | changes
    return Task(tuple(documents), {key: raw[key] for key in experiment(name).keys})


def documents(*texts):
    """Documents of these texts, called d0, d1, ..."""
    return tuple(Document(f"d{i}", "d.txt", None, text) for i, text in enumerate(texts))
