"""DistilBERT from BERT: initialised with every second layer, trained to match BERT's predictions.

Source: Sanh et al., "DistilBERT, a distilled version of BERT" (2019). Its third loss, on the
direction of hidden states, is left out.
"""

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
    """Copy the weights of a BERT with twice the layers into a DistilBERT, in place.

    The second of every two layers is taken. DistilBERT has no segments: the teacher's embedding of
    the first segment, which single texts have, is added to the positions. Raises SinkscopeError if
    their shapes do not fit.
    """
    weights, teacher_weights = student.state_dict(), teacher.state_dict()
    n_layers = student.config.num_hidden_layers
    pairs = dict(AROUND)
    for i in range(n_layers):
        for name, teacher_name in LAYER.items():
            pairs[f"distilbert.transformer.layer.{i}.{name}"] = (
                f"bert.encoder.layer.{2 * i + 1}.{teacher_name}"
            )
    segment = teacher_weights["bert.embeddings.token_type_embeddings.weight"][0]
    for name, teacher_name in pairs.items():
        for part in ("weight", "bias"):
            if f"{name}.{part}" not in weights:
                continue
            value = teacher_weights.get(f"{teacher_name}.{part}")
            if value is None or value.shape != weights[f"{name}.{part}"].shape:
                raise SinkscopeError(
                    f"the teacher has no {teacher_name}.{part} that fits {name}.{part}; give the "
                    "student half of the teacher's layers, and its other sizes."
                )
            weights[f"{name}.{part}"].copy_(value)
    weights["distilbert.embeddings.position_embeddings.weight"].add_(segment)


def distillation_loss(logits: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """Weighted mean of both losses, in nats, over predicted tokens.

    logits, target: [batch, n, vocabulary] of student and teacher; labels: [batch, n].
    """
    hard = F.cross_entropy(logits.flatten(0, 1), labels.flatten())
    student = (logits / TEMPERATURE).log_softmax(-1).flatten(0, 1)
    teacher = (target / TEMPERATURE).log_softmax(-1).flatten(0, 1)
    soft = F.kl_div(student, teacher, reduction="batchmean", log_target=True) * TEMPERATURE**2
    return (SOFT * soft + HARD * hard) / (SOFT + HARD)
