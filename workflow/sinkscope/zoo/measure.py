"""Sinks and held-out loss of a network, measured by the same observer as every model."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sinkscope.config import ModelRow
from sinkscope.extract.model import Loaded
from sinkscope.extract.observation import Observation
from sinkscope.extract.observe import run_observed
from sinkscope.extract.plan import NO_MAPS, Plan
from sinkscope.extract.streaming import Workspace
from sinkscope.zoo.batches import Batch
from sinkscope.zoo.families import FAMILIES, Family, hidden_states, predicting, prediction_loss
from sinkscope.zoo.recipes import Recipe

# Lengths in tokens of the windows in which sinks are measured: sink mass falls with length.
WINDOWS = (64, 256)


class Windows:
    """ids: [window, token] the windows; special: [window, token] bool, first token or special;
    moved: positions of special tokens that were put inside a window."""

    def __init__(self, ids: Tensor, special: Tensor, moved: Sequence[int] = ()) -> None:
        self.ids, self.special, self.moved = ids, special, list(moved)

    def uniform(self, *, is_causal: bool) -> float:
        """Attention of first and special tokens if it were uniform over the visible keys."""
        n_tokens = self.ids.shape[1]
        visible = torch.ones(n_tokens, n_tokens).double()
        if is_causal:
            visible = visible.tril()
        received = (visible / visible.sum(1, keepdim=True)).mean(0)  # [key]
        return float((self.special.cpu().double() @ received).mean())


def windows_of(
    documents: Sequence[Sequence[int]], tokenizer: Any, length: int, device: torch.device
) -> Windows:
    """The first `length` tokens of token lists; an encoder's closing token stays at the end."""
    last = [ids[-1] for ids in documents]
    ids = torch.tensor([list(ids[:length]) for ids in documents], device=device)
    if tokenizer.sep_token_id is not None and all(i == tokenizer.sep_token_id for i in last):
        ids[:, -1] = tokenizer.sep_token_id
    return Windows(ids, first_and_special(ids, tokenizer))


def first_and_special(ids: Tensor, tokenizer: Any) -> Tensor:
    """[window, token] bool: key 0, and the special tokens that texts begin or end with."""
    roles = [getattr(tokenizer, f"{role}_token_id", None) for role in ("bos", "cls", "sep", "eos")]
    known = torch.tensor([i for i in roles if i is not None], device=ids.device)
    special = torch.isin(ids, known)
    special[:, 0] = True
    return special


def observed(network: Any, tokenizer: Any, recipe: Recipe) -> Loaded:
    """The network in the form that the observer takes."""
    row = ModelRow(recipe.model, f"zoo:{recipe.name}", None, "float32", "cpu", None, "auto")
    kind = FAMILIES[recipe.family].kind
    return Loaded(row, network.base_model, tokenizer, kind, recipe.max_length, None)


def sinks(loaded: Loaded, windows: Windows) -> dict[str, Tensor]:
    """Run the network over the windows and reduce its attention to means, all [layer, head].

    first_token: attention to key 0, from all queries. first_and_special: attention to key 0
    and to special tokens, together. moved: mean attention, from the queries that see it, to
    the special tokens at `moved` positions, NaN without any. row_sum: 1 for softmax.
    """
    everything = torch.ones_like(windows.special)
    plan = Plan(
        real=everything,
        key_sets=windows.special[..., None],
        sinks=~everything,
        window=windows.ids.shape[1],
        **NO_MAPS,
    )
    observation = Observation(plan, Workspace(windows.ids.device))
    run_observed(loaded, observation, windows.ids)
    # [layer, window, head, key]
    score = torch.stack([layer.sink_score for layer in observation.layers]).double()
    n_tokens = windows.ids.shape[1]
    n_queries = torch.full((n_tokens,), n_tokens, device=score.device).double()
    if observation.is_causal:
        n_queries = n_tokens - torch.arange(n_tokens, device=score.device).double()
    received = score * n_queries / n_tokens  # from all queries, also those that do not see it
    special = windows.special.double()  # [window, key]
    nothing = torch.full_like(score[:, 0, :, 0], float("nan"))
    row_sum = torch.stack([layer.row_sum for layer in observation.layers]).double()
    means = {
        "first_token": received[..., 0].mean(1),
        "first_and_special": torch.einsum("lwhk,wk->lwh", received, special).mean(1),
        "moved": score[..., windows.moved].sum(-1).mean(1) if windows.moved else nothing,
        "row_sum": row_sum.mean(1),
    }
    return {name: mean.cpu() for name, mean in means.items()}


@torch.no_grad()
def heldout_loss(network: Any, family: Family, batches: Sequence[Batch]) -> float:
    """Mean loss, in nats per predicted token, over batches of equal size."""
    total = 0.0
    for batch in batches:
        hidden = hidden_states(network, family, batch.ids, batch.types)
        hidden = predicting(hidden, batch.at)
        total += prediction_loss(network, family, hidden, batch.labels).item()
    return total / len(batches)
