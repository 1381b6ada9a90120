"""Train one checkpoint of the zoo, and record when its sinks appear."""

import math
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from transformers import BertForMaskedLM

from sinkscope.errors import SinkscopeError
from sinkscope.experiments.emergence import TABLES
from sinkscope.experiments.emergence.growth import TEXTS
from sinkscope.files import written
from sinkscope.tables.contract import conform
from sinkscope.zoo.batches import Batch, Batches
from sinkscope.zoo.distil import start_from
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.measure import WINDOWS, Windows, heldout_loss, observed, sinks, windows_of
from sinkscope.zoo.recipes import Recipe
from sinkscope.zoo.step import Trainer, constant_masks
from sinkscope.zoo.tokens import load_tokenizer, read_documents, read_stream, token_stream

N_LOGGED = 20  # steps at which sinks and loss are measured, besides step 0
N_HELDOUT = 8  # batches of held-out rows for the loss
LOG = "training_log.parquet"
LOWEST_RATE = 0.05  # fraction of the learning rate, reached at the last step


@dataclass(frozen=True)
class Entry:
    """The measurements at one step. sinks: [window, measure, layer, head]."""

    step: int
    tokens: int
    train_loss: float
    heldout_loss: float
    sinks: Tensor


MEASURES = ("first_token", "first_and_special", "row_sum")


