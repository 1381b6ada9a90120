"""Lock files: the commit of a Hub model's revision, and its files. The first use asks the Hub and
writes them; from then on only that commit is used."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sinkscope.errors import SinkscopeError
from sinkscope.files import read_json

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
HUB_ID = rf"{NAME}(/{NAME})?"
COMMIT = r"[0-9a-f]{40}"
DEFAULT_REVISION = "main"

# The formats of weights, preferred first: the name of a single file, and the pattern of its parts.
# Safetensors cannot hold code; .bin is read with torch's weights-only reader, which runs no code.
WEIGHTS = (
    ("model.safetensors", r"model-\d+-of-\d+\.safetensors"),
    ("pytorch_model.bin", r"pytorch_model-\d+-of-\d+\.bin"),
)
# Files that are loaded besides the weights: the architecture and the tokenizer.
BESIDES = re.compile(
    r"config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json"
    r"|added_tokens\.json|vocab\.(json|txt)|merges\.txt|(tokenizer|spiece|sentencepiece.*)\.model"
)


@dataclass(frozen=True)
class Repository:
    """A model of the Hub, and the branch, tag or commit of it that is used."""

    id: str
    revision: str = DEFAULT_REVISION

    @property
    def name(self) -> str:
        """The model as a file name: OWNER--NAME, with @REVISION if it is not the main one."""
        suffix = "" if self.revision == DEFAULT_REVISION else f"@{self.revision}"
        return f"{self.id}{suffix}".replace("/", "--")


@dataclass(frozen=True)
class Lock:
    """files: size in bytes by name, of all that are loaded. licence: as the card stated it then."""

    id: str
    revision: str
    commit: str
    files: dict[str, int]
    licence: str | None = None


def repository_of(model: str, source: str) -> Repository | None:
    """The Hub repository of a row's source; None if the source is not on the Hub.

    Raises SinkscopeError if the source is not a valid Hub model id.
    """
    kind, _, name = source.partition(":")
    if kind != "hub":
        return None
    location, _, revision = name.partition("@")
    revision = revision or DEFAULT_REVISION
    if not re.fullmatch(HUB_ID, location) or not re.fullmatch(f"{NAME}(/{NAME})*", revision):
        raise SinkscopeError(
            f"model '{model}': '{name}' is not a Hub model id; "
            "write hub:OWNER/NAME or hub:OWNER/NAME@REVISION, or path:DIR for a folder."
        )
    return Repository(location, revision)


def lock_path(directory: Path, repository: Repository) -> Path:
    return directory / "config" / "lock" / f"{repository.name}.json"


def read_lock(path: Path) -> Lock | None:
    """The lock file at `path`; None if it does not exist. Raises SinkscopeError if it is wrong."""
    if not path.is_file():
        return None
    try:
        lock = Lock(**read_json(path))
        good = (
            re.fullmatch(COMMIT, lock.commit)
            and all(re.fullmatch(NAME, file) for file in lock.files)
            and lock.files
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise SinkscopeError(f"{path}: is not a lock file ({error}); delete it.") from error
    if not good:
        raise SinkscopeError(
            f"{path}: has no commit of 40 hexadecimal digits, or names no files or files outside "
            "the model; delete it, and the next run writes a new one."
        )
    return lock


def needed(files: Iterable[str]) -> list[str]:
    """The files that are loaded: weights in one format, and BESIDES. Empty without safe weights."""
    names = set(files)
    besides = sorted(name for name in names if BESIDES.fullmatch(name))
    for whole, part in WEIGHTS:
        if whole in names:
            return sorted([whole, *besides])
        parts = [name for name in names if re.fullmatch(part, name)]
        if f"{whole}.index.json" in names and parts:
            return sorted([*parts, f"{whole}.index.json", *besides])
    return []
