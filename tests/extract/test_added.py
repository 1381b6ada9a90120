"""Statistics that say themselves how they are computed."""

import pytest
import torch

import reference
import tiny
from sinkscope.declarations.statistic import Rows, Statistic
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import Plan
from sinkscope.extract.streaming import Workspace


def to_itself(rows: Rows):
    return rows.attention.diagonal(rows.start, dim1=-2, dim2=-1)


def to_first(rows: Rows):
    """Padding may stand in front of key 0, and block rows may end before it."""
    first = rows.first.clamp(max=rows.attention.shape[-1] - 1)[:, None, None, None]
    return rows.attention.gather(-1, first.expand(*rows.attention.shape[:3], 1))[..., 0]


ADDED = tuple(
    Statistic(function.__name__, ("layer", "head"), "what it is", by_query=function)
    for function in (to_itself, to_first)
)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("fused", [False, True])
def test_they_are_means_over_the_queries_of_each_document(name, side, fused):
    """On a padded batch, in blocks of five rows, also where the kernels are asked for."""
    loaded = tiny.loaded(name)
    documents = tiny.token_ids(17, 6)
    ids, real = tiny.padded(documents, side)
    plan = Plan(real.bool(), torch.zeros(*ids.shape, 0, dtype=torch.bool), ~real.bool(),
                added=ADDED, block=5)  # fmt: skip
    observation = Observation(plan, Workspace(loaded.device), fused=fused)
    run_observed(loaded, observation, ids, real)
    with reference.capture() as seen:
        loaded.network(ids, attention_mask=real)
    assert observation.paths == {"torch"}
    found = observation.stacked.added.double()  # [layer, batch, head, statistic]
    for i, document in enumerate(documents):
        start = int(real[i].argmax())
        p = torch.from_numpy(seen.document(i, slice(start, start + len(document)))[0])
        expected = [p.diagonal(dim1=-2, dim2=-1).mean(-1), p[..., 0].mean(-1)]
        assert torch.allclose(found[:, i], torch.stack(expected, -1), atol=2e-6)
