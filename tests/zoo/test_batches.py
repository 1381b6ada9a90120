"""Rows as families read them: document starts, special tokens, masks, segments."""

import pytest
import torch

from sinkscope.zoo.batches import Batches
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.tokens import load_tokenizer, read_stream

DECODERS = ("opt", "gpt2", "falcon", "llama")
ENCODERS = ("bert", "distilbert", "roberta")


def batches(made, family, seed=0):
    tokenizer = load_tokenizer(made / "tokenizers" / family)
    stream = read_stream(made / "tokens" / f"{family}.safetensors")
    return Batches(stream, FAMILIES[family], tokenizer, seed, torch.device("cpu"))


@pytest.mark.parametrize("family", DECODERS)
def test_half_of_a_decoders_rows_begin_with_a_document_as_its_tokenizer_would(made, family):
    drawn = batches(made, family)
    rows = drawn.draw(400, 32).ids
    stream = drawn.ids.long()
    start = drawn.starts if drawn.front else drawn.starts + 1
    beginnings = {tuple(stream[i : i + 8].tolist()) for i in start.tolist()}
    share = sum(tuple(row[:8].tolist()) in beginnings for row in rows) / 400
    assert 0.4 < share < 0.65  # half, and those that begin there by chance


@pytest.mark.parametrize("family", DECODERS)
def test_a_row_without_its_documents_start_has_no_special_token_in_front(made, family):
    drawn = batches(made, family)
    rows = drawn.draw(400, 32).ids
    document_token = int(drawn.ids[0])
    share = (rows[:, 0] == document_token).float().mean()
    assert share < 0.65
    assert share > 0.4 if drawn.front else share < 0.05


@pytest.mark.parametrize("family", DECODERS)
def test_labels_of_a_decoder_are_the_next_tokens(made, family):
    batch = batches(made, family).draw(3, 20)
    torch.testing.assert_close(batch.labels, batch.ids[:, 1:])


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_predicts_15_percent_and_never_a_special_token(made, family):
    drawn = batches(made, family)
    batch = drawn.draw(200, 40)
    special = torch.tensor(drawn.tokenizer.all_special_ids)
    assert batch.at.shape == (200, 6)
    assert all(len(set(row.tolist())) == 6 for row in batch.at)
    assert not torch.isin(batch.labels, special).any()
    assert (batch.ids[:, 0] == drawn.tokenizer.cls_token_id).all()
    assert (batch.ids[:, -1] == drawn.tokenizer.sep_token_id).all()
    shown = batch.ids.gather(1, batch.at)
    masked = (shown == drawn.tokenizer.mask_token_id).float().mean()
    left = (shown == batch.labels).float().mean()
    assert 0.75 < masked < 0.85
    assert 0.05 < left < 0.16
    assert (batch.ids == drawn.tokenizer.mask_token_id).sum() == (masked * shown.numel()).round()


def test_half_of_berts_rows_are_two_segments(made):
    drawn = batches(made, "bert")
    batch = drawn.draw(400, 40)
    two = batch.types.any(1)
    assert 0.4 < two.float().mean() < 0.6
    assert (batch.types[two].diff(dim=1) >= 0).all()
    first = batch.types[two].argmax(1)  # of the second segment; in front of it, a separator
    before = batch.ids[two].gather(1, first[:, None] - 1)
    assert (before == drawn.tokenizer.sep_token_id).all()
    assert ((first > 8) & (first < 32)).all()


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_equal_seeds_draw_equal_rows(made, family):
    first, again, other = (batches(made, family, seed).draw(5, 30) for seed in (1, 1, 2))
    torch.testing.assert_close(first.ids, again.ids)
    torch.testing.assert_close(first.labels, again.labels)
    assert not torch.equal(first.ids, other.ids)


def test_drawing_from_a_reseeded_stream_leaves_the_first_alone(made):
    drawn, reference = batches(made, "gpt2"), batches(made, "gpt2")
    drawn.reseeded(9).draw(5, 30)
    torch.testing.assert_close(drawn.draw(5, 30).ids, reference.draw(5, 30).ids)
