"""Models with their output heads, and those that have none."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

import tiny
import with_heads
from compatibility.configs import tiny_config
from sinkscope.errors import SinkscopeError
from sinkscope.extract.model import load_model
from sinkscope.extract.output_head import mask_token, with_output_head


@pytest.mark.parametrize("name", tiny.NAMES)
def test_logits_are_those_of_the_saved_model(name, tmp_path):
    loaded = with_heads.load(tmp_path, name)
    model = with_output_head(loaded)
    assert (model.n_layers, model.n_heads) == (loaded.n_layers, loaded.n_heads)
    auto = AutoModelForMaskedLM if name in tiny.ENCODERS else AutoModelForCausalLM
    expected = auto.from_pretrained(tmp_path / name).eval()
    ids = torch.tensor(tiny.token_ids(12))
    with torch.inference_mode():
        torch.testing.assert_close(model.network(ids).logits, expected(ids).logits)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_weights_without_a_head_get_no_random_one(name, tmp_path):
    folder = tiny.save(tmp_path / name, name)
    loaded = load_model(tiny.row(name, f"path:{folder}"), Path("/"))
    model = with_output_head(loaded)
    if name == "bert":
        assert model is None
    else:  # GPT-2's head is its embedding
        weight = model.network.lm_head.weight
        assert torch.equal(weight, loaded.network.wte.weight)


def test_the_head_of_a_decoder_is_not_that_of_the_encoder(tmp_path):
    config = tiny_config("bart")
    config.vocab_size = 258
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(tmp_path / "bart")
    tiny.byte_tokenizer().save_pretrained(tmp_path / "bart")
    loaded = load_model(tiny.row("bart", f"path:{tmp_path / 'bart'}"), Path("/"))
    assert with_output_head(loaded) is None


def test_weights_that_are_gone_are_named(tmp_path):
    loaded = with_heads.load(tmp_path, "gpt2")
    (tmp_path / "gpt2" / "model.safetensors").unlink()
    with pytest.raises(SinkscopeError, match=r"model 'gpt2': its output head cannot be loaded"):
        with_output_head(loaded)


def test_a_tokenizer_without_a_mask_token_is_an_error():
    loaded = tiny.loaded("bert", tiny.letter_tokenizer())
    assert mask_token(loaded) == 3
    loaded.tokenizer.mask_token = None
    with pytest.raises(SinkscopeError, match=r"model 'bert': .*no mask token"):
        mask_token(loaded)
