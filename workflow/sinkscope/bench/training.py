"""What observing costs a training loop: the zoo's GPT-2, AdamW, on one device.

Steps that are observed and steps that are not alternate in one loop, so that whatever else the
machine does falls on both alike. A loop that observes one step in `every` takes

    1 + (median observed step / median plain step - 1) / every

times as long as one that observes none.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
from transformers import AutoModelForCausalLM

from sinkscope.api.observe import observe
from sinkscope.extract.model import threads
from sinkscope.shipped import SHIPPED

BATCHES = ((4, 32), (8, 64), (8, 256))  # rows, tokens
WARM_UP = 2  # steps of each kind


def run_bench(n_steps: int, every: int, n_threads: int) -> None:
    """Print the medians of a plain and of an observed step, and what that means for a loop.

    More than one thread counts the processor time of all of them, also while they wait.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = torch.cuda.get_device_name() if device == "cuda" else f"cpu, threads: {n_threads}"
    print(f"zoo gpt2; forward, backward and AdamW; {where}; medians of {n_steps} steps")
    for n_rows, n_tokens in BATCHES:
        with threads(n_threads):
            plain, observed = measure(step_of(device, n_rows, n_tokens), n_steps)
        ratio = observed / plain
        print(f"{n_rows} rows of {n_tokens} tokens")
        print(f"  plain step     {plain:.4f} s")
        print(f"  observed step  {observed:.4f} s, {ratio:.2f} times the plain one")
        print(f"  loop           {1 + (ratio - 1) / every:.4f} times, 1 step in {every} observed")


def step_of(device: str, n_rows: int, n_tokens: int) -> Callable[[bool], None]:
    """One training step, observed (with its frames) or not."""
    torch.manual_seed(0)
    folder = SHIPPED / "zoo" / "gpt2"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(model.config.vocab_size, (n_rows, n_tokens), device=device)

    def step(is_observed: bool) -> None:
        with observe(model) if is_observed else nullcontext() as found:
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if found is not None:
            found.sink_mass()
            found.heads()
            found.max_keys()

    return step


def measure(step: Callable[[bool], None], n_steps: int) -> tuple[float, float]:
    """Median seconds of a plain and of an observed step, which alternate."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for number in range(n_steps + WARM_UP):
        for is_observed, taken in seconds.items():
            started = clock()
            step(is_observed)
            if number >= WARM_UP:
                taken.append(clock() - started)
    return statistics.median(seconds[False]), statistics.median(seconds[True])


def clock() -> float:
    """Seconds: of this process on a processor, which others may share; of the wall on a GPU."""
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()
