"""The published grid, from a hub on this machine that has the zoo's checkpoints in its place."""

import json

import polars as pl
import pytest

from hub.conftest import ROOT
from hub.server import serving
from workflow.project import MINILM, Project, copy_of_workflow

# Which checkpoint stands for each published model: one of the same architecture.
STAND_INS = {
    "distilbert/distilbert-base-uncased": "distilbert",
    "google-bert/bert-base-uncased": "bert",
    "FacebookAI/roberta-large": "roberta",
    "facebook/opt-125m": "opt",
    "openai-community/gpt2-large": "gpt2",
    "tiiuae/falcon-rw-1b": "falcon",
    "meta-llama/Llama-2-7b-hf": "llama",
}
PUBLISHED = ("--configfile", "config/published.yaml", "--config", "device=cpu")
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def project(tmp_path_factory, module_patch):
    """A user's folder and a hub, Llama gated, before anything has run."""
    folder = tmp_path_factory.mktemp("published")
    with serving() as hub:
        for name, checkpoint in STAND_INS.items():
            gated = name.startswith("meta-llama")
            hub.add(name, ROOT / "zoo" / checkpoint, gated=gated, readers=("good-token",))
        made = Project(folder / "project", copy_of_workflow(folder / "clone"))
        made.hub = hub
        module_patch.setenv("HF_ENDPOINT", hub.url)
        module_patch.setenv("HF_HOME", str(folder / "hub-home"))
        module_patch.setenv("HF_HUB_OFFLINE", "0")
        module_patch.setenv("HF_TOKEN", "good-token")
        yield made


@pytest.fixture(scope="module")
def finished(project, module_patch):
    """Downloaded with a network, then run without one."""
    done = project.snakemake("downloads", *PUBLISHED)
    assert done.returncode == 0, done.stdout
    module_patch.setenv("HF_ENDPOINT", NOWHERE)
    done = project.snakemake("results/tables/sink_mass.parquet", *PUBLISHED)
    assert done.returncode == 0, done.stdout
    return project


def test_the_grid_of_the_studies_runs_from_the_cache_alone(finished):
    models = pl.read_parquet(finished.folder / "results/tables/models.parquet")
    commits = {f"hub:{name}": finished.hub.commit(name, "main") for name in STAND_INS}
    assert dict(zip(models["source"], models["revision"], strict=True)) == commits
    assert dict(zip(models["model"], models["dtype"], strict=True)) == {
        name: "bfloat16" if name == "llama-2-7b" else "float32"
        for name in models["model"]
    }  # fmt: skip
    masses = pl.read_parquet(finished.folder / "results/tables/sink_mass.parquet")
    assert masses["model"].n_unique() == 7


def test_every_model_has_its_lock_and_a_second_run_does_nothing(finished):
    locks = [json.loads(path.read_text()) for path in finished.folder.glob("config/lock/*.json")]
    assert {lock["id"]: lock["commit"] for lock in locks} == {
        name: finished.hub.commit(name, "main") for name in STAND_INS
    }
    assert finished.planned("results/tables/sink_mass.parquet", *PUBLISHED) == {}


def test_a_lock_that_names_another_commit_downloads_and_extracts_that_model_again(finished):
    path = finished.folder / "config/lock/openai-community--gpt2-large.json"
    before = path.read_text()
    lock = json.loads(before)
    path.write_text(json.dumps(lock | {"commit": "0" * 40}))
    planned = finished.planned("results/tables/sink_mass.parquet", *PUBLISHED)
    path.write_text(before)
    assert planned == {
        "download": 1,
        "extract": 1,
        "measure": 1,
        "reduce": 1,
        "tables": 1,
        "tables_files": 1,
    }


def test_forced_anew_everything_stays_at_the_locked_commits(finished):
    path = finished.folder / "config/lock/openai-community--gpt2-large.json"
    before = path.read_text()
    done = finished.snakemake("downloads", "--forceall", *PUBLISHED)
    assert done.returncode == 0, done.stdout
    assert path.read_text() == before


def test_a_clone_with_locks_takes_these_commits_and_asks_for_no_others(finished):
    """Locks committed by somebody else, and a hub whose main branch has moved on."""
    before = len(finished.hub.requests)
    folder = finished.folder / "results" / "hub"
    for path in folder.glob("*.json"):
        path.unlink()
    done = finished.snakemake("downloads", *PUBLISHED)
    assert done.returncode == 0, done.stdout
    assert len(list(folder.glob("*.json"))) == 7
    assert len(finished.hub.requests) == before


def test_a_group_is_picked_and_an_unknown_one_is_named(project):
    picked = project.planned("downloads", *PUBLISHED, "groups=[pythia,mistral]")
    assert (picked["lock"], picked["download"]) == (4, 4)
    done = project.snakemake("downloads", *PUBLISHED, "groups=[nobody]")
    assert done.returncode != 0
    assert "config/published.tsv has no such group; groups are studies, open, " in done.stdout


def test_a_model_that_is_refused_is_listed_with_what_to_do(project, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", project.hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.delenv("HF_TOKEN")
    other = Project(tmp_path / "other", project.workflow)
    other.models(MINILM, "llama\thub:meta-llama/Llama-2-7b-hf")
    done = other.snakemake("--keep-going", "--config", "experiments=[]")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    page = (other.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "accept the conditions on" in page
    assert "HF_TOKEN" in page
    assert (other.folder / "reports/minilm.html").is_file()


def test_claims_are_tested_on_the_very_models_that_they_speak_about(finished):
    """Small stand-ins under the published names: of these models every claim is decided."""
    done = finished.snakemake("results/tables/claims.parquet", *PUBLISHED)
    assert done.returncode == 0, done.stdout
    claims = pl.read_parquet(finished.folder / "results/tables/claims.parquet")
    there = set(pl.read_parquet(finished.folder / "results/tables/models.parquet")["model"])
    decided = claims.filter(pl.col("verdict") != "not tested here")
    assert set(decided["subject"]) == there == set(decided["model"])
    assert set(decided["verdict"]) == {"holds", "does not hold"}
    share = claims.filter(claim="gpt2-share").row(0, named=True)
    counts = pl.read_parquet(finished.folder / "results/tables/max_attention_tokens.parquet")
    own = counts.filter(model="gpt2-large")
    z = own.filter(token="Z")["count"].sum() / own["count"].sum()
    assert share["measured"] == pytest.approx(z)
    assert share["difference"] == pytest.approx(z - 41240 / 55332)
    assert finished.planned("results/tables/claims.parquet", *PUBLISHED) == {}


def test_a_changed_claim_is_judged_anew_and_nothing_else(finished):
    path = finished.folder / "config/claims.yaml"
    before = path.read_text()
    changed = before.replace("within: 0.1 }", "within: 0.2 }")
    path.write_text(f"shipped: false\n{changed}")
    planned = finished.planned("results/tables/claims.parquet", *PUBLISHED)
    path.write_text(before)
    assert planned == {"claims_tables": 1, "claims_tables_files": 1}
