"""Models that are split over several GPUs."""

from dataclasses import replace

import pytest
import torch

import tiny
from sinkscope.config import ModelRow
from sinkscope.documents import Document
from sinkscope.extract.constants import moved
from sinkscope.extract.model import load_model
from sinkscope.extract.plan import Plan

TEXT = "Z He came. He saw. Did he stay? Nobody could say, and the river rose that night."


def test_all_tensors_of_a_record_move_and_nothing_else_changes():
    real = torch.ones(1, 3, dtype=torch.bool)
    plan = Plan(real, real[..., None], ~real, window=7, heads=((1, 2),))
    there = moved(plan, torch.device("meta"))
    assert {t.device.type for t in (there.real, there.key_sets, there.sinks)} == {"meta"}
    assert (there.window, there.heads, there.key_sets.shape) == (7, ((1, 2),), (1, 3, 1))
    assert moved(plan, torch.device("cpu")).real is real


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two GPUs here")
@pytest.mark.parametrize("name", ["llama", "gpt2", "falcon", "bert"])
def test_a_split_model_gives_the_cell_of_the_whole_one(name):
    whole = ModelRow("m", f"zoo:{name}", None, "float32", "cuda:0", None, "auto")
    cells = []
    for row in (whole, replace(whole, device="cuda", n_gpus=2)):
        loaded = load_model(row, tiny.ROOT)
        devices = {parameter.device for parameter in loaded.network.parameters()}
        assert len(devices) == row.n_gpus
        cells.append(tiny.analyser(loaded).analyse(Document("d", "d.txt", None, TEXT)))
    one, two = cells
    for key, values in one.arrays.items():
        assert torch.allclose(
            torch.tensor(values), torch.tensor(two[key]), atol=1e-4, equal_nan=True
        ), key
