"""The cost of observing in a training loop: the zoo's GPT-2, AdamW, on one device. Observing one
step in `every` costs (median observed step / median plain step - 1) / every of the time."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from statistics import median

import torch
from transformers import AutoModelForCausalLM

from sinkscope.api.observe import observe
from sinkscope.bench.rounds import alternating, timed
from sinkscope.extract.model import threads
from sinkscope.shipped import SHIPPED

BATCHES = ((4, 32), (8, 64), (8, 256))  # rows, tokens
WARM_UP = 2  # steps of each kind


def run_bench(n_steps: int, every: int, n_threads: int) -> None:
    """Print the medians of a plain and of an observed step, and the resulting time of a loop."""
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
    """A function that runs one training step, observed (with its frames) or not."""
    torch.manual_seed(0)
    folder = SHIPPED / "zoo" / "gpt2"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.train().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids = torch.randint(model.config.vocab_size, (n_rows, n_tokens), device=device)

    def step(is_observed: bool) -> None:
        with observe(model) if is_observed else nullcontext() as attention:
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if attention is not None:
            attention.sink_mass()
            attention.heads()
            attention.max_keys()

    return step


def measure(step: Callable[[bool], None], n_steps: int) -> tuple[float, float]:
    """Median seconds of plain and of observed steps: processor time, or wall time on a GPU."""
    ways = {"plain": partial(step, False), "observed": partial(step, True)}
    runs = {way: partial(timed, run) for way, run in ways.items()}
    rounds = alternating(runs, n_steps + WARM_UP)
    kind = "seconds" if torch.cuda.is_available() else "cpu_seconds"
    plain, observed = (median(getattr(one, kind) for one in rounds[way][WARM_UP:]) for way in ways)
    return plain, observed
