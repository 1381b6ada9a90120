"""What else runs meanwhile, and what is left behind: other models, hooks, threads, exceptions."""

import contextlib
import copy
import inspect
import pickle
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from accelerate.hooks import ModelHook, add_hook_to_module
from polars.testing import assert_frame_equal
from transformers import AutoModelForCausalLM

import reference
import sinkscope
import tiny

IDS = torch.tensor(tiny.token_ids(10))
OTHER = torch.tensor(tiny.token_ids(7, seed=1))


def state(model):
    """Everything about a model and about torch that observing might leave changed."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "attention": F.scaled_dot_product_attention,
        "implementation": model.config._attn_implementation,
        "attributes": sorted(vars(model)),
        "forward": model.forward,
        "hooks": [len(vars(module)[name]) for module in model.modules() for name in hooks],
        "training": [module.training for module in model.modules()],
        "requires_grad": [parameter.requires_grad for parameter in model.parameters()],
        "grad": torch.is_grad_enabled(),
    }


def heads_alone(model, ids):
    with sinkscope.observe(model) as seen:
        model(input_ids=ids)
    return seen.heads()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "falcon-alibi", "bert"])
def test_a_model_is_left_as_it_was(name, training):
    model = tiny.network(name).train(training)
    next(model.parameters()).requires_grad_(True)
    before = state(model)
    heads_alone(model, IDS)
    assert state(model) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_also_after_an_exception_within_the_model(error):
    model = tiny.network("gpt2")
    before = state(model)

    def fail(*_):
        raise error

    hook = model.h[1].register_forward_hook(fail)
    with pytest.raises(error), sinkscope.observe(model) as seen:
        model(input_ids=IDS)
    hook.remove()
    assert state(model) == before
    with pytest.raises(sinkscope.SinkscopeError, match="no forward pass was observed"):
        seen.heads()


def test_a_pass_that_was_interrupted_does_not_count_and_the_next_one_does():
    model, other = tiny.network("gpt2"), tiny.network("bert")

    def fail(*_):
        raise KeyboardInterrupt

    with sinkscope.observe(model) as seen:
        hook = model.h[1].register_forward_hook(fail)
        with contextlib.suppress(KeyboardInterrupt):
            model(input_ids=IDS)
        hook.remove()
        other(input_ids=OTHER)  # it is not the observed one
        model(input_ids=IDS)
    assert seen.documents == ["0"]
    assert_frame_equal(seen.heads(), heads_alone(model, IDS))


def test_torch_is_itself_between_the_passes_of_a_block():
    original = F.scaled_dot_product_attention
    model = tiny.network("gpt2")
    with sinkscope.observe(model):
        assert F.scaled_dot_product_attention is original
        model(input_ids=IDS)
        assert F.scaled_dot_product_attention is original


def test_another_model_in_the_block_is_not_observed():
    model, other = tiny.network("gpt2"), tiny.network("llama")
    with sinkscope.observe(model) as seen:
        other(input_ids=OTHER)
        model(input_ids=IDS)
    assert_frame_equal(seen.heads(), heads_alone(model, IDS))


@pytest.mark.parametrize("both", [True, False])
def test_a_model_that_a_hook_of_another_runs(both):
    outer, inner = tiny.network("gpt2"), tiny.network("llama")
    alone = heads_alone(inner, OTHER)
    outer_alone = heads_alone(outer, IDS)
    handle = outer.h[1].attn.register_forward_hook(lambda *_: inner(input_ids=OTHER) and None)
    looking = sinkscope.observe(inner) if both else contextlib.nullcontext()
    with sinkscope.observe(outer) as seen, looking as also:
        outer(input_ids=IDS)
    handle.remove()
    assert_frame_equal(seen.heads(), outer_alone)
    if both:
        assert_frame_equal(also.heads(), alone)


@pytest.mark.parametrize("part", [False, True])
def test_blocks_of_one_model_within_each_other_and_of_a_part_of_it(part):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(tiny.CONFIGS["gpt2"]).eval()
    expected = heads_alone(model, IDS)
    before = model.forward
    with sinkscope.observe(model) as outer:
        model(input_ids=OTHER)
        with sinkscope.observe(model.base_model if part else model) as inner:
            model(input_ids=IDS)
    assert model.forward == before
    assert_frame_equal(inner.heads().drop("model"), expected.drop("model"))
    assert outer.documents == ["0", "1"]
    second = outer.heads().filter(document="1")
    assert_frame_equal(second.drop("document"), expected.drop("document"))


def test_a_look_at_a_model_that_is_observed_is_one_more_pass():
    tokenizer = tiny.byte_tokenizer()
    model = tiny.network("gpt2", vocab_size=len(tokenizer))
    with sinkscope.observe(model, tokenizer) as seen:
        found = sinkscope.look(model, tokenizer, "Z He came.")
    assert seen.tokens() == found.tokens()
    assert_frame_equal(seen.heads().drop("document"), found.heads().drop("document"), abs_tol=1e-5)


def test_threads_have_their_own_blocks():
    models = [tiny.network(name) for name in ("gpt2", "llama", "bert")]
    expected = [heads_alone(model, IDS) for model in models]
    plain = tiny.network("opt")
    answer = plain(input_ids=IDS).last_hidden_state
    found, outputs, together = {}, [], threading.Barrier(4)

    def observe(i):
        together.wait()
        with sinkscope.observe(models[i]) as seen:
            for _ in range(20):
                models[i](input_ids=IDS)
        found[i] = seen

    def run():
        together.wait()
        outputs.extend(plain(input_ids=IDS).last_hidden_state for _ in range(40))

    original = F.scaled_dot_product_attention
    threads = [threading.Thread(target=observe, args=(i,)) for i in range(3)]
    threads.append(threading.Thread(target=run))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert F.scaled_dot_product_attention is original
    assert all(torch.equal(output, answer) for output in outputs)
    for i, heads in enumerate(expected):
        assert len(found[i].documents) == 20
        last = found[i].heads().filter(document="19").drop("document")
        assert_frame_equal(last, heads.drop("document"))


def test_one_model_in_several_threads():
    model = tiny.network("gpt2")
    expected = heads_alone(model, IDS)
    with sinkscope.observe(model) as seen:
        threads = [threading.Thread(target=lambda: model(input_ids=IDS)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen.documents) == ["0", "1", "2", "3"]
    for name in seen.documents:
        heads = seen.heads().filter(document=name).drop("document")
        assert_frame_equal(heads, expected.drop("document"))


def test_blocks_may_end_in_any_order():
    model = tiny.network("gpt2")
    before, one, two = state(model), contextlib.ExitStack(), contextlib.ExitStack()
    first = one.enter_context(sinkscope.observe(model))
    second = two.enter_context(sinkscope.observe(model))
    one.close()
    model(input_ids=IDS)
    two.close()
    model(input_ids=IDS)
    assert state(model) == before
    assert second.documents == ["0"]
    with pytest.raises(sinkscope.SinkscopeError, match="no forward pass"):
        first.heads()


@pytest.mark.parametrize("warm", [True, False])
def test_code_that_was_compiled_around_the_model(warm):
    model = tiny.network("gpt2")
    expected = heads_alone(model, IDS)

    @torch.compile(backend="eager")
    def step(ids):
        return model(input_ids=ids).last_hidden_state * 2

    before = step(IDS) if warm else model(input_ids=IDS).last_hidden_state * 2
    with sinkscope.observe(model) as seen:
        within = step(IDS)
    assert torch.equal(within, before)
    assert torch.equal(step(IDS), before)
    assert_frame_equal(seen.heads(), expected)


def test_hooks_of_others_run_as_ever_and_what_they_change_is_what_is_observed():
    model, calls = tiny.network("gpt2"), []

    def shorten(module, args, options):
        calls.append("before")
        return args, options | {"input_ids": options["input_ids"][:, :4]}

    handles = [
        model.register_forward_pre_hook(shorten, with_kwargs=True),
        model.register_forward_hook(lambda *_: calls.append("after")),
    ]
    with sinkscope.observe(model) as seen:
        model(input_ids=IDS)
    for handle in handles:
        handle.remove()
    assert calls == ["before", "after"]
    assert len(seen.tokens()) == 4


def test_a_model_that_accelerate_has_hooked_keeps_its_hook():
    class Note(ModelHook):
        n_calls = 0

        def pre_forward(self, module, *args, **options):
            Note.n_calls += 1
            return args, options

    model = add_hook_to_module(tiny.network("llama"), Note())
    before = model.forward
    with sinkscope.observe(model) as seen:
        model(input_ids=IDS)
    assert model.forward is before
    assert Note.n_calls == 1
    assert len(seen.documents) == 1


def test_a_copy_made_in_the_block_is_a_model_of_its_own():
    model = tiny.network("gpt2")
    with sinkscope.observe(model) as seen:
        copied, loaded = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
        for other in (copied, loaded):
            other.wte.weight.zero_()
            other(input_ids=OTHER)
            assert not torch.equal(
                other(input_ids=IDS).last_hidden_state, model(input_ids=IDS).last_hidden_state
            )
        forward = type(model).forward.__get__(model)
        assert inspect.signature(model.forward) == inspect.signature(forward)
    assert seen.documents == ["0", "1"]


def test_another_patch_of_torch_in_or_around_the_block_still_works():
    model = tiny.network("gpt2")
    original = F.scaled_dot_product_attention
    with reference.capture() as outer, sinkscope.observe(model) as seen, torch.no_grad():
        model(input_ids=IDS)
    with sinkscope.observe(model) as also, reference.capture() as inner, torch.no_grad():
        model(input_ids=IDS)
    assert F.scaled_dot_product_attention is original
    assert_frame_equal(seen.heads(), also.heads())
    for captured in (outer, inner):
        assert len(captured.attention) == 3
        np.testing.assert_allclose(seen.map(0), captured.attention[0][0].mean(0), 1e-3, 1e-6)


def test_a_patch_that_is_put_over_ours_during_a_pass_and_stays_does_no_harm():
    model, patches = tiny.network("gpt2"), contextlib.ExitStack()
    expected, original = heads_alone(model, IDS), F.scaled_dot_product_attention
    handle = model.h[0].register_forward_hook(
        lambda *_: patches.enter_context(reference.capture()) and None
    )
    with sinkscope.observe(model) as seen, torch.no_grad():
        model(input_ids=IDS)
        handle.remove()
        model(input_ids=IDS)
    patches.close()
    assert_frame_equal(
        seen.heads().filter(document="1").drop("document"), expected.drop("document")
    )
    heads_alone(model, IDS)
    tiny.network("llama")(input_ids=IDS)
    F.scaled_dot_product_attention = original
