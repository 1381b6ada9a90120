"""The grid of models and documents, divided into jobs."""

from pathlib import Path

import pytest
import yaml

from sinkscope.config import load
from sinkscope.declarations.experiment import ALL
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid
from sinkscope.jobs.wanted import Wanted


@pytest.fixture
def grid(tmp_path):
    """A grid of two models and of n documents, those of a table's rows."""

    def make(n=7, first="text 0", **keys):
        rows = "".join(f"d{i}\td{i}.txt\n" for i in range(n))
        (tmp_path / "documents.tsv").write_text("document\tpath\n" + rows)
        (tmp_path / "models.tsv").write_text(
            "model\tsource\tdevice\na\thub:a\tcuda:0\nb\thub:b\t\n"
        )
        for i in range(n):
            (tmp_path / f"d{i}.txt").write_text(f"text {i}")
        (tmp_path / "d0.txt").write_text(first)
        tables = {"models": "models.tsv", "documents": "documents.tsv"}
        return Grid(load({**tables, "documents_per_job": 3, **keys}, tmp_path))

    return make


def depends_on(grid, shard):
    """What an extraction job is asked for."""
    return Wanted(grid, Path("nowhere")).extract("a", shard).content


def test_documents_are_shared_out_in_order(grid):
    made = grid()
    assert made.cells == {"a": ["0000", "0001", "0002"], "b": ["0000", "0001", "0002"]}
    names = {shard: [d.name for d in made.documents(shard)] for shard in made.shards}
    assert names == {"0000": ["d0", "d1", "d2"], "0001": ["d3", "d4", "d5"], "0002": ["d6"]}


def test_a_shard_that_is_not_there_is_an_error(grid):
    with pytest.raises(SinkscopeError, match="no shard '0003'; shards are"):
        grid().documents("0003")


def test_a_new_document_leaves_the_finished_jobs_as_they_are(grid):
    before, after = grid(7), grid(8)
    assert depends_on(before, "0000") == depends_on(after, "0000")
    assert depends_on(before, "0001") == depends_on(after, "0001")
    assert depends_on(before, "0002") != depends_on(after, "0002")


def test_a_changed_text_changes_its_own_job_only(grid):
    before, after = grid(), grid(first="another")
    assert depends_on(before, "0000") != depends_on(after, "0000")
    assert depends_on(before, "0001") == depends_on(after, "0001")


def test_a_setting_of_extraction_changes_a_job_and_one_of_the_report_does_not(grid):
    plain = depends_on(grid(), "0000")
    assert depends_on(grid(window=32), "0000") != plain
    assert depends_on(grid(threads=4), "0000") != plain
    assert depends_on(grid(epsilon=0.2, mem_mb=9), "0000") == plain
    assert depends_on(grid(head_maps=["b/0/0"]), "0000") == plain
    assert depends_on(grid(head_maps=["a/0/0"]), "0000") != plain


def test_a_shard_has_those_of_the_shown_documents_that_it_holds(grid):
    made = grid(7, documents_in_report=4)
    shown = [made.settings_of_part(["documents_in_report"], shard) for shard in made.shards]
    assert [one["documents_in_report"] for one in shown] == [3, 1, 0]


def test_induction_depends_on_one_document_alone(grid):
    few, many = (Wanted(grid(n), Path("nowhere")).documents("induction", ALL) for n in (7, 8))
    assert few == many
    other = grid(7, first="text that is longer than the others")
    assert Wanted(other, Path("nowhere")).documents("induction", ALL) != few


def test_models_on_a_gpu_are_told(grid):
    made = grid()
    assert (made.n_gpus("a"), made.n_gpus("b")) == (1, 0)
    assert grid(device="cuda").n_gpus("b") == 1


def test_the_kept_configuration_is_the_whole_one(grid):
    made = grid(epsilon=0.2)
    assert yaml.safe_load(made.snapshot()) == made.config.raw
    assert made.config.raw["epsilon"] == 0.2
