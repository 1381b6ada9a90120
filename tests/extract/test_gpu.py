"""What only a GPU can show: the grid's cells there, and documents that share a pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import reference
import tiny
from calls import DEVICE, assert_same, assert_same_bytes, call, observed, planted
from sinkscope.config import Settings
from sinkscope.documents import Document
from sinkscope.extract import observation
from sinkscope.extract.analyse import Analyser
from sinkscope.extract.cell import read_cell
from sinkscope.extract.coarse import FLOOR, STEPS
from sinkscope.extract.full import make_cells
from sinkscope.extract.kernels import buffers, hopper_launch
from sinkscope.extract.model import Loaded, load_model
from sinkscope.extract.streaming import Workspace
from sinkscope.shipped import SHIPPED
from sinkscope.sink_rule import SinkRule

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

SETTINGS = Settings(
    threads=2, truncate=False, window=64, map_exact=512, map_cells=256, head_maps=()
)
MODELS = sorted(path.parent.name for path in SHIPPED.glob("zoo/*/config.json"))


def documents():
    return [
        Document(path.stem, path.name, None, path.read_text(encoding="utf-8").strip())
        for path in sorted((SHIPPED / "corpus").glob("*.txt"))
    ]


def analyser(name, device, settings=SETTINGS):
    row = tiny.row(model=f"zoo-{name}", source=f"zoo:{name}", device=device)
    loaded = load_model(row, SHIPPED)
    return Analyser(loaded, settings, Workspace(loaded.device))


FLAGS = ("is_sink", "by_attention", "by_state", "is_head_sink")
COUNTS = ("max_key", "n_queries", "n_window_queries", "over_half")
OF_SINKS = ("mass", "strict_mass", "local_no_sinks")


def assert_close(found, expected):
    """The logits of some of these models reach hundreds, of which float32 keeps four decimals:
    what is in the exponent is off by that much, and a key at a limit of the rule may be a sink for
    one device only. What follows from the sinks is compared in layers that have the same."""
    same = (found["is_sink"] == expected["is_sink"]).all(-1)
    assert same.mean() > 0.9
    for array, values in expected.arrays.items():
        if array in FLAGS:
            assert (found[array] == values).mean() > 0.995, array
        elif array == "steady":  # whose numerator counts queries
            both = ~np.isnan(found[array]) & ~np.isnan(values)
            assert (np.isnan(found[array]) == np.isnan(values)).mean() > 0.995
            assert np.abs(found[array] - values)[both].max(initial=0.0) < 0.03
        elif array == "coarse_map":  # in steps; what lies between two may fall to either
            one, other = ((maps[array] / STEPS) ** 2 for maps in (found, expected))
            np.testing.assert_allclose(one, other, rtol=0, atol=FLOOR + 1 / STEPS)
            assert (found[array] == values).mean() > 0.999
        elif array not in COUNTS:
            layers = same if array in OF_SINKS else slice(None)
            np.testing.assert_allclose(
                found[array][layers], values[layers], rtol=5e-3, atol=1e-3, err_msg=array
            )


def assert_as_good(max_key, expected):
    """The same keys, or others that get as much within that tolerance."""
    if expected["map"].shape[-1] == max_key.shape[-1]:  # [layer, query, key] without pooling
        received = np.take_along_axis(expected["map"], max_key[..., None].astype(int), -1)[..., 0]
        np.testing.assert_allclose(received, expected["max_value"], rtol=5e-3, atol=1e-3)
    assert (max_key == expected["max_key"]).mean() > 0.95


@pytest.mark.parametrize("name", MODELS)
def test_the_default_grid_is_the_same_on_a_gpu(name):
    on_cpu, on_gpu = analyser(name, "cpu"), analyser(name, "cuda")
    for document in documents():
        one, other = on_cpu.analyse(document), on_gpu.analyse(document)
        softmax = "sinkscope" not in on_gpu.loaded.network.config.model_type
        assert other.meta["path"] == ("triton" if softmax else "torch")
        audits = [cell.meta.pop("audit") for cell in (one, other)]
        assert [audit["queries"] for audit in audits] == [audits[0]["queries"]] * 2
        assert one.meta | {"path": ""} == other.meta | {"path": ""}
        assert_close(other, one)
        assert_as_good(other["max_key"], one)


def test_documents_of_one_length_share_a_pass_and_come_out_as_if_alone(tmp_path):
    text = documents()[0].text
    words = ["came", "went", "slept", "spoke", "wrote", "read"]
    together = [
        Document(f"d{i}", f"d{i}.txt", None, f"{text} He {word}.") for i, word in enumerate(words)
    ]
    n_mapped = len(together)
    made = make_cells(analyser("gpt2", "cuda"), together, "code", tmp_path, n_mapped, list)
    alone = analyser("gpt2", "cuda")
    for document in together:
        cell, expected = read_cell(made[document.name].path), alone.analyse(document)
        assert_close(cell, expected)


@pytest.mark.parametrize("n_tokens", [1000, 2048, 3001])
def test_long_documents_in_bfloat16_agree_with_float64_and_with_themselves(n_tokens):
    made = call(n_tokens, 128, torch.bfloat16, n_heads=4, n_kv=2, batch=1)
    real = torch.ones(1, n_tokens, dtype=torch.bool)
    one, other = (observed([made], real, fused=True)[1][0] for _ in range(2))
    assert_same_bytes(one, other)
    key = made.key.double().repeat_interleave(2, 1)
    logits = (made.query.double() @ key.transpose(-1, -2) * made.scale).cpu().numpy()
    seen = np.broadcast_to(np.tril(np.ones((n_tokens, n_tokens), dtype=bool)), logits.shape)
    p = reference.softmax(logits, seen)
    mean = p.mean(1)[0]
    received = p.sum(2)[0] / np.arange(n_tokens, 0, -1)
    np.testing.assert_allclose(one.sink_score[0].cpu(), received, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(one.max_value[0].cpu(), mean.max(-1), rtol=1e-5)
    best = np.sort(mean, -1)
    clear = best[:, -1] - best[:, -2] > 1e-6
    np.testing.assert_array_equal(one.max_key[0].cpu().numpy()[clear], mean.argmax(-1)[clear])


@pytest.mark.parametrize("d", [64, 80, 128])
@pytest.mark.parametrize("n_tokens", [256, 500, 777, 1024, 2048, 3001])
def test_the_kernel_for_this_gpu_agrees_with_the_reduction_in_blocks(monkeypatch, n_tokens, d):
    if not hopper_launch.runs_on(DEVICE):
        pytest.skip("this GPU has no kernel of its own")
    monkeypatch.setattr(hopper_launch, "SHORTEST", 1)
    monkeypatch.setattr(buffers, "MEANS_BYTES", 16 << 20)  # the longest do not fit at once
    made = call(n_tokens, d, torch.bfloat16, n_heads=6, n_kv=2)
    other = call(n_tokens, d, torch.bfloat16, n_heads=6, n_kv=2, seed=1)
    assert hopper_launch.takes([made, other], with_norms=False)
    assert_same([made, other])
    real = torch.ones(2, n_tokens, dtype=torch.bool)
    one, again = (observed([made, other], real, fused=True)[1][1] for _ in range(2))
    assert_same_bytes(one, again)


@pytest.mark.parametrize("n_tokens", [1000, 2048, 3001])
@pytest.mark.parametrize(("plant", "is_causal"), [([[0], [5, 700]], True), ([[0, 999], []], False)])
def test_sinks_planted_in_long_documents_are_found(n_tokens, plant, is_causal):
    made = planted(
        n_tokens, plant, torch.bfloat16, 128, n_heads=6, n_kv=2, scale=0.25, is_causal=is_causal
    )
    real, rule = torch.ones(2, n_tokens, dtype=torch.bool), SinkRule()
    assert_same([made], rule=rule)
    one, other = (observed([made], real, fused=True, rule=rule)[1][0] for _ in range(2))
    assert_same_bytes(one, other)
    assert [flags.nonzero()[:, 0].tolist() for flags in one.is_sink] == plant


@pytest.mark.parametrize("fused", [True, False], ids=["kernels", "blocks"])
def test_a_document_that_does_not_fit_is_analysed_in_smaller_blocks(fused, monkeypatch, capfd):
    """The process may hold as much as the pass has taken with blocks of an eighth, and little more:
    with usual blocks, it does not fit."""
    if not fused:  # as for models that the kernels do not support
        monkeypatch.setattr(observation, "fused_path", lambda *_: None)
    long = Document("long", "long.txt", None, " ".join(one.text for one in documents()) * 12)
    settings = replace(SETTINGS, truncate=True)
    tokenizer = tiny.byte_tokenizer()
    network = tiny.network(
        "llama", vocab_size=len(tokenizer), hidden_size=576, num_attention_heads=9,
        num_key_value_heads=3, num_hidden_layers=12, max_position_embeddings=8192,
        initializer_range=0.05,
    )  # fmt: skip
    loaded = Loaded(tiny.row(device="cuda"), network.cuda(), tokenizer, "decoder", 8192, None)
    cells, peaks = [], []
    for share in (1.0, 1 / 8):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        cells.append(Analyser(loaded, settings, Workspace(loaded.device, share)).analyse(long))
        peaks.append(torch.cuda.max_memory_reserved())
    assert peaks[1] < 0.95 * peaks[0]
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((peaks[1] + 0.3 * (peaks[0] - peaks[1])) / total)
    capfd.readouterr()
    try:
        limited = Analyser(loaded, settings, Workspace(loaded.device))
        cell = limited.analyse(long)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert limited.workspace.share < 1
    assert "GPU memory ran out" in capfd.readouterr().err
    for array, values in cells[0].arrays.items():
        if array not in ("max_key", "over_half", "steady", *FLAGS):
            np.testing.assert_allclose(cell[array], values, rtol=1e-3, atol=2e-5, err_msg=array)
