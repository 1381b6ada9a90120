"""`sinkscope.observe`: the numbers, against float64 references and against rows run alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
)

import reference
import sinkscope
import tiny
from sinkscope.atlas.derive import table_of_cells
from sinkscope.atlas.tables import TABLES
from sinkscope.documents import Document
from sinkscope.extract.variants import VariantGPT2Config, VariantGPT2LMHeadModel

LENGTHS = (5, 17, 12)
SIDES = ("left", "right")


def run(model, ids, mask=None, **options):
    with sinkscope.observe(model, **options) as seen:
        model(input_ids=ids, attention_mask=mask)
    return seen


def spans(mask):
    """(start, stop) of the real tokens of each row."""
    return [(int(row.argmax()), int(row.argmax() + row.sum())) for row in mask]


def assert_matches(seen, attention, visible, row):
    """One document's frames and maps, against the float64 attention [layer, head, query, key]."""
    name = seen.documents[row]
    masses = seen.sink_mass().filter(document=name)
    for key_set, keys in (("first_token", [0]), ("first_four", [0, 1, 2, 3])):
        found = masses.filter(key_set=key_set)
        np.testing.assert_allclose(found["mass"], reference.mass(attention, keys), 1e-5)
        strict = reference.strict_mass(attention, keys)
        np.testing.assert_allclose(found["strict_mass"], strict, 1e-5)
    heads = seen.heads().filter(document=name)
    shape = attention.shape[:2]
    expected = {
        "sink_score": reference.sink_score(attention, visible)[:, :, 0],
        "entropy": reference.entropy(attention, visible),
        "row_sum": attention.sum(-1).mean(-1),
        "over_half": reference.over_half(attention),
        "local_5": reference.local(attention)[:, :, 4],
    }
    for column, values in expected.items():
        found = heads[column].to_numpy().reshape(shape)
        np.testing.assert_allclose(found, values, 1e-5, 1e-6, err_msg=column)
    for layer, mean in enumerate(attention.mean(1)):
        np.testing.assert_allclose(seen.map(layer, document=row), mean, 1e-3, 1e-6)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", tiny.NAMES)
def test_rows_of_a_padded_batch_agree_with_float64(name, side):
    model = tiny.network(name)
    ids, mask = tiny.padded(tiny.token_ids(*LENGTHS), side)
    with torch.no_grad(), reference.capture() as captured:
        seen = run(model, ids, mask)
    for row, (start, stop) in enumerate(spans(mask)):
        attention, visible = captured.document(row, slice(start, stop))
        assert_matches(seen, attention, visible, row)


@pytest.mark.parametrize("name", [*tiny.NAMES])
def test_a_padded_row_has_the_statistics_of_the_row_alone(name):
    model, documents = tiny.network(name), tiny.token_ids(*LENGTHS)
    ids, mask = tiny.padded(documents, "right")
    together = run(model, ids, mask)
    with sinkscope.observe(model) as alone:
        for document in documents:
            model(input_ids=torch.tensor([document]))
    assert_frame_equal(together.sink_mass(), alone.sink_mass(), abs_tol=1e-5)
    assert_frame_equal(together.heads(), alone.heads(), abs_tol=1e-5)
    assert_frame_equal(together.max_keys(), alone.max_keys())
    assert_frame_equal(together.sink_rate(), alone.sink_rate(), abs_tol=1e-5)
    for row, document in enumerate(documents):
        assert together.map(1, document=row).shape == (len(document),) * 2
        assert together.tokens(row) == alone.tokens(row) == list(map(str, document))


def test_padding_on_the_left_with_positions_is_the_row_alone():
    model, documents = tiny.network("gpt2"), tiny.token_ids(*LENGTHS)
    ids, mask = tiny.padded(documents, "left")
    with sinkscope.observe(model) as together:
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        model(input_ids=ids, attention_mask=mask, position_ids=positions)
    with sinkscope.observe(model) as alone:
        for document in documents:
            model(input_ids=torch.tensor([document]))
    assert_frame_equal(together.heads(), alone.heads(), abs_tol=1e-5)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from(SIDES), st.data())
