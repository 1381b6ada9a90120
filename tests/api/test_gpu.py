"""`sinkscope.observe` on a GPU, where kernels take the statistics beside the model's attention."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import sinkscope
import tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU here.")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", tiny.NAMES)
def test_a_padded_batch_has_the_statistics_of_the_processor(name, side):
    ids, mask = tiny.padded(tiny.token_ids(33, 70, 5), side)
    found = []
    for device in ("cpu", "cuda"):
        model = tiny.network(name).to(device)
        with sinkscope.observe(model, name="m") as seen:
            model(input_ids=ids.to(device), attention_mask=mask.to(device))
        found.append(seen)
    assert found[1].cells[0].meta["path"] == "triton"
    for ask in ("sink_mass", "heads"):
        frames = [getattr(seen, ask)() for seen in found]
        numbers = [name for name, kind in frames[0].schema.items() if kind.is_float()]
        one, other = (frame.select(numbers).fill_null(0).to_numpy() for frame in frames)
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_training_loop_under_autocast_is_bitwise_the_same(dtype):
    def losses(observed):
        torch.manual_seed(0)
        config = tiny.CONFIGS["llama"]
        model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
        model = model.cuda().train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        ids, mask = (part.cuda() for part in tiny.padded(tiny.token_ids(24, 60), "right"))
        found = []
        for step in range(6):
            with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
                if observed and step % 2:
                    with sinkscope.observe(model) as seen:
                        loss = model(input_ids=ids, attention_mask=mask, labels=ids).loss
                    np.testing.assert_allclose(seen.heads()["row_sum"], 1, 1e-4)
                else:
                    loss = model(input_ids=ids, attention_mask=mask, labels=ids).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(loss.item())
        return found

    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        assert losses(observed=True) == losses(observed=False)
    finally:
        torch.use_deterministic_algorithms(False)
