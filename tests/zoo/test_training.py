"""Training through the same code as on a GPU, a few steps on the processor."""

import math

import numpy as np
import polars as pl
import pytest
import torch

from sinkscope.config import ModelRow
from sinkscope.derive.job import write_recorded
from sinkscope.errors import SinkscopeError
from sinkscope.extract.model import load_model
from sinkscope.files import sha256_of
from sinkscope.zoo import train
from sinkscope.zoo.batches import Batches
from sinkscope.zoo.card import publish, write_folder
from sinkscope.zoo.evaluate import run_evaluation
from sinkscope.zoo.families import FAMILIES, hidden_states
from sinkscope.zoo.step import Trainer, constant_masks
from sinkscope.zoo.tokens import load_tokenizer, read_stream
from small_zoo import small, train_on_cpu

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(recipes, made, tmp_path_factory):
    """A Llama trained for 40 steps, evaluated, in the folder it is published as."""
    folder = tmp_path_factory.mktemp("llama")
    recipe = small(recipes["llama"], steps=40)
    train_on_cpu(recipe, made, folder / "trained")
    evaluation = folder / "evaluation.parquet"
    run_evaluation(recipe, folder / "trained", made / "corpus", evaluation)
    write_folder(recipe, folder / "trained", evaluation, made / "corpus", folder / "llama")
    return recipe, folder


def test_a_family_learns_and_its_log_says_when(finished):
    recipe, folder = finished
    log = pl.read_parquet(folder / "llama" / "training_log.parquet")
    by_step = log.group_by("step").agg(pl.col("heldout_loss", "tokens").first()).sort("step")
    losses = by_step["heldout_loss"]
    assert losses[0] == pytest.approx(math.log(recipe.vocabulary), rel=0.05)
    assert losses[-1] < losses[0] - 1
    assert by_step["step"][-1] == recipe.steps
    assert by_step["tokens"][-1] == recipe.steps * 320
    shape = {(row["layer"], row["head"]) for row in log.iter_rows(named=True)}
    assert shape == {(i, j) for i in range(recipe.n_layers) for j in range(recipe.n_heads)}
    np.testing.assert_allclose(log["row_sum"], 1, rtol=1e-5)


def test_sinks_in_the_log_are_those_of_the_attention_matrices(finished, made):
    """An untrained copy of the network, by the library's own attention matrices."""
    recipe, _ = finished
    tokenizer = load_tokenizer(made / "tokenizers" / "llama")
    heldout = [text for text, _ in zip(stories(made), range(8), strict=False)]
    probe = train.Probe(recipe, tokenizer, heldout, CPU)
    torch.manual_seed(1)
    network = FAMILIES["llama"].build(recipe, tokenizer).eval()
    entry = probe.measure(network, 0, 0, math.nan)
    network.set_attn_implementation("eager")
    with torch.inference_mode():
        matrices = network(probe.windows[0].ids, output_attentions=True).attentions
    first = torch.stack(matrices)[..., 0].double().mean((1, 3))  # [layer, head]
    torch.testing.assert_close(entry.sinks[0, 0], first, rtol=1e-4, atol=1e-6)


def stories(made):
    from sinkscope.zoo.tokens import read_documents

    return (document["text"] for document in read_documents(made / "corpus" / "heldout.jsonl.xz"))


def test_equal_seeds_train_equal_checkpoints(recipes, made, tmp_path):
    recipe = small(recipes["bert"], steps=3)
    first, again = (train_on_cpu(recipe, made, tmp_path / name) for name in ("a", "b"))
    for name in ("model.safetensors", "training_log.parquet", "config.json", "tokenizer.json"):
        assert sha256_of(first / name) == sha256_of(again / name), name


VARIANTS = ["gpt2-off-by-one", "gpt2-sigmoid", "gpt2-learned-sink", "gpt2-gated"]


