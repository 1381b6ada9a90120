"""The metadata of an archive: a Workflow Run Crate 0.5, which is a Workflow RO-Crate 1.0.

Sources: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), Workflow RO-Crate 1.0
(https://w3id.org/workflowhub/workflow-ro-crate/1.0), Process Run Crate and Workflow Run Crate 0.5
(https://w3id.org/ro/wfrun/workflow/0.5).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rocrate.model import ComputationalWorkflow, Entity
from rocrate.rocrate import ROCrate

from sinkscope.archive import entities
from sinkscope.archive.citation import Citation
from sinkscope.archive.contents import MAIN, Contents, Item
from sinkscope.archive.record import Record
from sinkscope.catalogue import all_tables
from sinkscope.references import references

VERSION = "1.1"  # of RO-Crate, that the profiles are written for
PROFILE = "https://w3id.org/ro/wfrun/workflow/0.5"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    PROFILE: ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"  # has sha256
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"


@dataclass(frozen=True)
class Described:
    """The content of the metadata. readme, versions: files that only the archive has."""

    name: str
    description: str
    citation: Citation
    record: Record
    contents: Contents
    readme: Item
    versions: Item


def metadata_of(one: Described) -> str:
    """The content of ro-crate-metadata.json."""
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_contexts.append(TERMS)
    about_crate(crate, one)
    workflow = add_workflow(crate, one)
    inputs = [entities.add_file(crate, item) for item in one.contents.configuration]
    inputs += [entities.add_file(crate, item) for item in one.contents.documents]
    inputs += [entities.add_model(crate, model) for model in one.record.models]
    report = entities.add_folder(crate, "reports/", "The report: pages, figures and maps")
    tables = entities.add_folder(
        crate, "results/tables/", "The tables, with the numbers of all figures"
    )
    outputs = [report, tables, *add_results(crate, one.contents.results)]
    action = add_action(crate, one.record, workflow, inputs, outputs)
    entities.add_file(crate, one.versions)
    entities.add_file(crate, one.readme)["about"] = crate.root_dataset
    records = entities.add_folder(
        crate, "results/", "Tables, and a record of every job: request, times, SHA-256 of its files"
    )
    records["about"] = action
    crate.root_dataset["mentions"] = action
    return json.dumps(crate.metadata.generate(), indent=1, sort_keys=True, ensure_ascii=False)


def about_crate(crate: ROCrate, one: Described) -> None:
    root, citation = crate.root_dataset, one.citation
    root["name"], root["description"] = one.name, one.description
    root["datePublished"] = root["dateCreated"] = one.record.ended
    root["license"] = entities.single(
        [entities.add_licence(crate, licence) for licence in citation.licences]
    )
    root["author"] = entities.single(
        [entities.add_author(crate, *one) for one in enumerate(citation.authors, 1)]
    )
    if citation.keywords:
        root["keywords"] = ", ".join(citation.keywords)
    if citation.doi:
        root["identifier"] = f"https://doi.org/{citation.doi}"
    root["citation"] = [
        entities.add(
            crate,
            work.url,
            "ScholarlyArticle",
            name=work.title,
            author=work.authors,
            datePublished=work.year,
        )
        for work in references().values()
    ]
    root["conformsTo"] = [
        entities.add(crate, url, "CreativeWork", name=name, version=version)
        for url, (name, version) in PROFILES.items()
    ]


def add_workflow(crate: ROCrate, one: Described) -> Entity:
    """The workflow that ran, as the crate's main entity, with the packages that it ran on."""
    versions = dict(one.record.software)
    main, *others = sorted(one.contents.code, key=lambda item: item.name != MAIN)
    workflow = crate.add_workflow(
        dest_path=main.name,
        main=True,
        lang="snakemake",
        lang_version=versions.get("snakemake"),
        cls=ComputationalWorkflow,
        properties={
            "name": "Sinkscope",
            "description": "Runs language models over documents, measures attention sinks, and "
            "writes tables, figures and a report.",
            "version": one.record.commit,
            **entities.facts_of(main),
        },
    )
    workflow["url"] = "https://pypi.org/project/sinkscope/"
    workflow["conformsTo"] = entities.add(
        crate, BIOSCHEMAS, "CreativeWork", name="Bioschemas ComputationalWorkflow", version="1.0"
    )
    workflow["license"] = entities.add_licence(crate, "Apache-2.0")
    workflow["softwareRequirements"] = [
        entities.add_software(crate, name, version) for name, version in one.record.software
    ]
    folder = entities.add_folder(crate, "workflow/", "The workflow, and the code that its jobs ran")
    rules = [item for item in others if item.name.endswith(".smk")]
    folder["hasPart"] = [workflow, *(entities.add_file(crate, item) for item in rules)]
    return workflow


def add_results(crate: ROCrate, items: Iterable[Item]) -> list[Entity]:
    """The front page and the tables as file entities; files that they load are in their folders."""
    tables, added = all_tables(), []
    for item in items:
        path = PurePosixPath(item.name)
        if item.name == "reports/index.html":
            added.append(entities.add_file(crate, item, "The report's front page"))
        elif path.parts[0] == "results":
            table = tables.get(path.stem)
            name = f"Table {path.stem}" + (f": {table.rows}" if table else "")
            added.append(entities.add_file(crate, item, name))
    return added


def add_action(
    crate: ROCrate,
    record: Record,
    workflow: Entity,
    inputs: Sequence[Entity],
    outputs: Sequence[Entity],
) -> Entity:
    """The run. Who started it is not recorded."""
    return entities.add(
        crate,
        "#run",
        "CreateAction",
        name="Run of Sinkscope",
        description="The jobs that computed these results, including jobs of earlier runs that "
        "are still current.",
        instrument=workflow,
        startTime=record.started,
        endTime=record.ended,
        actionStatus="http://schema.org/CompletedActionStatus",
        object=list(inputs),
        result=list(outputs),
    )