class Probe:
    """Measures a copy of the network: the one in training is compiled and replayed."""

    def __init__(
        self, recipe: Recipe, tokenizer: Any, heldout: Sequence[str], device: torch.device
    ) -> None:
        self.family = FAMILIES[recipe.family]
        self.network: Any = self.family.build(recipe, tokenizer).to(device).eval()
        self.loaded = observed(self.network, tokenizer, recipe)
        encoded = tokenizer(list(heldout), verbose=False)["input_ids"]
        longest = min(max(WINDOWS), recipe.max_length)
        long_enough = [ids for ids in encoded if len(ids) >= longest]
        chosen = long_enough[:: max(1, len(long_enough) // TEXTS)][:TEXTS]
        self.windows: list[Windows] = [
            windows_of(chosen, tokenizer, length, device)
            for length in WINDOWS
            if length <= recipe.max_length
        ]
        stream = token_stream(heldout, tokenizer, recipe.family)
        batches = Batches(stream, self.family, tokenizer, 0, device)
        # The length that is trained from the first step on.
        length = max(recipe.row_lengths)
        n_rows = max(1, recipe.tokens_per_step // length)
        self.batches: list[Batch] = [batches.draw(n_rows, length) for _ in range(N_HELDOUT)]

    def measure(self, network: nn.Module, step: int, tokens: int, train_loss: float) -> Entry:
        self.network.load_state_dict(network.state_dict())
        rows = []
        for windows in self.windows:
            means = sinks(self.loaded, windows)
            rows.append(torch.stack([means[name] for name in MEASURES]))
        loss = heldout_loss(self.network, self.family, self.batches)
        return Entry(step, tokens, train_loss, loss, torch.stack(rows))


def logged_steps(steps: int) -> list[int]:
    """0, and up to N_LOGGED steps, evenly spaced in their logarithm; the last step is included."""
    spaced = np.geomspace(min(16, steps), steps, N_LOGGED).round().astype(int)
    return sorted({0, *spaced.tolist()})


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, constant, linear decay over the last fraction `decay` of the steps."""
    warm = (step + 1) / max(1, recipe.warm_up)
    left = (recipe.steps - step) / max(1.0, recipe.decay * recipe.steps)
    return recipe.learning_rate * min(1.0, warm, max(LOWEST_RATE, left))


def train(
    recipe: Recipe,
    tokenizer: Any,
    batches: Batches,
    probe: Probe,
    device: torch.device,
    teacher: nn.Module | None = None,
) -> tuple[nn.Module, list[Entry]]:
    """The trained network and its log. Equal seeds draw equal weights and rows. On a GPU sums run
    in no fixed order, so two runs there agree approximately, not in every bit."""
    torch.manual_seed(recipe.seed)
    family = FAMILIES[recipe.family]
    network = family.build(recipe, tokenizer).to(device).train()
    if teacher is not None:
        start_from(network, teacher)
    trainer = Trainer(network, family, recipe, teacher)
    logged = set(logged_steps(recipe.steps))
    log, started = [], time.monotonic()
    with ExitStack() as stack:
        for one in (network, teacher):
            if trainer.on_gpu and one is not None:
                stack.enter_context(constant_masks(one))
        warm_up = batches.reseeded(1)
        trainer.prepare([warm_up.draw(*size) for size in recipe.batch_sizes()])
    total, since, tokens = torch.zeros((), device=device), 0, 0
    print(f"{recipe.name}: ready after {time.monotonic() - started:.0f} s", file=sys.stderr)
    for step in range(recipe.steps + 1):
        if step in logged:
            mean = float(total) / since if since else math.nan
            log.append(probe.measure(network, step, tokens, mean))
            report(recipe, log[-1], started)
            total, since = torch.zeros((), device=device), 0
        if step < recipe.steps:
            batch = batches.draw(*recipe.batch_size(step))
            tokens += batch.ids.numel()
            total = total + trainer.step(batch, learning_rate(recipe, step))
            since += 1
    return network.eval(), log


def report(recipe: Recipe, entry: Entry, started: float) -> None:
    by_layer = entry.sinks[0, 1].mean(-1)  # the shorter windows, [layer]
    print(
        f"{recipe.name}: step {entry.step} of {recipe.steps}, held-out loss "
        f"{entry.heldout_loss:.3f}, sink mass by layer "
        f"{' '.join(f'{mass:.2f}' for mass in by_layer)} "
        f"({time.monotonic() - started:.0f} s)",
        file=sys.stderr,
        flush=True,
    )
    if not math.isfinite(entry.heldout_loss):
        raise SinkscopeError(
            f"checkpoint '{recipe.name}': the training has diverged by step {entry.step} (its loss "
            "is not finite); lower its learning_rate in the recipes."
        )


def run_training(
    recipe: Recipe,
    corpus: Path,
    tokens: Path,
    tokenizers: Path,
    out: Path,
    device: str,
    teacher: Path | None = None,
) -> None:
    """Train one checkpoint and write it, with its tokenizer and log, to the folder `out`.

    teacher: folder of the checkpoint that the recipe names as its teacher.
    """
    check_ready(recipe, device, teacher)
    torch.backends.cuda.matmul.allow_tf32 = True
    tokenizer = load_tokenizer(tokenizers / recipe.family)
    heldout = [document["text"] for document in read_documents(corpus / "heldout.jsonl.xz")]
    place = torch.device(device)
    family = FAMILIES[recipe.family]
    batches = Batches(read_stream(tokens), family, tokenizer, recipe.seed, place)
    probe = Probe(recipe, tokenizer, heldout, place)
    guide = BertForMaskedLM.from_pretrained(teacher, dtype=torch.float32) if teacher else None
    guide = guide.to(place).eval().requires_grad_(False) if guide else None
    network, log = train(recipe, tokenizer, batches, probe, place, guide)
    save_checkpoint(network, tokenizer, out)
    with written(out / LOG) as temporary:
        log_frame(log, recipe).write_parquet(temporary)


def check_ready(recipe: Recipe, device: str, teacher: Path | None) -> None:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SinkscopeError(
            f"checkpoint '{recipe.name}': torch sees no GPU here; train it on a machine that has "
            "one, or with --device cpu, which takes days."
        )
    if (recipe.teacher is None) != (teacher is None):
        wanted = f"--teacher with the folder of '{recipe.teacher}'" if recipe.teacher else "none"
        raise SinkscopeError(f"checkpoint '{recipe.name}': its recipe wants {wanted}; correct it.")


def save_checkpoint(network: Any, tokenizer: Any, out: Path) -> None:
    """Half precision: no measurement here needs more, and the file is half the size."""
    network.half().save_pretrained(out)
    tokenizer.save_pretrained(out)


def log_frame(log: Sequence[Entry], recipe: Recipe) -> pl.DataFrame:
    """The log as rows of the table `emergence`: one per step, window, layer and head."""
    sinks = torch.stack([entry.sinks for entry in log]).numpy()
    step, window, layer, head = np.indices(sinks[:, :, 0].shape).reshape(4, -1)
    entries = (
        pl.DataFrame(log)
        .drop("sinks")[step]
        .with_columns(
            model=pl.lit(recipe.model),
            family=pl.lit(recipe.family),
            attention=pl.lit(recipe.attention),
        )
    )
    values = {"window": np.array(WINDOWS)[window], "layer": layer, "head": head}
    values |= {name: sinks[:, :, i].ravel() for i, name in enumerate(MEASURES)}
    frame = pl.concat([entries, pl.DataFrame(values)], how="horizontal")
    return conform(frame.lazy(), TABLES["emergence"]).collect()
