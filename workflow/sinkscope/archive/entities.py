"""Entities of a crate's metadata: authors, licences, software, models, files."""

import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from rocrate.model import ContextEntity, Entity
from rocrate.rocrate import ROCrate

from sinkscope.archive.citation import Author
from sinkscope.archive.contents import SNAPSHOT, Item
from sinkscope.archive.record import Model

SPDX = "https://spdx.org/licenses/"
FORMATS = {
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
NAMES = {
    SNAPSHOT: "The merged configuration that ran",
    "config/config.yaml": "The settings",
    "config/claims.yaml": "The claims that the run was tested on",
    "CITATION.cff": "Title, authors and licence",
    "requirements.lock": "The packages that this version of Sinkscope was tested with",
    "versions.txt": "The packages that were installed when the report was written",
    "README.md": "What is in this archive",
}


def add(crate: ROCrate, id_: str, kind: str, **values: Any) -> Entity:
    """A contextual entity; values that are None are left out."""
    given = {key: value for key, value in values.items() if value is not None}
    return crate.add(ContextEntity(crate, id_, properties={"@type": kind, **given}))


def single(values: list[Entity]) -> Entity | list[Entity]:
    """One value as it is; RO-Crate asks for lists of several only."""
    return values[0] if len(values) == 1 else values


def add_licence(crate: ROCrate, licence: str) -> Entity:
    url = licence if licence.startswith("https://") else SPDX + quote(licence)
    return add(crate, url, "CreativeWork", name=licence, identifier=url)


def add_author(crate: ROCrate, number: int, who: Author) -> Entity:
    place = who.affiliation
    return add(
        crate,
        who.url or f"#author-{number}",
        "Person" if who.is_person else "Organization",
        name=who.name,
        affiliation=add(crate, f"#{quote(place)}", "Organization", name=place) if place else None,
    )


def add_software(crate: ROCrate, name: str, version: str) -> Entity:
    """A package in one version. The label of a local build (+cpu) is not in an address of PyPI."""
    public = version.partition("+")[0]
    url = f"https://pypi.org/project/{name}/{public}/"
    if name == "python":
        url = f"https://www.python.org/downloads/release/python-{version.replace('.', '')}/"
    return add(crate, url, "SoftwareApplication", name=name, softwareVersion=version, url=url)


def add_model(crate: ROCrate, model: Model) -> Entity:
    facts = model.facts
    spdx = None  # of a PyPI package; the names of the Hub are others ("mit", "llama2")
    if model.licence and not model.source.startswith("hub:"):
        spdx = re.fullmatch(r"[A-Za-z0-9.+-]+", model.licence)
    return add(
        crate,
        f"#model-{quote(model.name)}",
        "CreativeWork",
        name=f"Model {model.name}",
        description=f"{facts['architecture']}, {facts['n_parameters']:,} parameters, "
        f"{facts['n_layers']} layers of {facts['n_heads']} heads, run in {facts['dtype']}",
        identifier=model.source,
        version=model.revision,
        url=model.url,
        license=add_licence(crate, spdx[0]) if spdx else model.licence,
    )


def add_folder(crate: ROCrate, name: str, title: str) -> Entity:
    return crate.add_dataset(dest_path=name, properties={"name": title})


def add_file(crate: ROCrate, item: Item, name: str = "") -> Entity:
    shown = name or NAMES.get(item.name) or item.shown or item.name
    return crate.add_file(dest_path=item.name, properties={"name": shown, **facts_of(item)})


def facts_of(item: Item) -> dict[str, str]:
    kind = FORMATS.get(PurePosixPath(item.name).suffix, "text/plain")
    return {"contentSize": str(item.n_bytes), "encodingFormat": kind, "sha256": item.sha256}
