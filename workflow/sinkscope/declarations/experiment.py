"""What an experiment declares: everything that can be known of it before anything is measured.

An experiment is a package in `sinkscope.experiments` whose `EXPERIMENT` is one of these. Beside it:
  measure.py  measure(loaded, task) -> frames by name; runs a model over the documents of a part
  derive.py   derive(parts, beside, threshold) -> tables by name; without it, parts are joined
  figures/    one module per figure: figure(tables) -> Figure, or None if there is nothing to show
  test_*.py   its tests
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sinkscope.documents import Document
from sinkscope.tables.table import Table

ALL = "all"  # the part of an experiment that is not of a shard


@dataclass(frozen=True)
class Setting:
    """A key of the configuration. about: what it does, a sentence. schema: of its values (JSON
    schema)."""

    key: str
    default: Any
    about: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """A part of the report. intro: a paragraph. tables: names of those that its figures read.
    figures: modules of its package in the order of the report; modules that are not named come
    last. package: of these modules, below that of the experiment. page: where the section is shown,
    if it has a page of its own.

    With the table `models`, the figures compare models: those whose attention is not softmax are
    left out.
    """

    title: str
    intro: str
    tables: tuple[str, ...]
    figures: tuple[str, ...] = ()
    package: str = "figures"
    page: str | None = None

    @property
    def words(self) -> list[str]:
        """What the report says of it."""
        return [self.title, self.intro, self.page or ""]


@dataclass(frozen=True)
class Experiment:
    """tables: by name, those that it makes. sections: of the report, by name.

    settings: keys of the configuration that only experiments have. reads: other keys that its
    measurement reads; a measurement is given these and its settings, and no others. threshold: the
    setting that its tables depend on, but no measurement.

    parts: frames that a measurement leaves; those of its tables unless given. families: the kinds
    of model that it is about; for a model of another one, parts have no rows. chooses: of an
    experiment that is not about single documents, what it reads of all of them, by its settings.
    tokens: the key that says how many first tokens of a document are read; None for whole ones.

    beside: tables of the atlas that its derivation reads. records: of an experiment that runs no
    model, by table, the file in the folder of a trained checkpoint that holds the model's part.
    feeds_atlas: its tables are joined with those of the atlas, whose figures show them.
    """

    tables: Mapping[str, Table]
    sections: Mapping[str, Section] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    reads: tuple[str, ...] = ()
    threshold: Setting | None = None
    parts: tuple[str, ...] = ()
    families: tuple[str, ...] = ("encoder", "decoder")
    chooses: Callable[[Sequence[Document], Mapping[str, Any]], Sequence[Document]] | None = None
    tokens: str | None = "experiment_tokens"
    beside: tuple[str, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
    feeds_atlas: bool = False

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of the frames that a measurement leaves."""
        return self.parts or tuple(self.tables)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the configuration that a measurement is given."""
        return (*(setting.key for setting in self.settings), *self.reads)
