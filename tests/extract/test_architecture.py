"""What a configuration says: the part that reads text, what can be observed, how it is run."""

import json
import sys

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    BigBirdConfig,
    FalconConfig,
    RobertaConfig,
)

import composite
import tiny
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.architecture import (
    as_observed,
    check_observable,
    detect_family,
    key_value_heads,
    positions,
    read_architecture,
)
from sinkscope.extract.model import Loaded, load_model
from sinkscope.extract.observe import run_observed
from sinkscope.measure.passes import observe, plan_of


@pytest.mark.parametrize(("name", "n_kv"), [("gemma3", 2), ("llava", 2), ("gpt_bigcode", 1)])
def test_the_part_that_reads_text_is_observed_as_eager_computes_it(name, n_kv):
    networks = {}
    for attention in ("sdpa", "eager"):
        torch.manual_seed(0)
        networks[attention] = AutoModel.from_config(
            composite.config(name), attn_implementation=attention
        )
        networks[attention].eval().requires_grad_(False)
    network, tokenizer = networks["sdpa"], tiny.byte_tokenizer()
    family = detect_family("m", network.config)
    loaded = Loaded(tiny.row(), network, tokenizer, family, positions(network), None)
    facts = loaded.facts()
    assert (facts["n_layers"], facts["n_heads"], facts["n_key_value_heads"]) == (3, 4, n_kv)
    assert (facts["family"], facts["hidden_size"], facts["max_length"]) == ("decoder", 32, 96)
    text = "Z It rained. He ran, and ran. What?"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        seen = networks["eager"](input_ids=ids, output_attentions=True, use_cache=False)
    expected = torch.stack([layer[0].mean(0) for layer in seen.attentions]).numpy()
    analyser = tiny.analyser(loaded, head_maps=("tiny/2/3",))
    cell = analyser.analyse(Document("essay", "essay.txt", None, text))
    np.testing.assert_allclose(cell["map"], expected, 1e-3, 1e-5)
    np.testing.assert_allclose(cell["head_map"][0], seen.attentions[2][0, 3], 1e-3, 1e-5)
    np.testing.assert_array_equal(cell["max_key"], expected.argmax(-1))
    assert len(observe(loaded, ids, plan_of(ids)).states) == 3


@pytest.mark.parametrize("name", tiny.NAMES)
def test_the_family_is_told_from_the_architecture(name):
    expected = "encoder" if name in tiny.ENCODERS else "decoder"
    check_observable("model 'm'", tiny.CONFIGS[name])
    assert detect_family("m", tiny.CONFIGS[name]) == expected


def test_an_encoder_built_as_a_decoder_is_a_decoder():
    assert detect_family("m", RobertaConfig(is_decoder=True)) == "decoder"


def test_neither_a_masked_nor_a_causal_language_model_needs_its_family():
    with pytest.raises(SinkscopeError, match="model 'm': 'clip_text_model' is neither a masked"):
        detect_family("m", AutoConfig.for_model("clip_text_model"))


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("longformer", "LongformerModel of transformers"),
        ("xlnet", "computes its attention in model-specific code"),
        ("mamba", "MambaModel has no attention with softmax"),
        ("rwkv", "RwkvModel has no attention with softmax"),
        ("vit", "'vit' is not a text model"),
        ("dots3_note", "the configuration of 'dots3_note' has no num_attention_heads"),
    ],
)
def test_what_cannot_be_observed_is_refused_from_the_configuration_alone(tmp_path, kind, sentence):
    """The folder has no weights and no tokenizer; a family in the row does not change it."""
    AutoConfig.for_model(kind).save_pretrained(tmp_path / "tiny")
    for family in (None, "encoder"):
        with pytest.raises(SinkscopeError) as caught:
            load_model(tiny.row(family=family), tmp_path)
        assert str(caught.value).startswith("model 'tiny': ")
        assert sentence in str(caught.value)
        assert "; choose another model" in str(caught.value)


