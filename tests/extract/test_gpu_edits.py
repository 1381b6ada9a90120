"""Masks and edits on a GPU give what they give on the processor."""

import polars as pl
import pytest
import torch

import tiny
from sinkscope.documents import Document
from sinkscope.experiments.head_roles.measure import measure as head_roles
from sinkscope.experiments.long_texts.measure import measure as long_texts
from sinkscope.experiments.masks.measure import measure as masks
from sinkscope.extract.model import load_model
from sinkscope.shipped import SHIPPED
from tasks import task

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

# float32 on both; sums in another order. A prediction near a tie may differ.
CLOSE = {"rel": 2e-3, "abs": 2e-3}
NAMES = ("bert", "gpt2", "falcon", "llama", "gpt2-sigmoid")


def frames(measure, experiment, name, **changes):
    """The frames of the zoo's model on the processor and on the GPU."""
    paths = [SHIPPED / "corpus" / f"{one}.txt" for one in ("short_story", "market_news")]
    documents = [Document(path.stem, path.name, None, path.read_text()) for path in paths]
    job = task(experiment, *documents, **changes)
    rows = (tiny.row(name, f"zoo:{name}", device=device) for device in ("cpu", "cuda"))
    return [measure(load_model(row, SHIPPED), job) for row in rows]


def assert_close(found, expected, by, columns):
    assert found.height == expected.height
    rows = expected.join(found, on=by, nulls_equal=True, suffix="_found")
    assert rows.height == expected.height
    for column in columns:
        known = rows.drop_nulls(column)
        values, other = known[column].to_list(), known[f"{column}_found"].to_list()
        assert other == pytest.approx(values, nan_ok=True, **CLOSE), column


@pytest.mark.parametrize("name", NAMES)
def test_masks(name):
    # Not those with sinks: a key at a limit of the rule may be a sink for one device only.
    chosen = ["window(16)", "first(4)+window(16)+random(8)", "dense-first_token"]
    expected, found = frames(masks, "masks", name, masks=chosen)
    by = ["document", "mask", "is_control"]
    assert_close(found["masks"], expected["masks"], by, ["share_of_pairs", "loss", "cosine"])
    layers = ["first_token", "own", "local", "entropy"]
    assert_close(found["mask_layers"], expected["mask_layers"], [*by, "layer"], layers)


@pytest.mark.parametrize("name", NAMES)
def test_roles_and_edits_of_heads(name):
    expected, found = frames(head_roles, "head_roles", name)
    one, other = (made["head_roles_documents"] for made in (expected, found))
    by = ["document", "layer", "head"]
    same = one.join(other.select(*by, "key", "role"), on=by, suffix="_found")
    agree = (pl.col("key") == pl.col("key_found")) & (pl.col("role") == pl.col("role_found"))
    assert same.select(agree.mean()).item() > 0.98
    if "head_edits" in expected and same.select(agree.all()).item():
        edits = ["document", "role", "layer", "head", "edit", "edited_key"]
        assert_close(found["head_edits"], expected["head_edits"], edits, ["loss", "cosine"])


def test_windows_over_long_texts():
    expected, found = frames(long_texts, "long_texts", "llama", long_tokens=200, long_windows=[64])
    by = ["document", "attention", "window"]
    assert_close(found["long_texts"], expected["long_texts"], by, ["loss", "loss_late"])
