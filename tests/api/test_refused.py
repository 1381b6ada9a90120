"""What cannot be observed correctly is refused with a sentence that says what to do."""

import contextlib

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForSeq2SeqLM, DynamicCache, T5Config

import sinkscope
import tiny
from sinkscope.errors import ModelError, SinkscopeError

IDS = torch.tensor(tiny.token_ids(6))


def refused(sentence, model, *, error=SinkscopeError, call=None, **options):
    original = F.scaled_dot_product_attention
    with pytest.raises(error, match=sentence), sinkscope.observe(model, **options):
        model(**({"input_ids": IDS} | (call or {})))
    assert F.scaled_dot_product_attention is original


def test_an_eager_model_is_set_to_sdpa_within_the_block_and_back():
    model, reference = tiny.network("llama", attention="eager"), tiny.network("llama")
    with sinkscope.observe(model) as seen:
        assert model.config._attn_implementation == "sdpa"
        model(input_ids=IDS)
    assert model.config._attn_implementation == "eager"
    with sinkscope.observe(reference) as expected:
        reference(input_ids=IDS)
    assert seen.heads().equals(expected.heads())
    with contextlib.suppress(KeyboardInterrupt), sinkscope.observe(model):
        raise KeyboardInterrupt
    assert model.config._attn_implementation == "eager"


def test_in_training_another_attention_would_change_the_numbers():
    model = tiny.network("gpt2", attention="eager").train()
    refused(
        r"'GPT2Model'.*eager.*in training.*attn_implementation=\"sdpa\"", model, error=ModelError
    )
    assert model.config._attn_implementation == "eager"


def test_a_model_whose_attention_is_chosen_when_it_is_built():
    model = tiny.network("falcon-alibi", attention="eager")
    refused(r"eager, which cannot be observed; load it with", model, error=ModelError)
    assert model.config._attn_implementation == "eager"


@pytest.mark.parametrize("way", ["function", "method"])
def test_a_compiled_model(way):
    model = tiny.network("gpt2")
    if way == "method":
        model.compile(backend="eager")
    else:
        model = torch.compile(model, backend="eager")
    refused("compiled.*observe the model that was compiled", model, error=ModelError)


def test_an_encoder_decoder():
    config = T5Config(vocab_size=100, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    model = AutoModelForSeq2SeqLM.from_config(config)
    refused(
        r"encoder-decoder.*only the encoder.*observe model\.get_encoder\(\)",
        model,
        error=ModelError,
    )


def test_the_encoder_of_an_encoder_decoder_is_observed():
    config = T5Config(vocab_size=100, d_model=8, d_kv=4, d_ff=8, num_layers=2, num_heads=2)
    encoder = AutoModelForSeq2SeqLM.from_config(config).eval().get_encoder()
    with sinkscope.observe(encoder) as seen:
        encoder(input_ids=torch.tensor([[5, 6, 7, 8]]))
    assert seen.heads().height == 4
    assert not seen.cells[0].meta["is_causal"]


@pytest.mark.parametrize("thing", [torch.nn.Linear(2, 2), "gpt2", None])
def test_what_is_no_model_of_transformers(thing):
    with (
        pytest.raises(ModelError, match="is not a model of transformers"),
        sinkscope.observe(thing),
    ):
        pass


def test_a_wrapped_model():
    model = torch.nn.DataParallel(tiny.network("gpt2"))
    with pytest.raises(ModelError, match=r"give DataParallel\.module"), sinkscope.observe(model):
        pass


def test_a_layer_that_is_not_called():
    model = tiny.network("gpt2")
    model.h[1].forward = lambda states, *_, **__: states
    refused(r"layer 1 does not call the attention, but has a GPT2Attention.*3 layers", model,
            error=ModelError)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"attention_mask": torch.ones(1, 1, 6, 6)}, r"shape \[batch, token\], with 0 at padding"),
        ({"attention_mask": torch.tensor([[1, 1, 0, 1, 1, 1]])}, "row 0.*padding between"),
        ({"attention_mask": torch.zeros(1, 6)}, "row 0 of the batch is all padding"),
        ({"attention_mask": torch.ones(1, 5)}, r"shape \[1, 5\], but its input has \[1, 6\]"),
        ({"position_ids": torch.tensor([[0, 1, 2, 0, 1, 2]])}, "several texts share it"),
        ({"input_ids": None}, "neither input_ids nor inputs_embeds"),
        ({"encoder_hidden_states": torch.ones(1, 6, 32)}, "attends to another input"),
    ],
)
def test_inputs_that_are_not_one_text_per_row(call, sentence):
    refused(sentence, tiny.network("gpt2"), call=call)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"heads": [(0, 4)]}, "layers 0 to 2 and heads 0 to 3"),
        ({"heads": [(-1, 0)]}, "layers 0 to 2"),
        ({"documents": ["a", "a"]}, "two documents are named 'a'"),
        ({"documents": []}, "documents has 0 entries.*row 1"),
        ({"tokens": [["a"]]}, "document '0': 1 tokens are named.*given 6"),
        ({"texts": ["a"]}, "texts need a tokenizer"),
    ],
)
def test_names_that_do_not_fit(options, sentence):
    refused(sentence, tiny.network("gpt2"), **options)


def test_a_tokenizer_of_another_model():
    tokenizer = tiny.merged_tokenizer()
    model = tiny.network("gpt2", vocab_size=500)
    call = {"input_ids": torch.tensor([[400, 401]])}
    refused("the tokenizer has no token 400", model, tokenizer=tokenizer, call=call)


def test_a_pass_over_a_filled_cache_is_skipped_and_counted():
    model = tiny.network("llama")
    cache = model(input_ids=IDS, use_cache=True).past_key_values
    with pytest.warns(UserWarning, match="1 forward passes"), sinkscope.observe(model) as seen:
        found = model(input_ids=IDS[:, :2], past_key_values=cache).last_hidden_state
    assert found.shape == (1, 2, 48)
    with pytest.raises(SinkscopeError, match=r"no forward pass.*1 passes over a filled cache"):
        seen.heads()
    with sinkscope.observe(model) as seen:
        model(input_ids=IDS, past_key_values=DynamicCache(config=model.config))
    assert len(seen.documents) == 1


def test_what_the_model_itself_refuses_keeps_its_own_error():
    model = tiny.network("gpt2")
    with pytest.raises(TypeError, match="multiple values"), sinkscope.observe(model):
        model(IDS, input_ids=IDS)


def test_frames_that_are_asked_for_what_is_not_there():
    model = tiny.network("gpt2")
    with sinkscope.observe(model) as seen:
        with pytest.raises(SinkscopeError, match="no forward pass was observed"):
            seen.sink_mass()
        model(input_ids=IDS)
    for ask, sentence in (
        (lambda: seen.map(3), "no layer 3; it has layers 0 to 2"),
        (lambda: seen.map(0, 1), r"head 0/1 was not kept; ask for it with heads=\[\(0, 1\)\]"),
        (lambda: seen.map(0, document=1), "document 1 was not observed; 1 were"),
        (lambda: seen.tokens("x"), "document 'x' was not observed"),
    ):
        with pytest.raises(SinkscopeError, match=sentence):
            ask()
