"""The grid of models and documents, divided into jobs."""

from pathlib import Path

import pytest
import yaml

from sinkscope.config import load
from sinkscope.declarations.experiment import ALL
from sinkscope.errors import SinkscopeError
from sinkscope.grid import MOST_IN_FULL, Grid
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


def test_documents_are_shared_out_by_their_names(grid):
    made = grid()
    names = {shard: [d.name for d in made.documents(shard)] for shard in made.shards}
    assert names == {"0001": ["d0", "d5", "d6"], "0005": ["d1", "d4"], "0006": ["d2", "d3"]}
    assert made.cells == {"a": list(names), "b": list(names)}


def test_a_shard_that_is_not_there_is_an_error(grid):
    with pytest.raises(SinkscopeError, match="shard '0003' does not exist; shards are"):
        grid().documents("0003")


def test_a_new_document_plans_one_extraction_job_per_model(grid):
    before, after = (Wanted(made, Path("nowhere")) for made in (grid(7), grid(8)))
    for model in ("a", "b"):
        old, new = ({one.stamp for one in wanted.manifests(model)} for wanted in (before, after))
        assert new - old == {after.extract(model, "0005").stamp}
        assert old - new == {before.extract(model, "0005").stamp}


def test_a_changed_text_changes_its_own_job_only(grid):
    before, after = grid(), grid(first="another")
    assert depends_on(before, "0001") != depends_on(after, "0001")
    assert depends_on(before, "0005") == depends_on(after, "0005")


def test_a_setting_of_extraction_changes_a_job_and_one_of_the_report_does_not(grid):
    plain = depends_on(grid(), "0001")
    assert depends_on(grid(window=32), "0001") != plain
    assert depends_on(grid(threads=4), "0001") != plain
    assert depends_on(grid(epsilon=0.2, mem_mb=9), "0001") == plain
    assert depends_on(grid(head_maps=["b/0/0"]), "0001") == plain
    assert depends_on(grid(head_maps=["a/0/0"]), "0001") != plain


def test_a_shard_has_those_of_the_shown_documents_that_it_holds(grid):
    made = grid(7, documents_in_report=4)
    shown = [made.settings_of_part(["documents_in_report"], shard) for shard in made.shards]
    assert [one["documents_in_report"] for one in shown] == [1, 1, 2]  # of d0, d1, d2 and d3


def test_documents_that_the_report_does_not_show_are_summaries_where_asked_for(grid):
    def kept(n=7, **keys):
        made = grid(n, documents_in_report=4, **keys)
        return [depends_on(made, shard)["tie_tolerance"] for shard in made.shards]

    assert kept() == [None] * 3
    assert kept(detail="summary") == [0.02, 0.02, None]  # d2 and d3, of the last, are shown
    assert kept(detail="summary", tie_tolerance=0.1) == [0.1, 0.1, None]
    assert set(kept(MOST_IN_FULL)) == {None}
    assert 0.02 in kept(MOST_IN_FULL + 1)
    assert set(kept(MOST_IN_FULL + 1, detail="full")) == {None}


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


def test_padded_counting_is_made_of_few_documents_or_where_it_is_asked_for(grid, monkeypatch):
    monkeypatch.setattr("sinkscope.grid.MOST_PADDED", 7)
    assert grid(7).runs("padded")
    assert not grid(8).runs("padded")
    assert grid(8, padded_counting=True).runs("padded")
    assert not grid(7, padded_counting=False).runs("padded")
    planned = [request.job for request in Wanted(grid(8), Path("nowhere")).all()]
    assert not [job for job in planned if job.startswith("padded")]
