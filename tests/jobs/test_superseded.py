"""Shards that a run divides in another way leave no summaries behind."""

import json

import pytest

from sinkscope.config import load
from sinkscope.grid import Grid
from sinkscope.jobs.superseded import remove_superseded


@pytest.fixture
def grid(tmp_path):
    """The grid of one model and n documents, in shards of at most `size`."""

    def make(n, size):
        rows = "".join(f"d{i}\td{i}.txt\n" for i in range(n))
        (tmp_path / "documents.tsv").write_text("document\tpath\n" + rows)
        (tmp_path / "models.tsv").write_text("model\tsource\na\thub:a\n")
        for i in range(n):
            (tmp_path / f"d{i}.txt").write_text(f"text {i}")
        tables = {"models": "models.tsv", "documents": "documents.tsv"}
        return Grid(load({**tables, "documents_per_job": size, "detail": "summary"}, tmp_path))

    return make


def finish(made, folder):
    """Stamps and parts as the extraction jobs of a grid leave them."""
    for shard, documents in made.shards.items():
        part = folder / f"results/cells/a/{shard}/0000.safetensors"
        stamp = folder / f"results/shards/a/{shard}.0123456789ab.json"
        for path in (part, stamp):
            path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"part")
        entries = [{"document": document.name} for document in documents]
        stamp.write_text(json.dumps({"cells": entries, "missing": []}))


def left(folder):
    shards = {path.name.split(".")[0] for path in (folder / "results/shards/a").iterdir()}
    assert {path.name for path in (folder / "results/cells/a").iterdir() if path.is_dir()} == shards
    return shards


def test_shards_of_another_size_are_removed(grid, tmp_path):
    before = grid(7, 3)
    finish(before, tmp_path)
    (tmp_path / "results/cells/a/d0.safetensors").write_bytes(b"cell")
    remove_superseded(before, tmp_path)
    assert left(tmp_path) == set(before.shards)
    after = grid(7, 8)
    remove_superseded(after, tmp_path)
    assert left(tmp_path) == set()
    assert not set(before.shards) & set(after.shards)
    assert (tmp_path / "results/cells/a/d0.safetensors").is_file()


def test_a_shard_with_a_document_that_the_run_lacks_stays(grid, tmp_path):
    before = grid(7, 3)
    finish(before, tmp_path)
    remove_superseded(grid(6, 8), tmp_path)
    of_d6 = {
        shard
        for shard, documents in before.shards.items()
        if "d6" in [document.name for document in documents]
    }
    assert left(tmp_path) == of_d6