def test_an_architecture_that_transformers_does_not_know_is_named(tmp_path):
    ran = tmp_path / "ran"
    own = {"AutoConfig": "own.Own", "AutoModel": "own.Own", "AutoTokenizer": ["own.Own", None]}
    (tmp_path / "own.py").write_text(f"open({str(ran)!r}, 'w')\n")
    for kind in ("own", "gpt2"):  # with an architecture of the library, that is used
        values = {"model_type": kind, "auto_map": own}
        (tmp_path / "config.json").write_text(json.dumps(values))
        if kind == "own":
            with pytest.raises(SinkscopeError, match="does not know the architecture 'own', and"):
                read_architecture("model 'm'", tmp_path)
    assert read_architecture("model 'm'", tmp_path).model_type == "gpt2"
    assert not ran.exists()


@pytest.mark.parametrize("own", ["kernels-community/flash-attn", "eager", "flash_attention_2"])
@pytest.mark.parametrize("name", ["llama", "gemma3"])
def test_the_attention_that_a_configuration_names_is_not_used(tmp_path, monkeypatch, name, own):
    """Nor fetched: whatever would load a kernel fails here."""
    monkeypatch.setitem(sys.modules, "kernels", None)
    if name == "gemma3":
        AutoModel.from_config(composite.config(name)).save_pretrained(tmp_path / "tiny")
        tiny.byte_tokenizer().save_pretrained(tmp_path / "tiny")
    else:
        tiny.save(tmp_path / "tiny", name)
    path = tmp_path / "tiny" / "config.json"
    named = {"_attn_implementation": own, "attn_implementation": own}
    others = {"_experts_implementation": "sonicmoe", "return_dict": False}
    values = json.loads(path.read_text()) | named | others
    for key in ("text_config", "vision_config"):
        if key in values:
            values[key] |= named
    path.write_text(json.dumps(values))
    loaded = load_model(tiny.row(), tmp_path)
    used = {part.config._attn_implementation for part in loaded.network.modules()
            if hasattr(part, "config")}  # fmt: skip
    assert used == {"sdpa"}
    assert loaded.network.config._experts_implementation != "sonicmoe"
    ids = torch.tensor([[3, 4, 5]])
    assert len(observe(loaded, ids, plan_of(ids)).states) == 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1),
        ({"multi_query": False}, 4),
        ({"new_decoder_architecture": True, "num_kv_heads": 2}, 2),
        ({"new_decoder_architecture": True, "num_kv_heads": 2, "multi_query": False}, 2),
    ],
)
def test_falcon_counts_its_key_heads(changes, expected):
    config = FalconConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, alibi=False,
        **changes,
    )  # fmt: skip
    assert key_value_heads(config) == expected


@pytest.mark.parametrize("name", tiny.NAMES)
def test_a_model_takes_as_many_tokens_as_it_has_positions(name):
    network = tiny.network(name)
    assert positions(network) == tiny.LONGEST
    with torch.inference_mode():
        network(input_ids=torch.tensor(tiny.token_ids(tiny.LONGEST)))


def test_bigbird_takes_the_texts_that_the_library_itself_attends_to_in_full():
    """The library's model says which these are: it leaves its sparse attention for shorter ones."""
    config = BigBirdConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=96, block_size=4, num_random_blocks=1,
    )  # fmt: skip
    networks = []
    for is_observed in (False, True):
        if is_observed:
            check_observable("model 'm'", config)
            as_observed(config)
        torch.manual_seed(0)
        networks.append(AutoModel.from_config(config).eval().requires_grad_(False))
    library, full = networks
    longest = positions(full)
    assert longest == 7 * 4
    longer, ids = (torch.tensor([tiny.token_ids(n)[0]]) for n in (longest + 4, longest))
    with torch.inference_mode():
        library(input_ids=longer)
        assert library.attention_type == "block_sparse"
        expected = library(input_ids=ids).last_hidden_state
        assert library.attention_type == "original_full"
    loaded = Loaded(tiny.row(), full, tiny.letter_tokenizer(), "encoder", longest, None)
    found = run_observed(loaded, lambda call: call.own(), ids).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_roberta_does_not_take_one_token_more():
    with pytest.raises((IndexError, RuntimeError)):
        tiny.network("roberta")(input_ids=torch.tensor(tiny.token_ids(tiny.LONGEST + 1)))
