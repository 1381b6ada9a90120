"""What results depend on reaches their jobs, and planning changes nothing."""

import hashlib
import shutil

import polars as pl
import pytest

import tiny
from workflow.project import Project, copy_of_workflow

SMALL = ("experiments=[norms,induction]", "induction_tokens=6", "induction_seeds=2")
OPTIONS = ("--config", *SMALL, "padded_counting=False")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project of a decoder with random weights that has run once."""
    folder = tmp_path_factory.mktemp("requests")
    made = Project(folder / "project", copy_of_workflow(folder / "clone"))
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    tokenizer.save_pretrained(made.folder / "decoder")
    tiny.network("gpt2", vocab_size=len(tokenizer)).save_pretrained(made.folder / "decoder")
    made.write("texts/one.txt", "abc dab cab bad add! dad bac cad abd dca bda cba acd " * 3)
    made.models("decoder\tpath:decoder")
    made.documents("one")
    done = made.snakemake(*OPTIONS)
    assert done.returncode == 0, done.stdout
    return made


@pytest.fixture
def project(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "project", symlinks=True)
    copied = Project.__new__(Project)
    copied.folder, copied.workflow = tmp_path / "project", finished.workflow
    return copied


def files(project):
    """Hash and time of every file of the folder that is not Snakemake's own."""
    return {
        str(path.relative_to(project.folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(project.folder.rglob("*"))
        if path.is_file() and ".snakemake" not in path.parts
    }


def check(project, *options):
    return project.sinkscope("check", *options)


def test_two_runs_of_one_folder_keep_their_settings_apart(project):
    """The second starts while jobs of the first wait; each job is given what its run asked for."""
    few = project.start("norms_tables", *OPTIONS, "experiment_tokens=16", "--cores", "1")
    many = project.start("induction_tables", *OPTIONS, "experiment_tokens=100", "--cores", "1")
    for process in (few, many):
        said, _ = process.communicate()
        assert process.returncode == 0, said
    norms = pl.read_parquet(project.folder / "results/tables/norms.parquet")
    assert norms["position"].max() == 15
    asked = ("norms_tables", *OPTIONS)
    assert project.planned(*asked, "experiment_tokens=16") == {}
    assert project.planned(*asked, "experiment_tokens=100") == {"measure": 1, "norms_tables": 1}


def test_without_a_record_of_snakemake_results_are_known_by_what_they_state(project):
    shutil.rmtree(project.folder / ".snakemake")
    assert project.planned(*OPTIONS) == {}
    for change, rule in (
        ("window=32", "extract"),
        ("epsilon=0.2", "reduce"),
        ("experiment_tokens=16", "measure"),
        ("induction_threshold=0.9", "induction_tables"),
        ("documents_in_report=0", "maps"),
        ("dtype=bfloat16", "extract"),
    ):
        assert project.planned(*OPTIONS, change)[rule] == 1, change
    project.write("texts/one.txt", "abc dab cab. Another text")
    assert project.planned(*OPTIONS)["extract"] == 1


def test_results_that_are_copied_elsewhere_are_known_again(project, tmp_path):
    """Without a record of Snakemake, and with another folder."""
    shutil.copytree(project.folder, tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / ".snakemake")
    project.folder = tmp_path / "moved"
    assert project.planned(*OPTIONS) == {}


@pytest.mark.parametrize("how", ["--dry-run", "--lint", "--summary"])
def test_planning_writes_and_deletes_nothing(project, how):
    table = project.folder / "results/tables/heads.parquet"
    table.write_bytes(table.read_bytes()[:1000])
    (project.folder / "results/reduced/decoder/.heads.parquet.abcd1234.part").touch()
    before = files(project)
    project.snakemake(how, *OPTIONS, "window=32")
    assert files(project) == before


def test_a_folder_that_is_only_planned_stays_as_it_is(tmp_path, finished):
    fresh = Project(tmp_path / "fresh", finished.workflow)
    fresh.models("gpt2\tpath:decoder")
    shutil.copytree(finished.folder / "decoder", fresh.folder / "decoder")
    before = files(fresh)
    assert fresh.planned(*OPTIONS)["extract"] == 1
    assert files(fresh) == before


def test_check_names_what_is_damaged_and_the_next_run_makes_it_again(project):
    whole = {name: data for name, (data, _) in files(project).items()}
    done = check(project)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stdout
    damaged = ["results/tables/heads.parquet", "results/cells/decoder/one.safetensors"]
    damaged += ["results/figures/decoder/sink_mass.svg", "reports/decoder.html"]
    for name in damaged:
        path = project.folder / name
        path.write_bytes(path.read_bytes()[:-3])
    gone = "results/experiments/norms/decoder/0000/norms.parquet"
    (project.folder / gone).unlink()
    begun = project.folder / "results/reduced/decoder/.heads.parquet.abcd1234.part"
    begun.touch()
    done = check(project)
    assert done.returncode == 1
    for name in damaged:
        assert f"damaged: {name}: is not what its job wrote" in done.stdout
    assert f"damaged: {gone}: is missing" in done.stdout
    assert f"left behind: {begun.relative_to(project.folder)}" in done.stdout
    assert "5 damaged, 1 left behind" in done.stdout.splitlines()[-1]
    assert project.planned(*OPTIONS) == {}
    assert check(project, "--repair").returncode == 0
    assert not begun.exists()
    done = project.snakemake(*OPTIONS)
    assert done.returncode == 0, done.stdout
    assert check(project).returncode == 0
    now = {name: data for name, (data, _) in files(project).items()}
    results = [
        name for name in whole if name.endswith((".parquet", ".csv", ".svg", ".safetensors"))
    ]
    assert len(results) > 30
    assert [name for name in results if now[name] != whole[name]] == []


def test_check_says_what_is_stale_and_why(project):
    config = project.folder / "results/config.yaml"
    config.write_text(config.read_text().replace("window: 64", "window: 32"))
    done = check(project)
    assert done.returncode == 1
    assert "computed from other settings.window: 64, now 32" in done.stdout
    config.write_text(config.read_text().replace("- norms\n", ""))
    done = check(project)
    assert "stale: results/made/norms." in done.stdout
    assert "the configuration does not ask for it" in done.stdout


def test_a_table_that_is_damaged_is_named_where_it_is_read_and_made_again(project):
    table = project.folder / "results/reduced/decoder/heads.parquet"
    table.write_bytes(table.read_bytes()[:1000])
    done = project.snakemake("--forcerun", "tables", "--", "tables")
    assert done.returncode != 0
    sentence = "results/reduced/decoder/heads.parquet: is not a complete Parquet file; run again"
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout
    done = project.snakemake("tables", *OPTIONS)
    assert done.returncode == 0, done.stdout


def test_a_cell_that_is_damaged_is_named_where_it_is_read_and_made_again(project):
    cell = project.folder / "results/cells/decoder/one.safetensors"
    before = cell.read_bytes()
    cell.write_bytes(before[:-1])
    done = project.snakemake("tables", *OPTIONS, "epsilon=0.2")
    assert done.returncode != 0
    assert "results/cells/decoder/one.safetensors: is missing, or not what its job" in done.stdout
    done = project.snakemake("tables", *OPTIONS, "epsilon=0.2")
    assert done.returncode == 0, done.stdout
    assert cell.read_bytes() == before


def test_the_report_of_what_has_finished_needs_no_snakemake(project):
    project.models("decoder\tpath:decoder", "absent\tpackage:no-such-package")
    (project.folder / "results/config.yaml").unlink()
    shutil.copy(project.folder / "config/config.yaml", project.folder / "results/config.yaml")
    done = project.sinkscope("report", "--partial")
    assert done.returncode == 0, done.stdout
    page = (project.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "1 of 2 cells" in page
    assert "Traceback" not in done.stdout


def test_documents_that_were_changed_after_planning_are_not_taken_for_those(project):
    """A job that starts late is given the hash of what its run had read."""
    wanted = project.wanted(window=32)
    request = wanted.extract("decoder", "0000")
    project.write("texts/one.txt", "abc dab cab. Another text")
    options = ["--log", f"results/logs/{request.log}.log", "--stamp", request.stamp]
    done = project.sinkscope(*options, *request.arguments)
    assert done.returncode == 1
    assert "the documents of shard 0000 were changed after this run was started" in done.stdout
    assert not (project.folder / request.stamp).exists()


def test_a_report_is_of_the_models_that_its_run_had_read(project):
    """As of documents: what it shows is what its stamp states."""
    raw = {"experiments": ["norms", "induction"], "padded_counting": False}
    request = project.wanted(**raw, induction_tokens=6, induction_seeds=2).report()
    project.models("decoder\tpath:decoder", "another\tpath:decoder")
    before = (project.folder / "reports/index.html").read_bytes()
    options = ["--log", f"results/logs/{request.log}.log", "--stamp", request.stamp]
    done = project.sinkscope(*options, *request.arguments)
    assert done.returncode == 1
    assert "models, documents or weights were changed after this run was started" in done.stdout
    assert (project.folder / "reports/index.html").read_bytes() == before
