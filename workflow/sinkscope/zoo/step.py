"""One training step: forward, backward, optimizer; on a GPU replayed as one CUDA graph."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sinkscope.zoo.batches import Batch
from sinkscope.zoo.distil import distillation_loss
from sinkscope.zoo.families import (
    FAMILIES,
    Family,
    hidden_states,
    layers_of,
    predicting,
    prediction_loss,
)
from sinkscope.zoo.recipes import Recipe

# Functions that the library calls in every pass although rows of equal length share their result.
CONSTANT = ("create_causal_mask", "create_bidirectional_mask", "build_alibi_tensor")


@contextmanager
def constant_masks(network: nn.Module) -> Iterator[None]:
    """Within the block, masks and ALiBi of a network are computed once per shape of input.

    While a CUDA graph is captured the library would build full masks, which rules out the fast
    attention kernels, and would copy numbers from the host, which a graph cannot do.
    """
    modules = [sys.modules[kind.__module__] for kind in type(network).__mro__]
    module = next(m for m in modules if any(hasattr(m, name) for name in CONSTANT))
    originals = {name: getattr(module, name) for name in CONSTANT if hasattr(module, name)}
    cache: dict[Any, Any] = {}

    def once(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*args: Any, **options: Any) -> Any:
            first: Any = options.get("inputs_embeds", args[0] if args else None)
            key = (name, tuple(first.shape))
            if key not in cache:
                cache[key] = original(*args, **options)
            return cache[key]

        return answer

    for name, original in originals.items():
        setattr(module, name, once(name, original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(module, name, original)


class Trainer:
    """A network with its optimizer; `step(batch, learning_rate)` returns the loss.

    With a teacher, a BERT, the loss is the distillation loss.

    On a GPU every step runs in bfloat16 and as a CUDA graph, one per length of rows: the networks
    are so small that launching their kernels would take longer than running them.
    """

    def __init__(
        self, network: nn.Module, family: Family, recipe: Recipe, teacher: nn.Module | None = None
    ) -> None:
        self.network, self.family, self.recipe, self.teacher = network, family, recipe, teacher
        self.device = next(network.parameters()).device
        self.on_gpu = self.device.type == "cuda"
        self.rate = torch.tensor(0.0, device=self.device)
        matrices = [p for p in network.parameters() if p.dim() > 1]
        vectors = [p for p in network.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": recipe.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=self.rate,
            betas=recipe.betas,
            fused=self.on_gpu,
            capturable=self.on_gpu,
        )
        self.predict: Callable[..., Tensor] = prediction_loss
        self.match: Callable[..., Tensor] = distillation_loss
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Batch, Tensor]] = {}

    def step(self, batch: Batch, learning_rate: float) -> Tensor:
        self.rate.fill_(learning_rate)
        if not self.on_gpu:
            return self.plain_step(batch)
        graph, held, loss = self.graphs[batch.ids.shape[1]]
        for target, source in zip(held.tensors(), batch.tensors(), strict=True):
            target.copy_(source)
        graph.replay()
        return loss

    def loss(self, batch: Batch) -> Tensor:
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.on_gpu, cache_enabled=False
        ):
            hidden = hidden_states(self.network, self.family, batch.ids, batch.types)
            hidden = predicting(hidden, batch.at)
            if self.teacher is None:
                return self.predict(self.network, self.family, hidden, batch.labels)
            with torch.no_grad():
                other = hidden_states(self.teacher, FAMILIES["bert"], batch.ids, None)
                target = FAMILIES["bert"].head(self.teacher, predicting(other, batch.at))
            logits = self.family.head(self.network, hidden)
            return self.match(logits.float(), target.float(), batch.labels)

    def plain_step(self, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=False)
        loss = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        return loss.detach()

    def prepare(self, batches: list[Batch]) -> None:
        """Compile the network and capture the step, for a batch of every length of rows.

        Restores the weights and resets the optimizer afterwards.
        """
        if not self.on_gpu:
            return
        before = {name: value.clone() for name, value in self.network.state_dict().items()}
        for network in filter(None, (self.network, self.teacher)):
            for layer in layers_of(network):
                layer.compile(dynamic=False)
        self.predict = torch.compile(prediction_loss, dynamic=False)
        self.match = torch.compile(distillation_loss, dynamic=False)
        self.rate.fill_(0.0)
        pool = None
        for batch in batches:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.plain_step(batch)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=pool):
                loss = self.plain_step(batch)
            pool = pool or graph.pool()
            self.graphs[batch.ids.shape[1]] = (graph, batch, loss)
        self.network.load_state_dict(before)
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
