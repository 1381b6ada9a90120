"""Numbers are audited: what is right passes by far, and planted faults are all caught.

A fault is planted between the model and the statistics: in what the door hands over of a call, in
how rows are computed, or in what they are reduced to. The model's own attention stays as it is.
"""

from dataclasses import replace

import pytest
import torch

import compare
import tiny
from extract.test_interface import made
from extract.test_own_code import made as own_code
from extract.test_padded import small, together
from extract.test_variants import variant
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract import streaming
from sinkscope.extract.audit import Audit, Audited
from sinkscope.extract.masks import HIDDEN
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.sums import Sums

LENGTHS = (33, 21)  # of the documents of a pass


def model(name):
    if name in ("sigmoid", "softmax_off_by_one", "learned_sink", "gated_softmax"):
        return replace(tiny.loaded("gpt2"), network=variant(name).transformer)
    if name in ("bloom", "mpt", "deberta"):
        return own_code(name)
    return made(name) if name in ("gpt_oss", "gemma2") else tiny.loaded(name)


@pytest.fixture(scope="module")
def loaded():
    """Models by name; each is made once."""
    models = {}

    def get(name):
        if name not in models:
            models[name] = model(name)
        return models[name]

    return get


def audited(loaded, of_call=None, statistics=None, plan_of=None, seed=0):
    """The audit of a pass over two documents, padded in an encoder, else one after the other.

    of_call: changes what is handed over of a call. statistics: changes what a pass found. plan_of:
    changes the plan that a pass is reduced by.
    """
    side = "right" if loaded.family == "encoder" else None
    lengths = LENGTHS if side else LENGTHS[:1]
    ids, real = tiny.padded(tiny.token_ids(*lengths, seed=seed), side or "right")
    plan = compare.plan(real.bool(), map_exact=64, map_cells=8)
    audit = Audit(plan, [seed])
    observation = Observation(
        plan_of(plan) if plan_of else plan, Workspace(ids.device), audit=audit
    )
    attend = (lambda call: observation(of_call(call))) if of_call else observation
    run_observed(loaded, attend, ids, real if side else None)
    found = observation.stacked
    return audit.results(statistics(found) if statistics else found, observation.visible_of)


def check(results):
    for result in results:
        result.check("m", "d")


@pytest.mark.parametrize(
    "name",
    [
        *tiny.NAMES, "gpt_oss", "gemma2", "bloom", "mpt", "deberta",
        "sigmoid", "softmax_off_by_one", "learned_sink", "gated_softmax",
    ],
)  # fmt: skip
def test_what_is_right_is_far_within_the_bounds(name, loaded):
    layers = set()
    for seed in range(8):
        for result in audited(loaded(name), seed=seed):
            result.check("m", "d")
            assert 0 < result.output_error < result.output_bound / 20
            assert 0 < result.row_error < result.row_bound / 20
            assert result.output_bound < 1e-4
            layers.add(result.layer)
    assert layers == set(range(loaded(name).n_layers))


def rolled(rows, axis):
    return rows.roll(1, axis)


def causal(call):
    n_tokens = call.query.shape[2]
    return torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()[None, None]


def others(call):
    """Earlier keys only; the first query sees itself."""
    mask = causal(call).tril(-1)
    mask[..., 0, 0] = True
    return mask


def other_groups(call):
    """Query head i attends to key head i % n instead of i // n."""
    n_kv = call.key.shape[1]
    order = torch.arange(call.query.shape[1]).view(n_kv, -1).T.flatten()
    return call._replace(query=call.query[:, order])


