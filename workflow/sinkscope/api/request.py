"""The arguments of a call of `look`: a model, a text, and the settings."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from sinkscope.atlas.limits import Limits, limits_of
from sinkscope.config import (
    ModelRow,
    Settings,
    find_model,
    read_config,
    read_models,
    settings_of,
)
from sinkscope.documents import Document, decode, read_documents
from sinkscope.errors import SinkscopeError
from sinkscope.printable import printable
from sinkscope.schema import checked

# Paths of the tables in a clone; the defaults if no configuration names others.
TABLES = {
    "config": "config/config.yaml",
    "models": "config/models.tsv",
    "documents": "config/documents.tsv",
}


def text_of(text: str | None, file: Path | None) -> Document:
    """The text of an option, a file or (`-`) standard input. Raises SinkscopeError if none or both
    are given, and for an empty or unreadable text."""
    if (text is None) == (file is None):
        raise SinkscopeError("look: give either --text or --file.")
    if file is None:
        document = Document("text", "--text", None, as_unicode(text or ""))
    elif str(file) == "-":
        contents = decode(sys.stdin.buffer.read(), "standard input")
        document = Document("text", "standard input", None, contents)
    else:
        document, *others = read_documents("text", file, str(file), "text")
        if others:
            raise SinkscopeError(f"look: {file} holds several documents; give one as a text file.")
    if not document.text.strip():
        raise SinkscopeError("look: the text is empty; give some words.")
    return document


def request(
    model: str, heads: list[str], device: str | None, config: Path | None, directory: Path
) -> tuple[ModelRow, Settings, Limits]:
    """The model row and settings of a call of `look`, and the limits of its tables. model: a name
    or a source. Raises SinkscopeError for an unknown model, a head that is not LAYER/HEAD, and a
    bad device."""
    raw = configuration(config, directory)
    if device is not None:
        raw = checked(raw | {"device": device}, "config", "--device")
    if ":" in model:
        name = model.partition(":")[2].rstrip("/").rpartition("/")[2].partition("@")[0]
        row = ModelRow(printable(name), model, None, raw["dtype"], raw["device"], None, "auto")
    elif (directory / raw["models"]).is_file():
        row = find_model(read_models(raw, directory), model)
    else:
        raise SinkscopeError(
            f"look: '{model}' is not a source, and {raw['models']} does not exist in {directory}; "
            "give a source (zoo:gpt2, package:NAME, path:DIR), or --directory."
        )
    row = replace(row, device=device or row.device)
    head_maps = [f"{row.model}/{head}" for head in heads]
    raw = checked(raw | {"head_maps": head_maps}, "config", "--head")
    return row, settings_of(raw), limits_of(raw)


def configuration(config: Path | None, directory: Path) -> dict[str, Any]:
    """The checked configuration; the defaults if none is named and no default file exists."""
    path = directory / (config or TABLES["config"])
    if config is None and not path.is_file():
        return checked({key: TABLES[key] for key in ("models", "documents")}, "config", "defaults")
    return checked(read_config(path), "config", str(path))


def as_unicode(text: str) -> str:
    """The text of --text, in which Python turns bytes that are not UTF-8 into halves of
    surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SinkscopeError(
            f"look: --text is not UTF-8 at character {error.start}; save it in a file as UTF-8 and "
            "give --file."
        ) from error
    return text
