"""DistilBERT from BERT: what it begins as, and what it is taught."""

import numpy as np
import polars as pl
import pytest
import torch
from transformers import BertForMaskedLM

from sinkscope.errors import SinkscopeError
from sinkscope.zoo.distil import distillation_loss, start_from
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.tokens import load_tokenizer
from small_zoo import small, train_on_cpu


@pytest.fixture(scope="module")
def taught(recipes, made, tmp_path_factory):
    """(teacher, student's recipe, folder): a BERT, and a DistilBERT that is made of it."""
    folder = tmp_path_factory.mktemp("taught")
    train_on_cpu(small(recipes["bert"], n_layers=4, steps=30), made, folder / "bert")
    recipe = small(recipes["distilbert"], teacher="bert", steps=20)
    train_on_cpu(recipe, made, folder / "distilbert", folder / "bert")
    return recipe, folder


def test_a_student_begins_as_every_second_layer_of_its_teacher(taught, made):
    recipe, folder = taught
    teacher = BertForMaskedLM.from_pretrained(folder / "bert", dtype=torch.float32).eval()
    student = (
        FAMILIES["distilbert"]
        .build(recipe, load_tokenizer(made / "tokenizers" / "distilbert"))
        .eval()
    )
    start_from(student, teacher)
    teacher.bert.encoder.layer = teacher.bert.encoder.layer[1::2]
    ids = torch.randint(5, 100, (2, 30))
    with torch.inference_mode():
        torch.testing.assert_close(student(ids).logits, teacher(ids).logits)


def test_a_student_learns_from_where_its_teacher_stands(taught):
    _, folder = taught
    teacher = pl.read_parquet(folder / "bert" / "training_log.parquet")["heldout_loss"]
    student = pl.read_parquet(folder / "distilbert" / "training_log.parquet")["heldout_loss"]
    assert student[-1] < student[0]
    assert student[-1] < teacher[0] - 1


def test_the_distillation_loss_is_that_of_the_formula():
    random = torch.Generator().manual_seed(0)
    logits, target = (torch.randn(2, 3, 7, generator=random).double() for _ in range(2))
    labels = torch.randint(0, 7, (2, 3), generator=random)
    own, other = (np.exp(x.numpy() / 2) for x in (logits, target))
    own, other = (x / x.sum(-1, keepdims=True) for x in (own, other))
    soft = 4 * (other * np.log(other / own)).sum(-1).mean()
    p = np.exp(logits.numpy())
    p /= p.sum(-1, keepdims=True)
    hard = -np.log(np.take_along_axis(p, labels.numpy()[..., None], -1)).mean()
    found = distillation_loss(logits, target, labels)
    assert float(found) == pytest.approx((5 * soft + 2 * hard) / 7)


def test_a_teacher_that_does_not_fit_is_refused_with_a_sentence(recipes, made):
    tokenizer = load_tokenizer(made / "tokenizers" / "bert")
    teacher = FAMILIES["bert"].build(small(recipes["bert"], n_layers=3), tokenizer)
    student = FAMILIES["distilbert"].build(small(recipes["distilbert"]), tokenizer)
    with pytest.raises(SinkscopeError, match="half of the teacher's layers"):
        start_from(student, teacher)