# What the door could hand over wrongly.
OF_CALLS = {
    "ALiBi twice": ("falcon-alibi", lambda call: call._replace(key_bias=2 * call.key_bias)),
    "no ALiBi": ("falcon-alibi", lambda call: call._replace(key_bias=None)),
    "ALiBi of another head": (
        "falcon-alibi", lambda call: call._replace(key_bias=rolled(call.key_bias, 1)),
    ),
    "ALiBi of the next key": (
        "falcon-alibi", lambda call: call._replace(key_bias=rolled(call.key_bias, 2)),
    ),
    "a scale of 1": ("gpt2", lambda call: call._replace(scale=1.0)),
    "a scale that is off by 0.1 %": ("gpt2", lambda call: call._replace(scale=call.scale * 1.001)),
    "a mask shifted by one key": (
        "bert", lambda call: call._replace(mask=rolled(call.mask, -1)),
    ),
    "padding that is seen": ("distilbert", lambda call: call._replace(mask=None)),
    "a future that is seen": ("opt", lambda call: call._replace(is_causal=False, mask=None)),
    "queries that do not see themselves": (
        "gpt2", lambda call: call._replace(is_causal=False, mask=others(call)),
    ),
    "no soft cap": ("gemma2", lambda call: call._replace(softcap=None)),
    "half a soft cap": ("gemma2", lambda call: call._replace(softcap=call.softcap / 2)),
    "no sliding window": ("gemma2", lambda call: call._replace(mask=causal(call))),
    "no sink logit": ("gpt_oss", lambda call: call._replace(sink=None)),
    "sink logits of other heads": (
        "gpt_oss", lambda call: call._replace(sink=rolled(call.sink, 1)),
    ),
    "no learned sink in a variant": ("learned_sink", lambda call: call._replace(sink=None)),
    "softmax instead of off-by-one": (
        "softmax_off_by_one", lambda call: call._replace(attention="softmax"),
    ),
    "off-by-one instead of sigmoid": (
        "sigmoid", lambda call: call._replace(attention="softmax_off_by_one"),
    ),
    "grouped heads in another order": ("llama", other_groups),
    "keys of another head": ("llama", lambda call: call._replace(key=rolled(call.key, 1))),
    "values of another head": ("llama", lambda call: call._replace(value=rolled(call.value, 1))),
    "keys of the next token": ("opt", lambda call: call._replace(key=rolled(call.key, 2))),
    "no logits": ("bloom", lambda call: call._replace(mask=torch.zeros_like(call.mask))),
    "logits of another head": ("mpt", lambda call: call._replace(mask=rolled(call.mask, 1))),
    "logits of the next key": ("deberta", lambda call: call._replace(mask=rolled(call.mask, -1))),
    "logits that are only seen": (
        "bloom", lambda call: call._replace(mask=call.mask > torch.finfo(call.mask.dtype).min),
    ),
    "products in half precision": (
        "roberta", lambda call: call._replace(query=call.query.bfloat16().float()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", OF_CALLS)
def test_a_call_that_is_read_wrongly_is_caught(fault, loaded):
    name, of_call = OF_CALLS[fault]
    with pytest.raises(SinkscopeError, match="was observed incorrectly: outputs of layer"):
        check(audited(loaded(name), of_call))


# What could go wrong between rows and statistics.
OF_STATISTICS = {
    "layers in another order": lambda found: {
        name: values.flip(0) for name, values in found.items()
    },
    "the sum over heads for their mean": lambda found: {
        "max_value": found["max_value"] * 4, "second_value": found["second_value"] * 4,
    },
    "the next key": lambda found: {"max_key": (found["max_key"] + 1).clamp(max=32)},
    "the second key first": lambda found: {
        "max_value": found["second_value"], "second_value": found["max_value"],
    },
    "attention given instead of received": lambda found: {"map": found["map"].mT},
    "attention of the next key": lambda found: {"sink_score": rolled(found["sink_score"], -1)},
    "attention of another head": lambda found: {"sink_score": rolled(found["sink_score"], 2)},
    "another key set": lambda found: {"mass": rolled(found["mass"], -1)},
    "sums of one query more": lambda found: {"row_sum": found["row_sum"] * 34 / 33},
    "documents in another order": lambda found: {
        name: values.flip(1) for name, values in found.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("fault", OF_STATISTICS)
def test_a_statistic_that_is_wrong_is_caught(fault, loaded):
    def statistics(found):
        names = ("max_key", "max_value", "second_value", "map", "sink_score", "mass", "row_sum")
        return replace(
            found, **OF_STATISTICS[fault]({name: getattr(found, name) for name in names})
        )

    # Of three layers in another order, the one in the middle is right.
    found = [audited(loaded("bert"), statistics=statistics, seed=seed) for seed in range(2)]
    with pytest.raises(SinkscopeError, match="was observed incorrectly"):
        check([*found[0], *found[1]])


def mean_of_groups(add):
    """The head mean of grouped heads taken over the first head of each group."""

    def wrong(self, start, logits, p):
        n_kv = self.call.key.shape[1]
        of_groups = p.unflatten(1, (n_kv, -1))
        add(self, start, logits, of_groups[:, :, :1].expand_as(of_groups).flatten(1, 2).clone())

    return wrong


def twice(add):
    """A block of queries added twice."""

    def wrong(self, start, logits, p):
        add(self, start, logits, p)
        self.received[..., : p.shape[-1]] += p.sum(2)

    return wrong


def last_key_lost(add):
    def wrong(self, start, logits, p):
        p[..., -1] = 0.0
        add(self, start, logits, p)

    return wrong


@pytest.mark.parametrize("fault", [mean_of_groups, twice, last_key_lost])
def test_a_reduction_that_is_wrong_is_caught(fault, loaded, monkeypatch):
    monkeypatch.setattr(Sums, "add", fault(Sums.add))
    with pytest.raises(SinkscopeError, match="was observed incorrectly"):
        check(audited(loaded("llama")))


def mean_over_group(output):
    """Grouped heads that all get the mean of their group's outputs."""
    grouped = output.unflatten(1, (2, -1))
    return grouped.mean(2, keepdim=True).expand_as(grouped).flatten(1, 2)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("llama", mean_over_group),
        ("llama", lambda output: rolled(output, 1)),
        ("gpt2", lambda output: rolled(output, 2)),
        ("gpt2", lambda output: output.bfloat16().float()),
    ],
)
def test_an_output_that_the_pass_goes_on_with_wrongly_is_caught(name, wrong, loaded, monkeypatch):
    attend = streaming.attend

    def wrongly(*args):
        return wrong(attend(*args))

    monkeypatch.setattr(streaming, "attend", wrongly)
    with pytest.raises(SinkscopeError, match="was observed incorrectly: outputs of layer"):
        check(audited(loaded(name)))


def test_padding_that_is_counted_is_caught(loaded):
    def counted(plan):
        return replace(plan, real=torch.ones_like(plan.real))

    with pytest.raises(SinkscopeError, match="was observed incorrectly"):
        check(audited(loaded("bert"), plan_of=counted))


def test_a_causal_block_that_sees_one_token_more_is_caught(loaded, monkeypatch):
    def future(self, n_rows):
        return torch.full((n_rows, n_rows), HIDDEN).triu_(2)

    monkeypatch.setattr(Workspace, "future", future)
    with pytest.raises(SinkscopeError, match="was observed incorrectly"):
        check(audited(loaded("opt")))


def test_a_number_that_is_none_is_caught():
    nan = Audited(3, (0,), float("nan"), 0.0, 1.0, 1.0)
    with pytest.raises(SinkscopeError, match="outputs of layer 3 differ by nan"):
        nan.check("m", "d")


def test_a_cell_says_what_its_audit_found_and_equal_inputs_draw_equally():
    document = Document("one", "one.txt", None, "Z he came. she left, and so on.")
    first, again = (small("bert").analyse(document).meta["audit"] for _ in range(2))
    assert first == again
    assert set(first) == {
        "layer", "queries", "output_error", "row_error", "output_bound", "row_bound",
    }  # fmt: skip
    drawn = {
        small("bert").analyse(replace(document, text=document.text[:n])).meta["audit"]["layer"]
        for n in range(4, 20)
    }
    assert drawn == {0, 1, 2}


def test_a_document_that_fails_its_audit_has_no_cell_and_the_others_have(monkeypatch):
    results = Audit.named

    def second_wrong(self, *args):
        found = results(self, *args)
        return [found[0], replace(found[1], row_error=0.5), *found[2:]]

    monkeypatch.setattr(Audit, "named", second_wrong)
    first, second, third = together(small("bert"), ["a cat", "he went.", "so it was"])
    assert first.meta["document"] == "d0"
    assert third.meta["document"] == "d2"
    assert "document 'd1'" in str(second)
    assert "model 'bert' was observed incorrectly: rows of layer" in str(second)
    assert "differ by 5.0e-01 from those recomputed in float64" in str(second)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_has_its_own_bound(dtype, loaded):
    of = loaded("llama")
    half = tiny.network("llama").to(getattr(torch, dtype))
    for result in audited(replace(of, network=half)):
        result.check("m", "d")
        assert 1e-5 < result.output_error < 0.02
        assert result.row_error < 2e-6
