"""Attention with forbidden keys, in every family, padded and not."""

import pytest
import torch

import reference
import tiny
from calls import call
from extract.test_own_code import made as own_code
from sinkscope.extract.edit import Edited, restricted, visible_keys
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.streaming import Workspace
from sinkscope.extract.variants import VariantGPT2Config, VariantGPT2Model
from sinkscope.measure.passes import plan_of

N = 30


def observed(loaded, ids, allowed=None, mask=None):
    """Every head's attention [layer, batch, head, query, key] and the final states. allowed: bool
    [query, key]."""
    heads = [(i, j) for i in range(loaded.n_layers) for j in range(loaded.n_heads)]
    plan = plan_of(ids, map_exact=ids.shape[1], heads=tuple(heads))
    observation = Observation(plan, Workspace(loaded.device))

    def edit(layer, call):
        return call if allowed is None else restricted(call, allowed[None, None])

    output = run_observed(loaded, Edited(observation, edit), ids, mask, hidden_states=True)
    maps = torch.stack([layer.head_maps for layer in observation.layers])
    return maps, output.hidden_states[-1], observation


def variant(attention):
    config = VariantGPT2Config(
        attention, vocab_size=tiny.VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=96,
        initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(7)
    network = VariantGPT2Model(config).eval().requires_grad_(False)
    return tiny.Loaded(tiny.row(attention), network, None, "decoder", 96, None)


LOADERS = {name: lambda name=name: tiny.loaded(name) for name in tiny.NAMES}
LOADERS |= {name: lambda name=name: variant(name) for name in ("sigmoid", "softmax_off_by_one")}
LOADERS |= {name: lambda name=name: own_code(name) for name in ("bloom", "mpt", "deberta")}


@pytest.fixture(params=LOADERS, scope="module")
def loaded(request):
    return LOADERS[request.param]()


@pytest.fixture(scope="module")
def ids():
    return torch.tensor(tiny.token_ids(N))


def test_a_mask_that_allows_all_is_dense_attention(loaded, ids):
    everything = torch.ones(N, N, dtype=torch.bool)
    maps, states, _ = observed(loaded, ids, everything)
    dense_maps, dense_states, _ = observed(loaded, ids)
    torch.testing.assert_close(maps, dense_maps, rtol=0, atol=1e-6)
    torch.testing.assert_close(states, dense_states, rtol=1e-5, atol=1e-5)


def test_a_forbidden_key_gets_exactly_0_in_every_layer_and_head(loaded, ids):
    torch.manual_seed(3)
    allowed = (torch.rand(N, N) < 0.4) | torch.eye(N, dtype=torch.bool)
    maps, _, observation = observed(loaded, ids, allowed)
    assert maps.shape == (loaded.n_layers, 1, loaded.n_heads, N, N)
    assert (maps[..., ~allowed] == 0).all()
    if loaded.family == "decoder":
        assert (maps[..., ~torch.ones(N, N, dtype=torch.bool).tril()] == 0).all()
    if loaded.row.model not in ("sigmoid", "softmax_off_by_one"):
        torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    # What counts as visible is what is left: uniform attention is of these keys.
    seen = allowed.tril() if loaded.family == "decoder" else allowed
    for visible in observation.visible_of:
        assert torch.equal(visible.n_keys[0], seen.sum(1).float())


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ["bert", "falcon-alibi", "llama"])
def test_padding_stays_hidden(name, side):
    loaded = tiny.loaded(name)
    ids, real = tiny.padded(tiny.token_ids(N, 17), side)
    maps, _, _ = observed(loaded, ids, torch.ones(N, N, dtype=torch.bool), real)
    short = maps[:, 1][:, :, real[1].bool()]  # [layer, head, query, key]
    assert (short[..., ~real[1].bool()] == 0).all()
    dense, _, _ = observed(loaded, ids, None, real)
    torch.testing.assert_close(short, dense[:, 1][:, :, real[1].bool()], rtol=0, atol=1e-6)


def test_alibi_of_falcon_survives_a_mask(ids):
    """Against the library's own mask with ALiBi folded in, and without ALiBi."""
    loaded = tiny.loaded("falcon-alibi")
    allowed = (torch.arange(N)[:, None] - torch.arange(N)).abs() < 9
    maps, _, _ = observed(loaded, ids, allowed)
    with reference.capture() as captured, torch.inference_mode():
        loaded.network(ids)
    # The first layer's queries and keys are those of the dense pass.
    p = captured.attention[0][0]
    p = torch.from_numpy(p * allowed.numpy())
    p = p / p.sum(-1, keepdim=True)
    torch.testing.assert_close(maps[0, 0].double(), p, rtol=1e-5, atol=1e-6)
    q, k = (torch.from_numpy(getattr(captured, name)[0][0]) for name in ("query", "key"))
    plain = (q @ k.transpose(-1, -2) / 8**0.5).masked_fill(~allowed.tril(), -torch.inf).softmax(-1)
    assert (maps[0, 0].double() - plain).abs().max() > 0.05


@pytest.mark.parametrize("kind", ["bloom", "mpt"])
def test_alibi_in_code_of_its_own_survives_a_mask(kind, ids):
    """Against the library's own rows, with what is forbidden taken out of them."""
    loaded = own_code(kind)
    allowed = (torch.arange(N)[:, None] - torch.arange(N)).abs() < 9
    maps, _, _ = observed(loaded, ids, allowed)
    with torch.inference_mode():
        # The first layer's queries and keys are those of the dense pass.
        p = loaded.network(ids, output_attentions=True).attentions[0][0].double() * allowed
    p = p / p.sum(-1, keepdim=True)
    torch.testing.assert_close(maps[0, 0].double(), p, rtol=1e-5, atol=1e-6)
    assert maps[0, 0, 0, 20:, :12].sum() == 0  # though ALiBi is there for keys further away


def test_a_mask_of_numbers_keeps_its_numbers_where_keys_are_allowed():
    torch.manual_seed(0)
    bias = torch.randn(2, 3, 12, 12)
    bias[..., 5] = torch.finfo(torch.float32).min
    made = call(12, 8, torch.float32, mask=bias, is_causal=True)
    allowed = torch.rand(12, 12) < 0.5
    mask = restricted(made, allowed[None, None]).mask
    assert torch.equal(mask[..., allowed], bias[..., allowed])
    assert (mask[..., ~allowed] == torch.finfo(torch.float32).min).all()
    visible = visible_keys(restricted(made, allowed[None, None]))
    expected = allowed.tril()
    expected[:, 5] = False
    assert torch.equal(visible, expected.expand(2, -1, -1))


def test_keys_of_no_token_stay_visible():
    made = call(12, 8, torch.float32, batch=1)
    extra = made._replace(
        key=torch.cat([made.key, made.key[:, :, :2]], 2),
        value=torch.cat([made.value, made.value[:, :, :2]], 2),
        mask=torch.ones(1, 1, 12, 14, dtype=torch.bool).tril(), is_causal=False, n_extra=2,
    )  # fmt: skip
    extra.mask[..., 12:] = True
    none = torch.eye(12, dtype=torch.bool)
    masked = restricted(extra, none[None, None])
    assert masked.mask[..., 12:].all()
    assert torch.equal(visible_keys(masked)[0], none)
    assert torch.equal(visible_keys(extra)[0], torch.ones(12, 12, dtype=torch.bool).tril())