def test_any_batch_keeps_what_must_hold(lengths, side, data):
    name = data.draw(st.sampled_from(("bert", "llama", "falcon-alibi")))
    model = tiny.network(name)
    ids, mask = tiny.padded(tiny.token_ids(*lengths), side)
    seen = run(model, ids, mask)
    assert seen.max_keys()["count"].sum() == 3 * sum(lengths)
    np.testing.assert_allclose(seen.heads()["row_sum"], 1, 1e-5)
    assert seen.sink_mass()["mass"].is_between(0, 1 + 1e-6).all()
    for row, n in enumerate(lengths):
        sums = seen.map(0, document=row).sum(-1)
        np.testing.assert_allclose(sums, np.ones(n), atol=2e-3)


def test_uniform_attention_is_known_in_closed_form():
    """With no weights every visible key gets the same: 1 / (i + 1) of a causal query i."""
    model = tiny.network("gpt2")
    for parameter in model.parameters():
        parameter.zero_()
    seen = run(model, *tiny.padded(tiny.token_ids(6, 3), "left"))
    first = seen.sink_mass().filter(key_set="first_token", layer=0)
    expected = [np.mean([1 / (i + 1) for i in range(n)]) for n in (6, 3)]
    np.testing.assert_allclose(first.sort("document")["mass"], expected, 1e-6)
    np.testing.assert_allclose(seen.heads()["entropy"], 1, 1e-5)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (AutoModelForCausalLM, "llama"),
        (AutoModelForCausalLM, "opt"),
        (AutoModelForMaskedLM, "distilbert"),
        (AutoModelForSequenceClassification, "roberta"),
    ],
)
def test_models_with_a_head_are_observed_like_their_base(kind, name):
    model = kind.from_config(tiny.CONFIGS[name], attn_implementation="sdpa").eval()
    ids = torch.tensor(tiny.token_ids(12))
    with_head = run(model, ids, name="m")
    base = run(model.base_model, ids, name="m")
    assert_frame_equal(with_head.heads(), base.heads())


@pytest.mark.parametrize("name", tiny.NAMES)
def test_what_a_model_puts_out_is_bitwise_the_same(name):
    model = tiny.network(name)
    ids, mask = tiny.padded(tiny.token_ids(*LENGTHS), "right")
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).last_hidden_state
        with sinkscope.observe(model):
            within = model(input_ids=ids, attention_mask=mask).last_hidden_state
    assert torch.equal(before, within)


@pytest.mark.parametrize("name", tiny.DECODERS)
def test_the_atlas_and_observe_say_the_same(name):
    """Falcon's ALiBi is a mask here and a bias of keys in the atlas; both go through one door."""
    loaded = tiny.loaded(name, tiny.byte_tokenizer())
    text = "Z He came. She left."
    cell = tiny.analyser(loaded, window=64).analyse(Document("0", "-", None, text))
    ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
    with sinkscope.observe(loaded.network, loaded.tokenizer) as seen:
        loaded.network(input_ids=ids)
    assert seen.tokens() == cell.meta["tokens"]
    for table, found in (("sink_mass", seen.sink_mass()), ("heads", seen.heads())):
        expected = table_of_cells(table, found["model"][0], [cell]).collect()
        assert_frame_equal(found, expected, abs_tol=1e-5)


@pytest.mark.parametrize("attention", ["softmax_off_by_one", "sigmoid"])
def test_variants_of_softmax_go_through_the_same_door(attention):
    torch.manual_seed(1)
    config = VariantGPT2Config(
        attention=attention, vocab_size=100, n_embd=32, n_layer=2, n_head=4, n_positions=96,
        initializer_range=0.3,
    )  # fmt: skip
    model = VariantGPT2LMHeadModel(config).eval()
    ids = torch.tensor(tiny.token_ids(20))
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with sinkscope.observe(model) as seen:
            assert torch.equal(model(input_ids=ids).logits, before)
    sums = seen.heads()["row_sum"]
    assert ((sums - 1).abs() > 0.01).all()
    np.testing.assert_allclose(seen.map(0).sum(-1).mean(), sums[:4].mean(), 1e-3)