@pytest.mark.parametrize("name", [*VARIANTS, "distilbert", "falcon"])
def test_every_kind_trains_and_loads_as_what_it_is(name, recipes, made, tmp_path):
    recipe = small(recipes[name], steps=3, teacher=None)
    out = train_on_cpu(recipe, made, tmp_path / name)
    log = pl.read_parquet(out / "training_log.parquet")
    assert log["heldout_loss"].is_finite().all()
    assert log["heldout_loss"][-1] < log["heldout_loss"][0]
    assert log["layer", "head"].unique().height == 2 * 5
    sums_to_1 = recipe.attention in ("softmax", "gated_softmax")
    assert ((log["row_sum"] - 1).abs() > 1e-3).any() != sums_to_1
    row = ModelRow(recipe.model, f"path:{name}", None, "float32", "cpu", None, "auto")
    facts = load_model(row, tmp_path).facts()
    assert facts["attention"] == recipe.attention
    assert facts["family"] == FAMILIES[recipe.family].kind
    assert facts["max_length"] == recipe.max_length


@pytest.mark.parametrize(("name", "part"), [("gpt2-learned-sink", "sinks"), ("gpt2-gated", "gate")])
def test_what_a_variant_has_beside_gpt2_is_trained_too(name, part, recipes, made):
    recipe = small(recipes[name])
    tokenizer = load_tokenizer(made / "tokenizers" / "gpt2")
    stream = read_stream(made / "tokens" / "gpt2.safetensors")
    batches = Batches(stream, FAMILIES["gpt2"], tokenizer, 0, CPU)
    torch.manual_seed(0)
    network = FAMILIES["gpt2"].build(recipe, tokenizer)
    own = {key: value.clone() for key, value in network.state_dict().items() if part in key}
    assert len(own) == recipe.n_layers
    trainer = Trainer(network, FAMILIES["gpt2"], recipe)
    for _ in range(2):
        trainer.step(batches.draw(4, 80), 1e-2)
    for key, before in own.items():
        assert ((network.state_dict()[key] - before).abs().amax(-1) > 1e-3).all(), key


def test_a_published_folder_is_complete_and_the_report_reads_it(finished, made, tmp_path):
    recipe, folder = finished
    publish([folder / "llama"], made / "corpus" / "sources.tsv", tmp_path / "zoo")
    assert {path.name for path in (tmp_path / "zoo" / "llama").iterdir()} == {
        "README.md",
        "config.json",
        "evaluation.parquet",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "training_log.parquet",
    }
    row = ModelRow("zoo-llama", "path:zoo/llama", None, "float32", "cpu", None, "auto")
    assert load_model(row, tmp_path).n_layers == recipe.n_layers
    write_recorded("emergence", {"zoo-llama": tmp_path / "zoo" / "llama"}, tmp_path / "tables")
    inputs = pl.read_parquet(tmp_path / "tables" / "attachment.parquet")["input"].unique()
    assert set(inputs) == {"as_trained", "plain", "other_first", "special_moved"}


def test_a_card_says_what_the_model_is_not_and_its_numbers(finished):
    _, folder = finished
    card = (folder / "llama" / "README.md").read_text()
    evaluation = pl.read_parquet(folder / "llama" / "evaluation.parquet")
    shown = evaluation.filter(pl.col("input") == "as_trained", pl.col("window") == 64)
    assert card.startswith("# zoo-llama\n")
    assert "It is not the\npublished model" in card
    assert f"{shown['loss'][0]:.3f} nats" in card
    for mass in shown["first_and_special"]:
        assert f"| {mass:.3f} |" in card
    assert "CC0-1.0" in card
    assert "Apache-2.0" in card
    assert "**by that measure it has no sink**" in card  # 40 steps are too few


