"""The cost of observing on a GPU, at the true sizes of published models with random weights. These
have no sinks, and judging sinks takes time, so `plant` makes some in every layer. The reductions
after `output_attentions` are without a sink rule."""

from __future__ import annotations

import gc
import importlib.metadata
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transformers import GPT2Config, LlamaConfig, RobertaConfig
from transformers.pytorch_utils import Conv1D

from sinkscope.bench.rounds import WAYS, alternating, passes, print_table, timed
from sinkscope.config import ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cells import members_of
from sinkscope.extract.full import versions
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import Plan
from sinkscope.extract.states import entering
from sinkscope.extract.streaming import Workspace
from sinkscope.files import write_json
from sinkscope.keys import CODES
from sinkscope.rehearse.build import build as with_random_weights
from sinkscope.sink_rule import SinkRule

GIB = 2**30
N_SINKS = 5
ENLARGED = 16


@dataclass(frozen=True)
class Case:
    """batch documents of n_tokens each, given to one of SHAPES."""

    model: str
    batch: int
    n_tokens: int


CASES = (
    *(Case("Llama-2-7B", 1, n) for n in (2048, 4096, 8192, 16384, 32768)),
    Case("RoBERTa-large", 8, 512),
    Case("GPT-2-large", 8, 1024),
)

# The published sizes. Llama-2 was trained for fewer than 32,768 positions; the cost is the same.
SHAPES: dict[str, tuple[str, Any]] = {
    "Llama-2-7B": ("decoder", LlamaConfig(max_position_embeddings=32768)),
    "RoBERTa-large": (
        "encoder",
        RobertaConfig(
            vocab_size=50265, hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
            num_attention_heads=16, max_position_embeddings=514, type_vocab_size=1,
        ),
    ),
    "GPT-2-large": ("decoder", GPT2Config(n_embd=1280, n_layer=36, n_head=20)),
}  # fmt: skip


def build(model: str) -> Loaded:
    """The model with random weights in bfloat16, created on the GPU, and planted sinks."""
    family, config = SHAPES[model]
    row = ModelRow(model, "random weights", family, "bfloat16", "cuda", None, "auto")
    loaded = with_random_weights(row, config, "cuda")
    plant(loaded.network)
    return loaded


def plant(network: torch.nn.Module) -> None:
    """Make N_SINKS keys of every layer so long that each query gives most of its attention to some:
    all become sinks of the head mean, and most heads judge all of them."""

    def enlarge(module: torch.nn.Module, _: Any, output: Tensor) -> None:
        keys = output[:, :: output.shape[1] // N_SINKS + 1]
        if isinstance(module, Conv1D):  # queries, keys and values of GPT-2
            keys = keys.chunk(3, -1)[1]
        keys.mul_(ENLARGED)

    for name, module in network.named_modules():
        if name.endswith((".k_proj", ".key", ".c_attn")):
            module.register_forward_hook(enlarge)


def plan_of(case: Case) -> Plan:
    """The plan of documents whose tokens are of the usual classes, as the atlas makes it."""
    codes = torch.full((case.batch, case.n_tokens), CODES["word"], dtype=torch.int8)
    codes[:, 7::8] = CODES["punctuation"]
    codes[:, 15::16] = CODES["terminator"]
    codes[:, 0] = CODES["first"]
    return Plan(codes >= 0, members_of(codes).unique(dim=2), rule=SinkRule())


def passes_over(loaded: Loaded, case: Case) -> dict[str, Callable[[], object]]:
    """The three ways to run the model over the documents."""
    vocabulary = loaded.network.config.vocab_size
    # No padding id, because RoBERTa computes its positions from it.
    ids = torch.randint(10, vocabulary, (case.batch, case.n_tokens), device="cuda")
    plan, workspace = plan_of(case), Workspace(torch.device("cuda"))

    def observe() -> None:
        observation = Observation(plan, workspace)
        with entering(loaded.network, loaded.n_layers, observation.states):
            run_observed(loaded, observation, ids)
        assert observation.stacked

    return passes(loaded, ids, plan, observe)


def peak_of(run: Callable[[], Any]) -> float | None:
    """Peak GPU memory in GiB, weights included; None if it does not fit."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        run()
        torch.cuda.synchronize()
    except torch.OutOfMemoryError:
        return None
    return torch.cuda.max_memory_allocated() / GIB


def measure(loaded: Loaded, case: Case, n_rounds: int, ways: Sequence[str]) -> list[dict[str, Any]]:
    """One row per way: peak memory, median milliseconds, and both relative to the plain pass."""
    run = passes_over(loaded, case)
    peaks = {way: peak_of(run[way]) for way in ways}  # warms up too
    fitting = [way for way in ways if peaks[way] is not None]
    started = time.perf_counter()
    while time.perf_counter() - started < 0.2:  # until the clocks have reached a steady state
        run["forward"]()
    rounds = alternating({way: partial(timed, run[way]) for way in fitting}, n_rounds)
    medians = {way: median(one.seconds for one in rounds[way]) for way in fitting}
    floor, lowest = medians["forward"], peaks["forward"]
    assert lowest is not None
    rows = []
    for way in ways:
        peak, seconds = peaks[way], medians.get(way)
        rows.append(
            {
                **vars(case),
                "way": way,
                "median_ms": seconds and 1000 * seconds,
                "ratio": seconds and seconds / floor,
                "peak_gib": peak,
                "above_gib": peak and peak - lowest,
            }
        )
    return rows


def run_bench(out: Path, n_rounds: int) -> None:
    """Measure every case; write device, versions and rows as JSON."""
    if not torch.cuda.is_available():
        raise SinkscopeError("bench gpu: torch sees no GPU here; run it on a machine that has one.")
    rows: list[dict[str, Any]] = []
    for model in SHAPES:
        loaded = build(model)
        for case in CASES:
            if case.model == model:
                rows.extend(measure(loaded, case, n_rounds, WAYS))
                print_rows(rows[-len(WAYS) :])
        del loaded
    facts = {"device": torch.cuda.get_device_name(), "triton": importlib.metadata.version("triton")}
    write_json(out, {**facts, **versions(), "rounds": n_rounds, "rows": rows})
    print(f"Kept as {out}")


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    case = rows[0]
    lines: list[tuple[str, ...]] = []
    for row in rows:
        if row["median_ms"] is None:
            lines.append((row["way"], "out of memory"))
            continue
        times = (f"{row['median_ms']:.1f}", f"{row['ratio']:.3f}x")
        lines.append((row["way"], *times, f"{row['peak_gib']:.2f}", f"{row['above_gib']:+.2f}"))
    title = f"{case['model']}, {case['batch']} x {case['n_tokens']} tokens"
    print_table(title, ["way"], ("ms", "ratio", "peak GiB", "above"), lines)
