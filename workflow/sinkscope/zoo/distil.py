"""DistilBERT is made of BERT: every second layer to start from, BERT's predictions to match.

Source: Sanh et al., "DistilBERT, a distilled version of BERT" (2019). Its third loss, on the
direction of hidden states, is left out.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from sinkscope.errors import SinkscopeError

TEMPERATURE = 2.0
SOFT, HARD = 5.0, 2.0  # weights of matching the teacher and of predicting the token

# DistilBERT's names of a layer's parts, and BERT's.
LAYER = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}
AROUND = {
    "distilbert.embeddings.word_embeddings": "bert.embeddings.word_embeddings",
    "distilbert.embeddings.position_embeddings": "bert.embeddings.position_embeddings",
    "distilbert.embeddings.LayerNorm": "bert.embeddings.LayerNorm",
    "vocab_transform": "cls.predictions.transform.dense",
    "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
    "vocab_projector": "cls.predictions.decoder",
}


def start_from(student: Any, teacher: Any) -> None:
    """Give a DistilBERT the weights of a BERT with twice its layers, in place.

    The second of every two layers is taken. DistilBERT has no segments: the teacher's first
    segment, which single texts have, joins the positions.
    Raises SinkscopeError where their shapes do not fit.
    """
    named, given = student.state_dict(), teacher.state_dict()
    n_layers = student.config.num_hidden_layers
    pairs = dict(AROUND)
    for i in range(n_layers):
        for own, other in LAYER.items():
            pairs[f"distilbert.transformer.layer.{i}.{own}"] = (
                f"bert.encoder.layer.{2 * i + 1}.{other}"
            )
    segment = given["bert.embeddings.token_type_embeddings.weight"][0]
    for own, other in pairs.items():
        for part in ("weight", "bias"):
            if f"{own}.{part}" not in named:
                continue
            value = given.get(f"{other}.{part}")
            if value is None or value.shape != named[f"{own}.{part}"].shape:
                raise SinkscopeError(
                    f"the teacher has no {other}.{part} that fits {own}.{part}; give the student "
                    "half of the teacher's layers, and its other sizes."
                )
            named[f"{own}.{part}"].copy_(value)
    named["distilbert.embeddings.position_embeddings.weight"].add_(segment)


def distillation_loss(logits: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """Mean over predicted tokens, in nats, of both losses by their weights.

    logits, target: [batch, n, vocabulary] of student and teacher; labels: [batch, n].
    """
    hard = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    own = (logits / TEMPERATURE).log_softmax(-1).flatten(0, 1)
    other = (target / TEMPERATURE).log_softmax(-1).flatten(0, 1)
    soft = F.kl_div(own, other, reduction="batchmean", log_target=True) * TEMPERATURE**2
    return (SOFT * soft + HARD * hard) / (SOFT + HARD)
