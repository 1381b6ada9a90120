"""What a wheel holds, and that it works without the clone."""

import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from package.conftest import ROOT, build_wheel, run

# Folders of the repository, and where a wheel has them.
FOLDERS = {
    "workflow/sinkscope": "sinkscope",
    "workflow/rules": "sinkscope/data/workflow/rules",
    "workflow/profiles": "sinkscope/data/workflow/profiles",
    "config": "sinkscope/data/config",
    "corpus": "sinkscope/data/corpus",
    "zoo": "sinkscope/data/zoo",
}


@pytest.fixture
def project(environment, tmp_path):
    """A new project of an installed package, cut down to one model and one document."""
    done = environment.run("sinkscope", "init", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    folder = tmp_path / "mine"
    for table in ("models", "documents"):
        path = folder / f"config/{table}.tsv"
        rows = [row for row in path.read_text().splitlines() if not row.startswith("#")]
        path.write_text("\n".join(rows[:2]) + "\n")
    return folder


def test_a_wheel_holds_the_package_and_all_that_it_reads(wheel):
    expected = {"sinkscope/data/workflow/Snakefile"}
    for folder, place in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT / folder).as_posix()
            left_out = "__pycache__" in name or name.startswith("lock/")
            if path.is_file() and not left_out and not path.name.startswith("test_"):
                expected.add(f"{place}/{name}")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    own = {name for name in names if ".dist-info/" not in name}
    assert own == expected
    assert {"sinkscope/py.typed", "sinkscope/data/zoo/gpt2/model.safetensors"} < own
    assert "sinkscope-0.1.0.dist-info/licenses/LICENSE" in names


def test_a_wheel_of_the_sdist_is_the_same(wheel, tmp_path):
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "-d", tmp_path)
    (sdist,) = tmp_path.glob("*.tar.gz")
    again = build_wheel(sdist, tmp_path / "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_installed_command_works_in_any_folder(environment, tmp_path):
    where = environment.run(
        "python", "-c", "import sinkscope; print(*sinkscope.__path__)", cwd=tmp_path
    )
    assert Path(where.stdout.strip()) == environment.packages / "sinkscope"
    version = environment.run("sinkscope", "--version", cwd=tmp_path)
    assert (version.returncode, version.stdout) == (0, "sinkscope 0.1.0\n")
    text = "Z He came. She left."
    look = environment.run("sinkscope", "look", "--model", "zoo:gpt2", "--text", text, cwd=tmp_path)
    assert look.returncode == 0, look.stdout
    assert "first token" in look.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_project_is_one_sentence_of_a_dry_run(environment, project):
    done = environment.snakemake("--dry-run", cwd=project)
    assert done.returncode == 0, done.stdout
    assert "Extracting zoo-gpt2, documents of shard 0000" in done.stdout
    with (project / "config/config.yaml").open("a") as stream:
        stream.write("epsilonn: 0.2\n")
    done = environment.snakemake("--dry-run", cwd=project)
    assert done.returncode == 1
    assert "unknown key 'epsilonn'; did you mean 'epsilon'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_project_runs_without_the_clone(environment, project):
    small = ("--config", "experiments=[]")
    done = environment.snakemake(*small, cwd=project)
    assert done.returncode == 0, done.stdout
    assert "zoo-gpt2" in (project / "reports/index.html").read_text()
    masses = pl.read_csv(project / "results/tables/sink_mass.csv")
    assert masses["model"].unique().to_list() == ["zoo-gpt2"]
    assert masses["document"].unique().to_list() == ["lighthouse"]
    again = environment.snakemake(*small, cwd=project)
    assert "Nothing to be done" in again.stdout
    assert "sinkscope 0.1.0" in (project / "reports/run.html").read_text()  # not a commit


def test_a_project_lists_what_failed_and_reports_the_rest(environment, project):
    """Its own handlers run what Snakemake does not run of a module."""
    rows = (project / "config/models.tsv").read_text().splitlines()
    columns = rows[0].split("\t")
    absent = {"model": "absent", "source": "package:no-such-package"}
    rows.append("\t".join(absent.get(column, "") for column in columns))
    (project / "config/models.tsv").write_text("\n".join(rows) + "\n")
    done = environment.snakemake("--config", "experiments=[]", cwd=project)
    assert done.returncode == 1
    assert "nothing was started; correct this" in done.stdout
    assert not (project / "results").exists()
    done = environment.snakemake("--config", "experiments=[]", "--keep-going", cwd=project)
    assert done.returncode == 1
    assert "jobs failed:" in done.stdout or "1 job failed:" in done.stdout
    assert "The report of what has finished: reports/index.html" in done.stdout
    assert "1 of 2 cells" in (project / "reports/index.html").read_text()
