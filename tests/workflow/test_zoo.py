"""`snakemake zoo`: what it would run, from nothing and after a part of it is done."""

import shutil

import pytest

from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.recipes import read_recipes
from small_zoo import RECIPES
from workflow.project import Project, copy_of_workflow

# A checkpoint comes after the one that it is distilled from.
CHECKPOINTS = sorted((found := read_recipes(RECIPES)), key=lambda name: bool(found[name].teacher))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "clone").mkdir()
    (tmp_path / "own").mkdir()
    return Project(tmp_path / "own", copy_of_workflow(tmp_path / "clone"))


def finish(project):
    """What a complete run would leave behind, empty, in the order it would be made."""
    made = ["packages.done", *(f"corpus/{name}" for name in
            ("train.jsonl.xz", "heldout.jsonl.xz", "sources.tsv")), "tokenizers/made"]  # fmt: skip
    made += [f"tokens/{family}.safetensors" for family in FAMILIES]
    for name in CHECKPOINTS:
        made += [f"trained/{name}/made", f"evaluated/{name}.parquet", f"cards/{name}/README.md"]
    for path in made:
        target = project.folder / "results" / "zoo" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")


def test_everything_is_built_from_packages_to_cards(project):
    planned = project.planned("zoo")
    assert planned["zoo_download"] == planned["zoo_corpus"] == planned["zoo_tokenizers"] == 1
    assert planned["zoo_tokens"] == len(FAMILIES)
    for rule in ("zoo_train", "zoo_evaluate", "zoo_card"):
        assert planned[rule] == len(CHECKPOINTS)


def test_the_default_target_trains_nothing(project):
    assert not any(rule.startswith("zoo") for rule in project.planned())


def test_a_family_that_is_finished_is_not_trained_again(project):
    finish(project)
    assert project.planned("zoo") == {"zoo": 1}
    zoo = project.folder / "results" / "zoo"
    for path in (zoo / "trained" / "opt", zoo / "cards" / "opt"):
        shutil.rmtree(path)
    (zoo / "evaluated" / "opt.parquet").unlink()
    assert project.planned("zoo") == {"zoo_train": 1, "zoo_evaluate": 1, "zoo_card": 1, "zoo": 1}


def test_a_recipe_that_cannot_be_is_one_sentence(project):
    recipes = project.workflow / "config" / "zoo" / "recipes.yaml"
    recipes.write_text(recipes.read_text().replace("steps: 30000", "steps: none"))
    done = project.snakemake("--dry-run", "zoo")
    assert done.returncode != 0
    assert "checkpoint 'falcon'" in done.stdout
    assert "Traceback" not in done.stdout
