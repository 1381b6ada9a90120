"""What the benchmarks share: ways to run a model, timed in alternating rounds, and the table."""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from sinkscope.extract.constants import moved
from sinkscope.extract.finish import statistics_of
from sinkscope.extract.frame import Frame
from sinkscope.extract.masks import Call, count_visible
from sinkscope.extract.model import Loaded
from sinkscope.extract.plan import Plan
from sinkscope.extract.sums import Sums
from sinkscope.rehearse.observe import wait

Result = TypeVar("Result")


@dataclass(frozen=True)
class Times:
    """Of one run. n_bytes: size of the files that it has left; n_summary_bytes: of the summaries
    among them."""

    seconds: float
    cpu_seconds: float
    n_bytes: int = 0
    n_summary_bytes: int = 0


def timed(run: Callable[[], Any]) -> Times:
    """Wall time, and processor time of all threads and ended child processes."""
    wait()
    cpu, started = cpu_seconds(), time.perf_counter()
    run()
    wait()
    return Times(time.perf_counter() - started, cpu_seconds() - cpu)


def cpu_seconds() -> float:
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def alternating(ways: Mapping[str, Callable[[], Result]], n_rounds: int) -> dict[str, list[Result]]:
    """What each way returns in each round; none always runs after the same other one."""
    results: dict[str, list[Result]] = {way: [] for way in ways}
    for number in range(n_rounds):
        for way in list(ways)[:: 1 if number % 2 else -1]:
            results[way].append(ways[way]())
    return results


def peak_mb() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function returns in a process of its own, whose peak memory is its alone."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        return process.submit(function, *arguments).result()


def print_table(
    title: str, texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    """texts, numbers: heads of the columns; numbers are aligned to the right."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


WAYS = ("forward", "sinkscope", "output_attentions")


def passes(
    loaded: Loaded, ids: Tensor, plan: Plan, observe: Callable[[], object]
) -> dict[str, Callable[[], object]]:
    """Each way as a function. observe: runs the model over the same ids, with all statistics."""
    is_causal = loaded.family == "decoder"
    options = {"use_cache": False} if is_causal else {}

    def forward(attention: str = "sdpa", **more: Any) -> Any:
        loaded.network.set_attn_implementation(attention)
        with torch.inference_mode():
            return loaded.network(input_ids=ids, **options, **more)

    def sinkscope() -> None:
        loaded.network.set_attn_implementation("sdpa")
        observe()

    def output_attentions() -> None:
        output = forward("eager", output_attentions=True)
        with torch.inference_mode():
            reduce_full(output.attentions, plan, is_causal=is_causal)

    return dict(zip(WAYS, (forward, sinkscope, output_attentions), strict=True))


def reduce_full(attentions: Sequence[Tensor], plan: Plan, *, is_causal: bool) -> None:
    """The reductions of full matrices. attentions: [batch, head, query, key] of every layer. No
    sinks are found: that needs queries and keys, which are not among these."""
    batch, n_heads, n_tokens, _ = attentions[0].shape
    empty = attentions[0].new_empty(batch, n_heads, n_tokens, 1)
    call = Call(empty, empty, empty, None, is_causal, 1.0)
    plan = replace(plan, rule=None, sinks=torch.zeros_like(plan.real))
    plan = moved(plan, empty.device)
    visible = count_visible(call, plan.real, plan.window_rows())
    frame = Frame(plan, visible, is_causal=is_causal)
    for layer, matrix in enumerate(attentions):
        sums = Sums(frame, call, layer)
        p = matrix.float()
        sums.add(0, p.clamp(min=torch.finfo(p.dtype).tiny).log_(), p)
        statistics_of([sums])
