"""Edits of a layer, against a reference that writes out every weight in float64."""

import numpy as np
import pytest
import torch

from calls import call
from sinkscope.experiments.head_roles.constants import KINDS
from sinkscope.experiments.head_roles.edits import LayerEdit, edited_output

N, HEADS, D = 14, 4, 6


def reference(made, row, kinds, keys, other):
    """[head, query, d] of one row, head by head and query by query."""
    query, key, value = (t[row].double().numpy() for t in (made.query, made.key, made.value))
    group = HEADS // len(key)
    output = np.zeros((HEADS, N, D))
    for head in range(HEADS):
        k, v = key[head // group], value[head // group]
        at = keys[row][head]
        for i in range(N):
            keep = [j for j in range(i + 1) if not (kinds[row] == "remove" and j == at != i)]
            logits = np.array([query[head, i] @ k[j] * made.scale for j in keep])
            weight = np.exp(logits - logits.max())
            weight /= weight.sum()
            for j, w in zip(keep, weight, strict=True):
                sent = v[j]
                if j == at != i and kinds[row] != "remove":
                    sent = {
                        "zero": np.zeros(D),
                        "mean": np.delete(v, j, 0).mean(0),
                        "other": other[row, head].numpy(),
                    }[kinds[row]]
                output[head, i] += w * sent
    return output


@pytest.mark.parametrize("n_kv", [HEADS, 2])
def test_every_kind_of_edit_is_the_reference(n_kv):
    made = call(N, D, torch.float32, n_heads=HEADS, n_kv=n_kv, batch=len(KINDS))
    keys = torch.tensor([[0, 3, -1, 5], [-1, -1, 0, 7], [2, 2, 2, 2], [0, -1, 4, 13]])
    other = torch.randn(len(KINDS), HEADS, D)
    found = edited_output(made, LayerEdit(KINDS, keys, other))
    for row in range(len(KINDS)):
        expected = reference(made, row, KINDS, keys.tolist(), other.double())
        np.testing.assert_allclose(found[row].double(), expected, rtol=1e-4, atol=1e-5)


def test_no_edit_is_the_attention_itself():
    made = call(N, D, torch.float32, n_heads=HEADS, batch=1)
    nothing = torch.full((1, HEADS), -1)
    dense = torch.nn.functional.scaled_dot_product_attention(
        made.query, made.key, made.value, is_causal=True, scale=made.scale
    )
    for kind in ("zero", "mean", "remove"):
        torch.testing.assert_close(edited_output(made, LayerEdit([kind], nothing)), dense)


def test_rows_that_share_a_text_are_the_same_as_rows_of_their_own():
    made = call(N, D, torch.float32, n_heads=HEADS, n_kv=2, batch=1)
    many = made._replace(
        **{name: getattr(made, name).expand(3, -1, -1, -1) for name in ("query", "key", "value")}
    )
    edit = LayerEdit(["zero", "mean", "remove"], torch.tensor([[0] * HEADS] * 3))
    torch.testing.assert_close(edited_output(made, edit), edited_output(many, edit))


def test_what_a_key_sends_to_itself_stays():
    made = call(N, D, torch.float32, n_heads=HEADS, batch=1)
    keys = torch.tensor([[0, 4, 9, 13]])
    dense = edited_output(made, LayerEdit(["zero"], torch.full((1, HEADS), -1)))
    for kind in ("zero", "mean", "remove"):
        found = edited_output(made, LayerEdit([kind], keys))
        for head, key in enumerate(keys[0]):
            assert torch.equal(found[0, head, : key + 1], dense[0, head, : key + 1])
            assert torch.allclose(found[0, head, key + 1 :], dense[0, head, key + 1 :]) == (
                key == 13
            )


@pytest.mark.parametrize("attention", ["sigmoid", "softmax_off_by_one"])
def test_attention_without_a_fixed_sum(attention):
    """Sigmoid: the other weights stay. Off by one: they share with the key of logit 0."""
    made = call(N, D, torch.float32, n_heads=HEADS, batch=1)._replace(attention=attention)
    edit = LayerEdit(["remove"], torch.zeros(1, HEADS, dtype=torch.long))
    found = edited_output(made, edit)[0, :, 5]
    q, k, v = (t[0].double() for t in (made.query, made.key, made.value))
    logits = torch.einsum("hd,hkd->hk", q[:, 5], k[:, :6]) * made.scale
    if attention == "sigmoid":
        weight = (logits - np.log(6)).sigmoid()
    else:
        weight = logits.exp() / (1 + logits[:, 1:].exp().sum(1, keepdim=True))
    weight[:, 0] = 0
    expected = torch.einsum("hk,hkd->hd", weight, v[:, :6])
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
