"""The declaration of an experiment: everything that is known before anything is measured.

An experiment is a package in `sinkscope.experiments` whose `EXPERIMENT` is one of these. Beside it:
  measure.py  measure(loaded, task) -> frames by name; runs a model over the documents of a part
  derive.py   derive(parts, beside, threshold) -> tables by name; without it, parts are joined
  figures/    one module per figure: figure(tables) -> Figure, or None if there is nothing to show
  test_*.py   its tests
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sinkscope.documents import AnyDocument
from sinkscope.tables.table import Table

ALL = "all"  # the single part of an experiment that is not split into shards


@dataclass(frozen=True)
class Setting:
    """A key of the configuration. about: a sentence. schema: JSON schema of its values."""

    key: str
    default: Any
    about: str
    schema: Mapping[str, Any]


# Declared by several experiments.
EXPERIMENT_TOKENS = Setting(
    "experiment_tokens",
    128,
    "First tokens of every document that experiments look at.",
    {"type": "integer", "minimum": 16, "maximum": 1_000_000},
)
MASK_SEED = Setting(
    "mask_seed",
    0,
    "Seed of random keys, and of the tokens that encoders predict.",
    {"type": "integer", "minimum": 0, "maximum": 4_294_967_295},
)


@dataclass(frozen=True)
class Section:
    """A page of the report. intro: a paragraph. tables: names of the tables that its figures read;
    more_tables: of tables of other experiments that they read too, if these are switched on.
    figures: modules of its package in the order of the report; other modules come last. package:
    package of these modules, below that of the experiment. verdict: the sentence about it on the
    front page, a template like that of a finding, whose values are those of the figures' findings:
    `{{ figure.value }}`; empty for the finding of its first figure.

    If `tables` includes `models`, the figures compare models, and models whose attention is not
    softmax are left out, unless every_kind says otherwise.
    """

    title: str
    intro: str
    tables: tuple[str, ...]
    figures: tuple[str, ...] = ()
    package: str = "figures"
    verdict: str = ""
    every_kind: bool = False
    more_tables: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The section's own texts in the report."""
        return [self.title, self.intro, self.verdict]


@dataclass(frozen=True)
class Experiment:
    """An experiment. tables: its tables by name. sections: its sections of the report by name.

    settings: keys of the configuration that the experiment adds. reads: other keys that its
    measurement reads; a measurement gets these and the settings, and no others. threshold: a
    setting that its tables depend on, but not its measurements.

    parts: names of the frames that a measurement writes; by default the names of its tables.
    families: the kinds of model that it is about; for other models, parts have no rows. chooses:
    for an experiment that is not about single documents, the function from all documents and the
    settings to the documents that it reads. tokens: the key for the number of first tokens that are
    read of a document; None for whole documents.

    beside: atlas tables that its derivation reads. records: for an experiment that runs no model,
    the file by table in the folder of a trained checkpoint. feeds_atlas: whether its tables are
    joined with the atlas tables, whose figures show them.
    """

    tables: Mapping[str, Table]
    sections: Mapping[str, Section] = field(default_factory=dict)
    settings: tuple[Setting, ...] = ()
    reads: tuple[str, ...] = ()
    threshold: Setting | None = None
    parts: tuple[str, ...] = ()
    families: tuple[str, ...] = ("encoder", "decoder")
    chooses: Callable[[Sequence[AnyDocument], Mapping[str, Any]], Sequence[AnyDocument]] | None = (
        None
    )
    tokens: str | None = "experiment_tokens"
    beside: tuple[str, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
    feeds_atlas: bool = False

    @property
    def frames(self) -> tuple[str, ...]:
        """Names of the frames that a measurement writes."""
        return self.parts or tuple(self.tables)

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of the configuration that a measurement gets."""
        return (*(setting.key for setting in self.settings), *self.reads)