def test_frames_are_the_tables():
    seen = run(tiny.network("bert"), torch.tensor(tiny.token_ids(9)))
    frames = {
        "sink_mass": seen.sink_mass(),
        "heads": seen.heads(),
        "max_attention_tokens": seen.max_keys(),
        "sink_rate": seen.sink_rate(),
    }
    for name, frame in frames.items():
        assert dict(frame.schema) == TABLES[name].schema
        assert len(frame)


def test_passes_add_up_and_rows_are_named_in_order():
    model = tiny.network("gpt2")
    with sinkscope.observe(model, documents=["a", "b", "c"], name="mine") as seen:
        model(input_ids=torch.tensor(tiny.token_ids(6, 6)))
        model(input_ids=torch.tensor(tiny.token_ids(9)))
    assert seen.documents == ["a", "b", "c"]
    assert seen.heads()["document"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
    assert seen.heads()["model"].unique().to_list() == ["mine"]
    assert seen.map(0, document="c").shape == (9, 9)
    assert np.array_equal(seen.map(0, document=-1), seen.map(0, document="c"))


def test_the_same_model_again_starts_anew():
    model, ids = tiny.network("opt"), torch.tensor(tiny.token_ids(8))
    one, other = run(model, ids), run(model, ids)
    assert_frame_equal(one.heads(), other.heads())


def test_single_heads_have_maps_where_asked_for():
    model, ids = tiny.network("llama"), torch.tensor(tiny.token_ids(8))
    with torch.no_grad(), reference.capture() as captured:
        seen = run(model, ids, heads=[(2, 5), (0, 1)])
    attention, _ = captured.document(0)
    np.testing.assert_allclose(seen.map(2, 5), attention[2, 5], 1e-3, 1e-6)
    np.testing.assert_allclose(seen.map(0, head=1), attention[0, 1], 1e-3, 1e-6)


def test_without_a_tokenizer_what_needs_one_is_null_or_left_out():
    seen = run(tiny.network("bert"), torch.tensor(tiny.token_ids(8)))
    assert set(seen.sink_mass()["key_set"]) == {"first_token", "first_four", "sinks"}
    assert set(seen.sink_rate()["key_set"]) == {"first_token"}
    assert seen.max_keys()["key_class"].is_null().all()
    assert seen.found_sinks()["key_class"].is_null().all()


def test_embeddings_have_positions_for_tokens_or_the_names_given():
    model = tiny.network("llama")
    embeddings = model.get_input_embeddings()(torch.tensor(tiny.token_ids(4)))
    with sinkscope.observe(model) as seen:
        model(inputs_embeds=embeddings)
    assert seen.tokens() == ["0", "1", "2", "3"]
    with sinkscope.observe(model, tokens=[list("abcd")]) as seen:
        model(inputs_embeds=embeddings)
    assert seen.tokens() == list("abcd")


def test_a_long_document_has_a_map_in_blocks_unless_it_was_padded():
    model = tiny.network("llama", max_position_embeddings=700)
    ids, mask = tiny.padded(tiny.token_ids(600, 590), "right")
    seen = run(model, ids, mask)
    assert seen.map(0, document=0).shape == (256, 256)
    with pytest.raises(sinkscope.SinkscopeError, match=r"'1'.*maps are not kept; run it alone"):
        seen.map(0, document=1)
    assert len(seen.heads()) == 2 * 18


def test_generation_is_observed_up_to_its_first_step(gpt2, gpt2_tokenizer):
    inputs = gpt2_tokenizer("Z He came. She left.", return_tensors="pt")
    expected = gpt2.generate(**inputs, max_new_tokens=5, do_sample=False, pad_token_id=0)
    with (
        pytest.warns(UserWarning, match=r"4 forward passes over a filled cache were not"),
        sinkscope.observe(gpt2, gpt2_tokenizer) as seen,
    ):
        found = gpt2.generate(**inputs, max_new_tokens=5, do_sample=False, pad_token_id=0)
    assert torch.equal(found, expected)
    assert seen.n_skipped == 4
    assert seen.tokens() == ["Z", "▁He", "▁came", ".", "▁She", "▁left", "."]
    with sinkscope.observe(gpt2, gpt2_tokenizer) as plain:
        gpt2(**inputs)
    assert_frame_equal(seen.heads(), plain.heads(), abs_tol=1e-6)
