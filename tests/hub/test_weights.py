"""Which weights of a hub's model are loaded, and that none of them is run."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from hub.conftest import ROOT
from hub.read import cell, locks, problems
from sinkscope.hub.lock import needed

GPT2 = ROOT / "zoo" / "gpt2"


@pytest.fixture
def same_weights(tmp_path):
    """Folders with the zoo's GPT-2: as .bin, and in several safetensors files."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(GPT2)
    for name in ("bin", "parts"):
        shutil.copytree(GPT2, tmp_path / name)
        (tmp_path / name / "model.safetensors").unlink()
    torch.save(load_file(GPT2 / "model.safetensors"), tmp_path / "bin" / "pytorch_model.bin")
    network.save_pretrained(tmp_path / "parts", max_shard_size="2MB")
    return tmp_path


def test_bin_and_parts_give_the_cell_of_the_one_safetensors_file(user, hub, same_weights):
    for name in ("bin", "parts"):
        hub.add(f"lab/{name}", same_weights / name)
    user.models("one\tzoo:gpt2", "bin\thub:lab/bin", "parts\thub:lab/parts")
    cells = {}
    for name in ("one", "bin", "parts"):
        done = user.extract(name)
        assert done.returncode == 0, done.stdout
        cells[name] = load_file(user.folder / f"results/cells/{name}/text.safetensors")
    for name in ("bin", "parts"):
        for key, values in cells["one"].items():
            assert torch.equal(values.nan_to_num(), cells[name][key].nan_to_num())
    assert len([name for name in locks(user)["lab--parts.json"]["files"] if "-of-" in name]) > 1


@pytest.mark.parametrize(
    ("there", "kept"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["pytorch_model.bin", "tf_model.h5"], ["pytorch_model.bin"]),
        (["model-1-of-2.safetensors", "model-2-of-2.safetensors", "model.safetensors.index.json",
          "consolidated.safetensors"],
         ["model-1-of-2.safetensors", "model-2-of-2.safetensors", "model.safetensors.index.json"]),
        (["pytorch_model-1-of-1.bin"], []),
        (["flax_model.msgpack", "model.onnx"], []),
    ],
)  # fmt: skip
def test_of_several_formats_one_is_fetched_the_safest(there, kept):
    besides = ["config.json", "tokenizer.model", "vocab.json", "merges.txt"]
    others = ["README.md", "generation_config.json", "modeling_own.py", "training_args.bin"]
    found = needed([*there, *besides, *others])
    assert found == sorted([*kept, *besides]) if kept else found == []


class Harm:
    """Pickled, it is code that makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path(self.path),)


def test_a_pickle_with_code_in_it_is_refused_and_not_run(user, hub, tmp_path):
    folder = shutil.copytree(GPT2, tmp_path / "harm")
    (folder / "model.safetensors").unlink()
    torch.save({"transformer.wte.weight": Harm(tmp_path / "ran")}, folder / "pytorch_model.bin")
    hub.add("lab/harm", folder)
    user.models("m\thub:lab/harm")
    (said,) = problems(user.extract("m"))
    assert "model 'm': hub:lab/harm cannot be loaded" in said
    assert not (tmp_path / "ran").exists()


def test_code_that_a_model_brings_is_never_run(user, hub, tmp_path):
    folder = shutil.copytree(GPT2, tmp_path / "code")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    )
    hub.add("lab/code", folder)
    user.models("m\thub:lab/code")
    (said,) = problems(user.extract("m"))
    assert "model 'm': transformers " in said
    assert (
        "does not know the architecture 'own', and code shipped with a model is never run" in said
    )
    assert not (tmp_path / "ran").exists()
    assert not any("own.py" in path for path in hub.paths())


def test_half_precision_comes_from_the_row(user, hub):
    hub.add("lab/gpt2", GPT2)
    user.write("config/models.tsv", "model\tsource\tdtype\nm\thub:lab/gpt2\tbfloat16\n")
    done = user.extract("m")
    assert done.returncode == 0, done.stdout
    assert cell(user, "m")[0]["dtype"] == "bfloat16"


def test_more_gpus_than_there_are_is_one_sentence(user, hub):
    if torch.cuda.device_count() > 6:
        pytest.skip("there are that many GPUs")
    hub.add("lab/gpt2", GPT2)
    user.write("config/models.tsv", "model\tsource\tn_gpus\nm\thub:lab/gpt2\t7\n")
    (said,) = problems(user.extract("m"))
    assert "model 'm': n_gpus is 7" in said
