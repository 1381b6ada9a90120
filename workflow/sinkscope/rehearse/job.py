"""The rehearsal of every model of a configuration, as a table."""

import gc
import platform
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers

from sinkscope.config import Config, ModelRow
from sinkscope.errors import SinkscopeError
from sinkscope.rehearse import observe
from sinkscope.rehearse.build import architecture, build, weight_bytes, without_values
from sinkscope.rehearse.needs import GIB, WORKING_BYTES, Needs, needs, operations

CARD_GIB = 80  # assumed memory of a GPU


@dataclass(frozen=True)
class Rehearsed:
    """facts: the model's row of the table of models. peaks: bytes per GPU (else as expected)."""

    facts: dict[str, Any]
    weight_bytes: int
    n_observed: int
    n_tokens: int
    seconds: float
    peaks: tuple[int, ...]
    needs: Needs


@dataclass(frozen=True)
class Stage:
    """device: meta runs nothing. n_tokens: of a document. tflops: the assumed speed on meta."""

    device: str
    n_tokens: int
    n_documents: int
    card_bytes: int
    tflops: float


def rehearse(row: ModelRow, stage: Stage, directory: Path) -> Rehearsed:
    """Build one model and observe it. Raises SinkscopeError naming the model."""
    config = architecture(row, directory)
    with without_values() if stage.device == "meta" else nullcontext():
        loaded = build(row, config, stage.device)
        observe.forget_peaks()  # creating random weights uses memory that a job does not
        n_tokens = min(stage.n_tokens, loaded.max_length or stage.n_tokens)
        if stage.device == "meta":
            n_observed = observe.on_nothing(loaded, n_tokens)
            facts = loaded.facts()
            sizes = facts["n_parameters"], facts["n_layers"], facts["hidden_size"]
            seconds = operations(*sizes, n_tokens) / (stage.tflops * 1e12)
        else:
            n_observed, seconds = observe.on_device(loaded, n_tokens)
    size = weight_bytes(loaded.network)
    peaks = tuple(observe.peak_bytes()) or (size + WORKING_BYTES,)
    card = None if stage.device == "cpu" else stage.card_bytes
    asked = needs(size, card, seconds, stage.n_documents)
    return Rehearsed(loaded.facts(), size, n_observed, n_tokens, seconds, peaks, asked)


def card_bytes(device: str, gib: float | None) -> int:
    """Memory of the GPUs to plan for: `gib` if given, else that of the GPU here, else CARD_GIB."""
    if gib is None and device.startswith("cuda") and torch.cuda.is_available():
        return int(torch.cuda.get_device_properties(torch.device(device)).total_memory)
    return round((CARD_GIB if gib is None else gib) * GIB)


def check_device(device: str) -> None:
    kind = device.partition(":")[0]
    if kind not in ("meta", "cpu", "cuda"):
        raise SinkscopeError(f"'{device}' is not a device; name meta, cpu, cuda or cuda:0.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise SinkscopeError("torch sees no GPU here; rehearse on meta, or on a GPU node.")


def rehearse_all(
    config: Config, directory: Path, stage: Stage, models: Sequence[str], n_gpus: int | None
) -> list[str]:
    """Rehearse the models (none: all), and print a Markdown table. n_gpus: to split every model
    over, whatever its row says. Returns one sentence per failed model; the others are rehearsed
    anyway."""
    check_device(stage.device)
    rows = [config.model(name) for name in models] or list(config.models)
    print("\n".join(heading(stage)))
    problems = []
    for row in rows:
        row = replace(row, n_gpus=n_gpus or row.n_gpus)
        try:
            print(line_of(rehearse(row, stage, directory)), flush=True)
        except SinkscopeError as error:
            problems.append(str(error))
        except torch.OutOfMemoryError:
            problems.append(
                f"model '{row.model}': does not fit the memory of {stage.device}; use a smaller "
                "dtype, or more GPUs (--n-gpus)."
            )
        gc.collect()  # free the model before the next one is built
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
    return problems


def heading(stage: Stage) -> list[str]:
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    memory = f"Memory is the weights and {WORKING_BYTES / GIB:.1f} GiB to work with."
    if stage.device == "meta":
        where = (
            f"Nothing ran, only shapes were computed ({versions}). {memory} Time assumes "
            f"{stage.tflops:g} TFLOP/s."
        )
    elif stage.device == "cpu":
        where = f"Ran on {platform.machine()} processors ({versions}). {memory}"
    else:
        names = {
            torch.cuda.get_device_name(i): torch.cuda.get_device_properties(i).total_memory
            for i in range(torch.cuda.device_count())
        }
        cards = ", ".join(f"{name}, {size / GIB:.0f} GiB" for name, size in names.items())
        where = (
            f"Ran on {torch.cuda.device_count()} of {cards} ({versions}). Memory is torch's peak "
            "on each GPU."
        )
    ask = (
        f"{stage.n_documents} documents per job; GPUs of {stage.card_bytes / GIB:.0f} GiB; "
        "minutes include reading the weights and a margin of two."
    )
    return [
        f"Random weights. {where}",
        "",
        ask,
        "",
        "| model | parameters | layers x heads | type | weights, GiB | memory, GiB | observed "
        "| tokens | s per document | ask: n_gpus | mem_mb | minutes |",
        "|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]


def line_of(result: Rehearsed) -> str:
    seconds = f"{result.seconds:.3g}" if result.seconds < 100 else f"{result.seconds:.0f}"
    facts = result.facts
    cells = [
        facts["model"],
        f"{facts['n_parameters']:,}",
        f"{facts['n_layers']} x {facts['n_heads']}",
        facts["dtype"],
        f"{result.weight_bytes / GIB:.2f}",
        " + ".join(f"{peak / GIB:.2f}" for peak in result.peaks),
        f"{result.n_observed} of {facts['n_layers']}",
        str(result.n_tokens),
        seconds,
        str(result.needs.n_gpus),
        str(result.needs.mem_mb),
        str(result.needs.minutes),
    ]
    return f"| {' | '.join(cells)} |"
