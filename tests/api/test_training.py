"""Observing inside a training loop: nothing that the loop computes may change."""

import contextlib

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

import reference
import sinkscope
import tiny

STEPS = 6


def batches():
    """Padded on the right, with labels that leave padding out."""
    for step in range(STEPS):
        ids, mask = tiny.padded(tiny.token_ids(12, 7, 9, seed=step), "right")
        yield {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}


def train(name, *, observed, kind=AutoModelForCausalLM, prepare=None, autocast=False):
    """Losses, parameters, gradients and random numbers after a short loop with all dropout on."""
    torch.manual_seed(3)
    changes = {
        "gpt2": {"attn_pdrop": 0.2},
        "llama": {"attention_dropout": 0.2},
        "bert": {"attention_probs_dropout_prob": 0.2, "num_labels": 2},
        "falcon-alibi": {"attention_dropout": 0.2},
    }[name]
    config = type(tiny.CONFIGS[name]).from_dict({**tiny.CONFIGS[name].to_dict(), **changes})
    model = kind.from_config(config, attn_implementation="sdpa").train()
    if prepare is not None:
        prepare(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses, seen = [], None
    for step, batch in enumerate(batches()):
        if kind is AutoModelForSequenceClassification:
            batch["labels"] = torch.tensor([0, 1, 0])
        looking = sinkscope.observe(model) if observed and step % 2 else contextlib.nullcontext()
        with looking as found, torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(**batch).loss
        seen = found or seen
        loss.backward()
        losses.append(loss.item())
        gradients = [parameter.grad.clone() for parameter in model.parameters()]
        optimizer.step()
        optimizer.zero_grad()
    values = [*model.parameters(), *gradients, torch.get_rng_state()]
    return losses, [value.detach().clone() for value in values], seen


def assert_bitwise(name, **options):
    losses, values, _ = train(name, observed=False, **options)
    found, others, seen = train(name, observed=True, **options)
    assert found == losses
    assert all(torch.equal(one, other) for one, other in zip(values, others, strict=True))
    assert len(seen.documents) == 3
    return seen


@pytest.mark.parametrize("name", ["gpt2", "llama", "falcon-alibi"])
def test_losses_gradients_weights_and_random_numbers_are_bitwise_the_same(name):
    seen = assert_bitwise(name)
    # Of the attention before dropout: rows sum to 1.
    np.testing.assert_allclose(seen.heads()["row_sum"], 1, 1e-5)


def test_an_encoder_with_a_classifier_is_trained_the_same():
    assert_bitwise("bert", kind=AutoModelForSequenceClassification)


def test_under_autocast():
    seen = assert_bitwise("gpt2", autocast=True)
    np.testing.assert_allclose(seen.heads()["row_sum"], 1, 1e-5)


@pytest.mark.parametrize("reentrant", [True, False])
def test_with_gradient_checkpointing_each_layer_is_observed_once(reentrant):
    def prepare(model):
        model.gradient_checkpointing_enable({"use_reentrant": reentrant})

    seen = assert_bitwise("llama", prepare=prepare)
    assert len(seen.heads()) == 3 * 3 * 6


def test_statistics_in_training_mode_are_of_the_attention_before_dropout():
    model = tiny.network("gpt2", attn_pdrop=0.5).train()
    ids = torch.tensor(tiny.token_ids(20))
    with sinkscope.observe(model) as seen, torch.no_grad(), reference.capture() as captured:
        torch.manual_seed(0)
        model(input_ids=ids)
    attention, _ = captured.document(0)
    np.testing.assert_allclose(seen.map(0), attention[0].mean(0), 1e-3, 1e-6)


def test_a_loop_that_goes_wrong_says_so_where_the_frames_are_asked_for():
    model = tiny.network("gpt2")
    model.wte.weight[7] = float("nan")
    with sinkscope.observe(model) as seen:
        model(input_ids=torch.tensor([[5, 7, 9]]))  # the loop itself goes on
    with pytest.raises(sinkscope.SinkscopeError, match=r"document '0'.*NaN.*layer 0"):
        seen.heads()


def test_evaluation_and_training_steps_may_share_a_block():
    model = AutoModelForCausalLM.from_config(tiny.CONFIGS["gpt2"], attn_implementation="sdpa")
    ids = torch.tensor(tiny.token_ids(12))
    with sinkscope.observe(model.eval()) as seen:
        for mode in (torch.inference_mode(), torch.enable_grad(), torch.no_grad()):
            with mode:
                loss = model(input_ids=ids, labels=ids).loss
            if loss.requires_grad:
                loss.backward()
    assert len(seen.documents) == 3
    for name in seen.documents[1:]:
        assert (
            seen.heads()
            .filter(document=name)["sink_score"]
            .equals(seen.heads().filter(document="0")["sink_score"])
        )
    assert all(parameter.grad is not None for parameter in model.transformer.h.parameters())