def test_moving_the_special_token_moves_what_is_measured(finished):
    """A network that attends evenly gives a moved token what its place alone would get."""
    _, folder = finished
    evaluation = pl.read_parquet(folder / "llama" / "evaluation.parquet")
    moved = evaluation.filter(pl.col("input") == "special_moved")
    assert moved["moved"].is_not_null().all()
    others = evaluation.filter(pl.col("input") != "special_moved")
    assert others["moved"].is_null().all()
    causal = sum(1 / (i + 1) for i in range(64)) / 64
    uniform = evaluation.filter(pl.col("input") == "plain", pl.col("window") == 64)["uniform"]
    np.testing.assert_allclose(uniform, causal, rtol=1e-12)


@pytest.mark.parametrize("name", [*sorted(FAMILIES), "gpt2-sigmoid", "gpt2-gated"])
def test_masks_that_are_made_once_are_the_masks_of_the_library(name, recipes, made):
    recipe = small(recipes[name])
    family = recipe.family
    tokenizer = load_tokenizer(made / "tokenizers" / family)
    stream = read_stream(made / "tokens" / f"{family}.safetensors")
    batches = Batches(stream, FAMILIES[family], tokenizer, 0, CPU)
    network = FAMILIES[family].build(recipe, tokenizer).eval()
    for length in (16, 40, 16):
        batch = batches.draw(3, length)
        with torch.no_grad():
            plain = hidden_states(network, FAMILIES[family], batch.ids, batch.types)
            with constant_masks(network):
                for _ in range(2):
                    again = hidden_states(network, FAMILIES[family], batch.ids, batch.types)
        torch.testing.assert_close(again, plain)


def test_the_learning_rate_rises_stays_and_falls(recipes):
    recipe = small(recipes["gpt2"], steps=100, warm_up=10)
    rates = [train.learning_rate(recipe, step) for step in range(100)]
    assert rates[0] == pytest.approx(recipe.learning_rate / 10)
    assert rates[10:80] == [recipe.learning_rate] * 70
    assert (np.diff(rates[81:]) < 0).all()
    assert rates[-1] == pytest.approx(recipe.learning_rate * 0.05)


@pytest.mark.parametrize("steps", [1, 5, 40, 24_000])
def test_logged_steps_are_spaced_by_their_logarithm_and_hold_both_ends(steps):
    logged = train.logged_steps(steps)
    assert logged[0] == 0
    assert logged[-1] == steps
    assert logged == sorted(set(logged))
    if steps > 1000:
        assert len(logged) >= 17
        ratios = np.diff(np.log(logged[1:]))
        assert ratios.max() / ratios.min() < 1.2


def test_weights_do_not_decay_where_they_are_vectors(recipes, made):
    recipe = small(recipes["gpt2"])
    tokenizer = load_tokenizer(made / "tokenizers" / "gpt2")
    network = FAMILIES["gpt2"].build(recipe, tokenizer)
    decayed, others = Trainer(network, FAMILIES["gpt2"], recipe).optimizer.param_groups
    assert {p.dim() for p in decayed["params"]} == {2}
    assert {p.dim() for p in others["params"]} == {1}
    assert others["weight_decay"] == 0


def test_training_without_a_gpu_or_a_teacher_is_refused_before_it_starts(recipes, made, tmp_path):
    recipe = small(recipes["gpt2"])
    with pytest.raises(SinkscopeError, match="'gpt2': its recipe wants none"):
        train.check_ready(recipe, "cpu", tmp_path)
    student = small(recipes["distilbert"], teacher="bert")
    with pytest.raises(SinkscopeError, match="--teacher with the folder of 'bert'"):
        train.check_ready(student, "cpu", None)
    if not torch.cuda.is_available():
        with pytest.raises(SinkscopeError, match="torch sees no GPU here"):
            train.check_ready(recipe, "cuda", None)


def test_a_training_that_diverges_is_no_checkpoint(recipes, made, tmp_path):
    recipe = small(recipes["gpt2"], learning_rate=1e30, steps=4)
    with pytest.raises(SinkscopeError, match="'gpt2': the training has diverged by step"):
        train_on_cpu(recipe, made, tmp_path / "gpt2")
    assert not (tmp_path / "gpt2").exists()
