"""The grid of models and documents, divided into jobs."""

import pytest
import yaml

from sinkscope.config import load
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid, finished_only, manifest_path


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
    """What Snakemake is told that an extraction job depends on."""
    return grid.model("a"), grid.settings(), grid.hashes(shard)


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


def test_a_file_of_many_documents_is_named_once(tmp_path):
    (tmp_path / "n.jsonl").write_text('{"text": "x"}\n{"text": "y"}\n')
    (tmp_path / "documents.tsv").write_text("document\tpath\nn\tn.jsonl\n")
    (tmp_path / "models.tsv").write_text("model\tsource\na\thub:a\n")
    tables = {"models": "models.tsv", "documents": "documents.tsv"}
    assert Grid(load(tables, tmp_path)).paths("0000") == ["n.jsonl"]


def test_models_on_a_gpu_are_told(grid):
    made = grid()
    assert (made.n_gpus("a"), made.n_gpus("b")) == (1, 0)
    assert grid(device="cuda").n_gpus("b") == 1


def test_a_complete_report_shows_every_model_and_document(grid):
    assert grid(2).expected() == {"models": ["a", "b"], "documents": ["d0", "d1"]}


def test_only_jobs_with_a_manifest_count_as_finished(grid, tmp_path):
    for shard in ("0000", "0002"):
        path = manifest_path(tmp_path, "b", shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    manifest_path(tmp_path, "b", "0001").with_suffix(".failed").write_text("{}")
    assert finished_only(grid(), tmp_path) == {"b": ["0000", "0002"]}


def test_the_kept_configuration_is_the_whole_one_but_for_partial(grid):
    made = grid(epsilon=0.2, partial=True)
    kept = yaml.safe_load(made.snapshot())
    assert kept == {key: value for key, value in made.config.raw.items() if key != "partial"}
    assert kept["epsilon"] == 0.2
    assert made.snapshot() == grid(partial=False, epsilon=0.2).snapshot()
