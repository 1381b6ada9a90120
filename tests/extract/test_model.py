"""Loading a model: longest input, facts, and what cannot be loaded."""

import contextlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BartConfig

import tiny
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.model import load_model, threads
from sinkscope.measure.passes import observe, plan_of


@pytest.fixture
def folder(tmp_path):
    return tiny.save(tmp_path / "tiny").parent


@pytest.mark.parametrize(
    ("name", "n_heads", "n_kv"),
    [("bert", 4, 4), ("falcon-alibi", 4, 4), ("falcon-rotary", 4, 1), ("llama", 6, 2)],
)
def test_facts_count_heads_and_the_key_heads_they_share(name, n_heads, n_kv):
    facts = tiny.loaded(name).facts()
    assert (facts["n_layers"], facts["n_heads"], facts["n_key_value_heads"]) == (3, n_heads, n_kv)
    assert facts["max_length"] == tiny.LONGEST


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_folder_is_loaded_with_its_weights(tmp_path, name):
    tiny.save(tmp_path / "tiny", name)
    loaded = load_model(tiny.row(), tmp_path)
    saved = tiny.network(name, vocab_size=len(loaded.tokenizer)).state_dict()
    state = loaded.network.state_dict()
    assert all(torch.equal(state[key], value) for key, value in saved.items())
    assert not loaded.network.training
    assert loaded.network.config._attn_implementation == "sdpa"
    assert (loaded.family, loaded.max_length) == (
        "encoder" if name == "bert" else "decoder",
        tiny.LONGEST,
    )


def test_the_row_decides_over_what_is_found(folder):
    row = tiny.row(dtype="bfloat16", max_length=20, family="decoder")
    loaded = load_model(row, folder)
    assert loaded.network.dtype == torch.bfloat16
    assert (loaded.family, loaded.max_length) == ("decoder", 20)


def test_the_revision_of_a_folder_changes_with_its_weights(folder):
    before = load_model(tiny.row(), folder).revision
    network = tiny.network("bert", vocab_size=len(tiny.letter_tokenizer()))
    network.embeddings.word_embeddings.weight[0, 0] += 1
    network.save_pretrained(folder / "tiny")
    after = load_model(tiny.row(), folder).revision
    assert before != after
    assert len(after) == 12


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", b"not weights at all"),
        ("model.safetensors", b""),
        ("config.json", b"{"),
        ("config.json", b'{"hidden_size": "wide"}'),
    ],
)
def test_files_that_cannot_be_read_are_an_error_that_names_model_and_folder(folder, file, content):
    (folder / "tiny" / file).write_bytes(content)
    with pytest.raises(SinkscopeError) as caught:
        load_model(tiny.row(), folder)
    message = str(caught.value)
    assert message.startswith("model 'tiny': ")
    assert str(folder / "tiny") in message
    assert message.endswith(" again.")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("n_layer", "num_hidden_layers"),
        ("n_head", "num_attention_heads"),
        ("n_embd", "hidden_size"),
    ],
)
def test_a_model_without_layers_heads_or_width_is_an_error(tmp_path, key, name):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", key: 0}))
    sentence = f"model 'm': {name} is 0 in its config.json; it must be at least 1."
    with pytest.raises(SinkscopeError, match=sentence):
        load_model(tiny.row("m", f"path:{tmp_path}"), tmp_path)


def test_weights_cut_short_are_an_error(folder):
    weights = folder / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(SinkscopeError, match=r"model 'tiny': .*download or install it again"):
        load_model(tiny.row(), folder)


@pytest.mark.parametrize("form", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("elsewhere", ["../other/", "/other/", "sub/../../other/"])
def test_an_index_of_weights_that_leaves_its_folder_is_refused(folder, form, elsewhere):
    """The weights that it names are there, and would be loaded."""
    weights = folder / "tiny" / "model.safetensors"
    (folder / "other").mkdir()
    names = list(load_file(weights))
    moved = shutil.move(weights, folder / "other" / form)
    part = str(moved) if elsewhere.startswith("/") else elsewhere + form
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, part)}
    (folder / "tiny" / f"{form}.index.json").write_text(json.dumps(index))
    with pytest.raises(SinkscopeError) as caught:
        load_model(tiny.row(), folder)
    assert f"{form}.index.json names weights outside of its folder ('{part}');" in str(caught.value)


def test_weights_that_need_a_package_are_an_error_that_names_it(folder):
    path = folder / "tiny" / "config.json"
    quantised = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    path.write_text(json.dumps(json.loads(path.read_text()) | quantised))
    with pytest.raises(SinkscopeError, match=r"requires optimum.*; install the named package, or"):
        load_model(tiny.row(), folder)


def test_weights_that_lack_a_layer_are_an_error(folder):
    """The library would fill them in at random, with no more than a warning."""
    path = folder / "tiny" / "model.safetensors"
    state = {key: t for key, t in load_file(path).items() if "layer.1.attention" not in key}
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(SinkscopeError, match="model 'tiny'"):
        load_model(tiny.row(), folder)


def test_a_longest_input_beyond_the_models_positions_is_an_error(folder):
    with pytest.raises(SinkscopeError, match=r"model 'tiny'.*max_length"):
        tiny.analyser(load_model(tiny.row(max_length=200), folder)).analyse(
            Document("essay", "essay.txt", None, "a cat")
        )


def test_a_hub_model_that_cannot_be_reached_is_an_error(tmp_path):
    with pytest.raises(SinkscopeError, match=r"hub model 'no/such-model': .* cannot be reached"):
        load_model(tiny.row("m", "hub:no/such-model"), tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error(folder):
    with pytest.raises(SinkscopeError, match=r"model 'tiny': its device is cuda:0.*device: cpu"):
        load_model(tiny.row(device="cuda:0"), folder)


def test_threads_are_as_before_after_a_job():
    before = torch.get_num_threads()
    with contextlib.suppress(KeyError), threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


def test_of_an_encoder_decoder_the_encoder_is_loaded(tmp_path):
    torch.manual_seed(0)
    config = BartConfig(
        vocab_size=258, d_model=32, encoder_layers=2, decoder_layers=3, encoder_ffn_dim=48,
        decoder_ffn_dim=48, encoder_attention_heads=4, decoder_attention_heads=2,
        max_position_embeddings=96, init_std=0.3, bos_token_id=0, eos_token_id=0, pad_token_id=1,
        decoder_start_token_id=0, forced_eos_token_id=0,
    )  # fmt: skip
    whole = AutoModel.from_config(config).eval()
    whole.save_pretrained(tmp_path / "tiny")
    tiny.byte_tokenizer().save_pretrained(tmp_path / "tiny")
    loaded = load_model(tiny.row(), tmp_path)
    facts = loaded.facts()
    assert facts["architecture"] == (
        "BartEncoder (of BartModel, without decoder and cross attention)"
    )
    assert (facts["family"], facts["n_layers"], facts["n_heads"]) == ("encoder", 2, 4)
    ids = torch.tensor(tiny.token_ids(12))
    eager = AutoModel.from_config(config, attn_implementation="eager").eval()
    eager.load_state_dict(whole.state_dict())
    rows = eager.encoder(input_ids=ids, output_attentions=True).attentions
    forward = observe(loaded, ids, plan_of(ids, map_exact=12, map_cells=12))
    assert len(forward.states) == 2
    for layer, own in zip(forward.layers, rows, strict=True):
        torch.testing.assert_close(layer.map, own.mean(1), rtol=1e-5, atol=1e-6)
