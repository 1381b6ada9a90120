"""The tokens of a text that a model with an output head predicts, and the losses."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sinkscope.extract.encode import Encoded
from sinkscope.extract.masks import Call
from sinkscope.extract.model import Loaded
from sinkscope.extract.observe import run_observed
from sinkscope.extract.output_head import logits_at, mask_token
from sinkscope.keys import SPECIAL_CLASSES

MASKED = 0.15  # fraction of the ordinary tokens that an encoder predicts, as in its training
PURPOSE = 15  # of the random numbers: apart from those that an experiment draws of the same seeds


@dataclass(frozen=True)
class Prediction:
    """ids: [1, token], the input. places: positions that predict; targets: [prediction] ids."""

    ids: Tensor
    places: list[int]
    targets: Tensor


@dataclass(frozen=True)
class Result:
    """The results of one pass over a text. states: [token, d] final states, float64, on the CPU.
    loss: [prediction] negative log likelihood in nats; best: [prediction] the most likely id; both
    None if nothing is predicted."""

    states: Tensor
    loss: np.ndarray | None = None
    best: np.ndarray | None = None


def seed_of(seed: int, document: str) -> tuple[int, int]:
    """Seeds of a text's random numbers: of a setting, and of the document's name."""
    return seed, zlib.crc32(document.encode())


def predicted(loaded: Loaded, encoded: Encoded, seeds: Sequence[int]) -> Prediction:
    """A decoder predicts every token from those before it. An encoder predicts the tokens in
    `masked`, all replaced by the mask token at once (a pseudo-likelihood, Salazar et al. 2020).
    Without an output head nothing is predicted."""
    ids = torch.tensor([encoded.ids])
    if loaded.network.get_output_embeddings() is None:
        return Prediction(ids, [], ids[0, :0])
    if loaded.family == "decoder":
        return Prediction(ids, list(range(ids.shape[1] - 1)), ids[0, 1:])
    places = masked(encoded.classes, seeds)
    targets = ids[0, places]
    ids[0, places] = mask_token(loaded)
    return Prediction(ids, places, targets)


def masked(classes: Sequence[str], seeds: Sequence[int]) -> list[int]:
    """Positions of a seeded 15 % of the ordinary tokens, and at least one."""
    ordinary = [i for i, name in enumerate(classes) if name not in SPECIAL_CLASSES]
    numbers = np.random.PCG64([*seeds, PURPOSE]).random_raw(len(ordinary))
    n = max(1, round(MASKED * len(ordinary)))
    return sorted(ordinary[i] for i in np.argsort(numbers, kind="stable")[:n])


def results(
    loaded: Loaded, attend: Callable[[Call], Tensor], prediction: Prediction, n_rows: int
) -> list[Result]:
    """One result per row of a pass over the text in n_rows rows; `attend`: of every layer."""
    ids = prediction.ids.expand(n_rows, -1).to(loaded.device)
    places = prediction.places
    with logits_at(loaded.network, places):
        output = run_observed(loaded, attend, ids, hidden_states=True)
    states = output.hidden_states[-1].double().cpu()
    if not places:
        return [Result(of_row) for of_row in states]
    logits = output.logits
    if logits.shape[1] > len(places):  # the head is no module that is called
        logits = logits[:, places]
    return [
        Result(of_row, *scores(of_places.cpu(), prediction.targets))
        for of_row, of_places in zip(states, logits, strict=True)
    ]


def scores(logits: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """[prediction] loss in nats; the most likely id. logits: [prediction, id]."""
    loss = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
    return loss.double().numpy(), logits.argmax(-1).numpy()
