"""The configuration: settings, the table of models, the table of documents."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sinkscope.corpus import EVERY, Sampling, Store
from sinkscope.documents import AnyDocument, Refused, distinct, read_entries
from sinkscope.errors import SinkscopeError, collected
from sinkscope.files import check_braces
from sinkscope.hub.lock import repository_of
from sinkscope.mapping import key_locations, read_mapping
from sinkscope.schema import check, checked
from sinkscope.sink_rule import SinkRule, rule_of
from sinkscope.tsv import read_tsv


@dataclass(frozen=True)
class ModelRow:
    """A row of models.tsv, defaults filled in. n_gpus: that the model is split over. mem_mb: memory
    that its jobs request; None: that of the configuration."""

    model: str
    source: str
    family: str | None
    dtype: str
    device: str
    max_length: int | None
    add_special_tokens: str
    n_gpus: int = 1
    mem_mb: int | None = None

    def identity(self) -> dict[str, Any]:
        """The fields that results depend on: all except those for the scheduler."""
        return {key: value for key, value in asdict(self).items() if key != "mem_mb"}


@dataclass(frozen=True)
class Settings:
    """The settings that extraction depends on, besides its model and documents. threads: of the
    processor, fixed, because the order in which float32 numbers are added depends on it."""

    threads: int
    truncate: bool
    window: int
    map_exact: int
    map_cells: int
    head_maps: tuple[str, ...]
    sink_rule: Literal["attention", "state_cosine"] = SinkRule.by
    sink_times: float = SinkRule.times
    sink_floor: float = SinkRule.floor
    sink_share: float = SinkRule.share
    sink_queries: int = SinkRule.n_queries
    sink_cosine: float = SinkRule.cosine

    @property
    def rule(self) -> SinkRule:
        return rule_of(vars(self))


@dataclass(frozen=True)
class Config:
    """Everything of one run, checked. raw: the merged mapping it came from, with defaults.

    entries: the table of documents, including those that cannot be read.
    """

    raw: dict[str, Any]
    models: tuple[ModelRow, ...]
    documents: tuple[AnyDocument, ...]
    entries: tuple[AnyDocument | Refused, ...] = ()

    @property
    def settings(self) -> Settings:
        return settings_of(self.raw)

    def settings_of(self, model: str) -> Settings:
        """The settings for one model: head_maps has only the heads of that model."""
        head_maps = tuple(head for head in self.settings.head_maps if head.split("/")[0] == model)
        return replace(self.settings, head_maps=head_maps)

    def model(self, name: str) -> ModelRow:
        return find_model(self.models, name)


def settings_of(raw: dict[str, Any]) -> Settings:
    values = {key: raw[key] for key in Settings.__dataclass_fields__}
    return Settings(**(values | {"head_maps": tuple(values["head_maps"])}))


def find_model(models: Sequence[ModelRow], name: str) -> ModelRow:
    for row in models:
        if row.model == name:
            return row
    known = ", ".join(row.model for row in models)
    raise SinkscopeError(f"unknown model '{name}'; the table of models has {known}.")


def read_config(path: Path) -> dict[str, Any]:
    """The mapping of a YAML file. Raises SinkscopeError like mapping.read_mapping."""
    return read_mapping(path)[0]


def load(mapping: dict[str, Any], directory: Path, files: Sequence[Path] = ()) -> Config:
    """Check the merged configuration and read its tables and documents from `directory`. files: the
    merged ones, in increasing precedence, for the lines in messages. Raises SinkscopeError with one
    line per problem."""
    raw, problems = check(mapping, "config", "config", key_locations(mapping, files))
    models: tuple[ModelRow, ...] = ()
    entries: tuple[AnyDocument | Refused, ...] = ()
    if "models" in raw:
        with collected(problems):
            models = read_models(raw, directory)
            check_head_maps(raw, models)
    if "documents" in raw:
        with collected(problems):
            sampling, store = sampling_of(raw), Store(directory)
            entries = read_document_table(raw["documents"], directory, sampling, store)
    if problems:
        raise SinkscopeError("\n".join(problems))
    documents = tuple(entry for entry in entries if not isinstance(entry, Refused))
    return Config(raw, models, documents, entries)


def check_head_maps(raw: dict[str, Any], models: Sequence[ModelRow]) -> None:
    names = [row.model for row in models]
    wrong = [head_map for head_map in raw["head_maps"] if head_map.split("/")[0] not in names]
    if wrong:
        raise SinkscopeError(
            "\n".join(
                f"config: head_maps names '{head_map}', which is not a model; models are "
                f"{', '.join(names)}."
                for head_map in wrong
            )
        )


def read_models(raw: dict[str, Any], directory: Path) -> tuple[ModelRow, ...]:
    """The rows of the groups that the configuration selects; all rows if `groups` is empty."""
    rows: list[ModelRow] = []
    groups: dict[str, list[str]] = {}
    problems: list[str] = []
    for where, cells in read_tsv(raw["models"], directory, "models"):
        with collected(problems):
            row = checked(cells, "models", where)
            if row["model"] in groups:
                raise SinkscopeError(
                    f"{where}: a second model is named '{row['model']}'; give every row its own "
                    "name."
                )
            groups[row["model"]] = row.pop("groups").split(",")
            defaults = {"family": None, "max_length": None}
            rows.append(ModelRow(**(defaults | {k: raw[k] for k in ("dtype", "device")} | row)))
            try:
                repository_of(rows[-1].model, rows[-1].source)
            except SinkscopeError as error:
                raise SinkscopeError(f"{where}: {error}") from error
    if problems:
        raise SinkscopeError("\n".join(problems))
    known = dict.fromkeys(group for of_row in groups.values() for group in of_row if group)
    for name in raw["groups"]:
        if name not in known:
            raise SinkscopeError(
                f"config: groups names '{name}', but {raw['models']} has no such group; "
                f"groups are {', '.join(known) or 'not given there'}."
            )
    if not raw["groups"]:
        return tuple(rows)
    return tuple(row for row in rows if set(groups[row.model]) & set(raw["groups"]))


def sampling_of(raw: dict[str, Any]) -> Sampling:
    return Sampling(raw["sample"], raw["sample_seed"])


def keep_listings(raw: dict[str, Any], directory: Path) -> None:
    """Write the listings of all corpora below results/, for the jobs of a run."""
    store = Store(directory, remember=True)
    read_document_table(raw["documents"], directory, sampling_of(raw), store)


def read_document_table(
    table: str, directory: Path, sampling: Sampling = EVERY, store: Store | None = None
) -> tuple[AnyDocument | Refused, ...]:
    """All documents in order; a Refused stands for each that cannot be read. sampling: rows of each
    corpus. store: of the listings of corpora. Raises SinkscopeError if the table itself is wrong,
    or if no document can be read."""
    entries: list[AnyDocument | Refused] = []
    problems: list[str] = []  # in the order of the table
    is_wrong = False  # the table itself
    for where, cells in read_tsv(table, directory, "documents"):
        try:
            row = checked(cells, "documents", where)
            check_braces(row["path"], where)
        except SinkscopeError as error:
            problems.append(str(error) if str(error).startswith(where) else f"{where}: {error}")
            is_wrong = True
            continue
        path, name = directory / row["path"], row["document"]
        source = (name, path, row["path"], row["text_column"])
        for entry in read_entries(*source, sampling, store):
            if isinstance(entry, Refused):
                entry = Refused(entry.name, f"{where}: {entry.reason}")
                problems.append(entry.reason)
            entries.append(entry)
    distinct_entries = distinct(entries, table)
    if is_wrong or all(isinstance(entry, Refused) for entry in distinct_entries):
        raise SinkscopeError("\n".join(problems))
    return tuple(distinct_entries)
