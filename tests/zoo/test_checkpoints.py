"""The checkpoints that this repository ships: complete, small, and what their recipes say."""

import json
import math
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

import tiny
from sinkscope.extract.architecture import attention_of
from sinkscope.extract.model import load_model
from sinkscope.tsv import read_tsv
from sinkscope.zoo import evaluate
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.tokens import load_tokenizer

ROOT = Path(__file__).parents[2]
ZOO = sorted(path.parent for path in (ROOT / "zoo").glob("*/config.json"))
MB = 1_000_000


@pytest.fixture(params=ZOO, ids=lambda folder: folder.name)
def folder(request):
    return request.param


def test_the_default_grid_has_every_checkpoint():
    rows = [row for _, row in read_tsv("config/models.tsv", ROOT, "models")]
    assert {row["model"]: row["source"] for row in rows if "zoo" in row["source"]} == {
        f"zoo-{folder.name}": f"zoo:{folder.name}" for folder in ZOO
    }


def test_together_they_are_small():
    sizes = [(folder / "model.safetensors").stat().st_size for folder in ZOO]
    assert max(sizes) <= 8 * MB
    assert sum(sizes) <= 70 * MB


def test_a_checkpoint_is_what_its_recipe_makes(folder, recipes):
    recipe = recipes[folder.name]
    loaded = load_model(tiny.row(source=f"zoo:{folder.name}"), ROOT)
    facts = loaded.facts()
    assert facts["family"] == FAMILIES[recipe.family].kind
    assert facts["attention"] == recipe.attention == attention_of(loaded.network.config)
    assert facts["n_layers"] == recipe.n_layers
    assert facts["n_heads"] == recipe.n_heads
    assert facts["hidden_size"] == recipe.hidden_size
    assert loaded.network.config.vocab_size == recipe.vocabulary
    if recipe.family != "falcon":  # ALiBi: any length
        assert facts["max_length"] == recipe.max_length


def test_its_log_is_of_the_whole_training(folder, recipes):
    recipe = recipes[folder.name]
    log = pl.read_parquet(folder / "training_log.parquet")
    assert log["model"].unique().to_list() == [recipe.model]
    steps = log["step"].unique().sort().to_list()
    assert steps[0] == 0
    assert steps[-1] == recipe.steps
    assert len(steps) > 16
    tokens = sum(math.prod(recipe.batch_size(step)) for step in range(recipe.steps))
    assert log["tokens"].max() == tokens
    assert log.select("step", "window", "layer", "head").is_duplicated().sum() == 0


def test_its_card_says_what_was_measured(folder):
    card = (folder / "README.md").read_text()
    evaluation = pl.read_parquet(folder / "evaluation.parquet")
    shown = evaluation.filter(pl.col("input") == "as_trained")
    assert f"{shown['loss'][0]:.3f} nats" in card
    assert all(f"{mass:.3f}" in card for mass in shown["first_and_special"])
    assert "It is not the\npublished model" in card
    strongest = shown.filter(pl.col("window") == 64)["first_and_special"].max()
    assert ("it has no sink" in card) == (strongest < 0.3)


def test_it_has_learned_english(folder, recipes, monkeypatch):
    """On the eight documents of the default run, whose words it never saw together.

    One batch of 8 rows of 640 tokens: it has nearly three times the 1,900 tokens of the documents.
    """
    monkeypatch.setattr(evaluate, "N_BATCHES", 1)
    recipe = recipes[folder.name]
    kind = FAMILIES[recipe.family].kind
    loader = AutoModelForMaskedLM if kind == "encoder" else AutoModelForCausalLM
    network = loader.from_pretrained(folder, dtype=torch.float32).eval()
    texts = [path.read_text() for path in sorted((ROOT / "corpus").glob("*.txt"))]
    tokenizer = load_tokenizer(folder)
    loss = evaluate.loss_on(network, tokenizer, recipe, texts)
    assert loss < math.log(recipe.vocabulary) / 1.8


def test_weights_are_half_precision_safetensors(folder):
    with (folder / "model.safetensors").open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    assert kinds == {"F16"}


def test_every_source_of_the_corpus_is_listed_with_its_licence():
    listed = pl.read_csv(ROOT / "zoo" / "sources.tsv", separator="\t")
    wanted = pl.read_csv(ROOT / "config" / "zoo" / "sources.tsv", separator="\t")
    assert set(listed["package"]) == set(wanted["package"])
    assert listed["licence"].null_count() == 0
    assert listed["bytes"].sum() > 100 * MB
