"""Summaries on disk: parts of a shard, resumed after a kill, and the tables made of them."""

import os
import random
import shutil
import signal
from dataclasses import replace

import pytest
from polars.testing import assert_frame_equal

import tiny
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.limits import Limits
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract import full, parts
from sinkscope.extract.batches import Shapes
from sinkscope.extract.cell import Stored
from sinkscope.extract.job import run_job
from sinkscope.extract.parts import Summaries
from sinkscope.extract.summary.part import StoredSummaries
from sinkscope.files import sha256_of

LOW = {"sink_times": 1.05, "sink_floor": 0.01, "sink_share": 0.4, "sink_queries": 4}
KEPT = Summaries("0000", 0.3)
LIMITS = Limits(0.2, KEPT.tie_tolerance)
N_DOCUMENTS = 150  # three parts


def documents(n=N_DOCUMENTS, seed=0):
    words = ["a cat", "ran.", "12 mice", "sat, then", "it slept?", "off!", "we went"]
    chosen = random.Random(seed)
    texts = [" ".join(chosen.choices(words, k=chosen.randint(1, 4))) for _ in range(n)]
    return [Document(f"d{i:03d}", "d.jsonl", i, text) for i, text in enumerate(texts)]


@pytest.fixture(scope="module", autouse=True)
def passes_of_few_documents():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(full, "ON_PROCESSOR", Shapes((16, 32, 48), 64))
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def whole(model):
    """A finished job over all documents: its folder and its manifest."""
    return model.parent, run(model.parent, documents())


def run(folder, of=None, n_mapped=2, kept=KEPT):
    of = documents() if of is None else of
    return run_job(tiny.row(), of, tiny.settings(**LOW), "code", folder, n_mapped, kept)


def files(folder):
    below = folder / "results/cells/tiny"
    return {str(p.relative_to(below)): p.read_bytes() for p in below.rglob("*") if p.is_file()}


def moved(folder, tmp_path):
    """A folder with the model and the results."""
    shutil.copytree(folder, tmp_path / "work")
    return tmp_path / "work"


def tables(manifest, folder):
    entries = manifest["cells"]
    cells = StoredSummaries(folder, LIMITS.tie_tolerance)(entries)
    made = tables_of_model({"model": "tiny", **manifest["model"]}, cells, entries, LIMITS)
    return {name: frame.collect() for name, frame in made.items()}


def test_documents_with_maps_keep_their_cells_and_the_others_share_parts(whole):
    folder, manifest = whole
    assert sorted(files(folder)) == [
        "0000/0000.safetensors", "0000/0001.safetensors", "0000/0002.safetensors",
        "d000.safetensors", "d001.safetensors",
    ]  # fmt: skip
    assert [entry["document"] for entry in manifest["cells"]] == [d.name for d in documents()]
    for entry in manifest["cells"]:
        assert entry["cell_sha256"] == sha256_of(folder / entry["cell"])
    of_parts = [entry for entry in manifest["cells"] if "/0000/" in entry["cell"]]
    n_bytes = sum(len(data) for name, data in files(folder).items() if "/" in name)
    assert sum(entry["cell_bytes"] for entry in of_parts) == n_bytes


def test_tables_of_summaries_are_those_of_full_cells(whole, model, tmp_path):
    folder, manifest = whole
    shutil.copytree(model, tmp_path / "tiny")
    full = tables(run(tmp_path, kept=None), tmp_path)
    of_summaries = tables(manifest, folder)
    assert set(full) == set(of_summaries)
    for name, frame in of_summaries.items():
        assert frame.height > 0 or name in ("virtual_sink", "gates")  # no layer has one
        # Documents of a summary share passes here; test_summary compares bit by bit.
        assert_frame_equal(frame, full[name], rel_tol=1e-4, abs_tol=1e-6)


def test_only_the_documents_that_are_asked_for_are_read_of_a_part(whole, monkeypatch):
    folder, manifest = whole
    entries = [entry for entry in manifest["cells"] if "/0000/" in entry["cell"]]
    asked, read = entries[::50], {}

    def counting(stored, rows):
        n = rows.stop - rows.start
        read[stored.name] = read.get(stored.name, 0) + n
        return original(stored, rows)

    original = Stored.__getitem__
    monkeypatch.setattr(Stored, "__getitem__", counting)
    cells = StoredSummaries(folder, LIMITS.tie_tolerance)(asked)
    assert [cell.meta["document"] for cell in cells] == [entry["document"] for entry in asked]
    assert read["entropy"] == sum(cell["entropy"].size for cell in cells)


def killed_after(folder, seconds):
    """Run the job in a process that is killed after so many seconds of processor time, inside
    whatever it does then. Returns whether the job has finished before."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # kills without any clean-up
        signal.setitimer(signal.ITIMER_PROF, seconds)
        run(folder, documents(42))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGPROF
    return status == 0


def test_a_job_killed_at_ten_moments_resumes_to_the_same_bytes(model, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "N_DOCUMENTS", 8)
    shutil.copytree(model, tmp_path / "tiny")
    before = os.times()
    assert killed_after(tmp_path, 1000)
    after = os.times()
    took = after.children_user + after.children_system
    took -= before.children_user + before.children_system
    expected = files(tmp_path)
    assert len(expected) == 2 + 5  # documents with maps, and parts
    moment, n_kills = random.Random(20), 0
    while n_kills < 10:
        if killed_after(tmp_path, max(0.01, moment.random() * took)):
            shutil.rmtree(tmp_path / "results")
        else:
            n_kills += 1
    run(tmp_path, documents(42))
    assert files(tmp_path) == expected


def test_a_finished_part_is_not_computed_again(whole, tmp_path):
    folder = moved(whole[0], tmp_path)
    first, *others = sorted((folder / "results/cells/tiny/0000").iterdir())
    before = {path: path.stat().st_mtime_ns for path in others}
    first.write_bytes(first.read_bytes()[:-1])  # cut by a full disk
    assert run(folder)["cells"] == whole[1]["cells"]
    assert files(folder) == files(whole[0])
    assert before == {path: path.stat().st_mtime_ns for path in others}


def test_a_changed_text_changes_its_part_alone_and_fewer_documents_leave_no_part(whole, tmp_path):
    folder = moved(whole[0], tmp_path)
    changed = documents()
    changed[100] = replace(changed[100], text=changed[100].text.replace("a", "o"))
    run(folder, changed)
    again = {name for name, data in files(folder).items() if data != files(whole[0])[name]}
    (of_it,) = (entry for entry in whole[1]["cells"] if entry["document"] == "d100")
    assert [f"results/cells/tiny/{name}" for name in again] == [of_it["cell"]]
    run(folder, documents()[:70])
    assert {"0000/0000.safetensors", "0000/0001.safetensors"} == {
        name for name in files(folder) if "/" in name
    }


def test_another_tie_tolerance_counts_ties_again_and_full_detail_removes_no_cell(whole, tmp_path):
    folder = moved(whole[0], tmp_path)
    of = documents()[:10]
    manifest = run(folder, of, kept=replace(KEPT, tie_tolerance=0.0))
    (few,) = (tables(manifest, folder)["max_attention_tokens"]["n_tied"].sum(),)
    assert few < tables(whole[1], whole[0])["max_attention_tokens"]["n_tied"].sum()
    run(folder, of, n_mapped=5, kept=None)
    assert (folder / "results/cells/tiny/d009.safetensors").is_file()
    run(folder, of, n_mapped=5)
    left = [name for name in files(folder) if "/" not in name]
    assert sorted(left) == [f"d{i:03d}.safetensors" for i in range(5)]


def test_documents_without_a_summary_are_named_with_their_reason_also_when_parts_are_kept(
    whole, tmp_path
):
    folder = moved(whole[0], tmp_path)
    of = [*documents()[:8], Document("long", "d.txt", None, "a cat " * 50)]
    for _ in range(2):
        manifest = run(folder, of)
        assert [entry["document"] for entry in manifest["missing"]] == ["long"]
        assert "takes at most 96" in manifest["missing"][0]["reason"]
        assert len(manifest["cells"]) == 8


def test_a_full_disk_names_the_documents_of_the_part(whole, tmp_path):
    folder = moved(whole[0], tmp_path)
    below = folder / "results/cells/tiny/0000"
    shutil.rmtree(below)
    below.write_text("a file where the folder should be")
    with pytest.raises(SinkscopeError, match=r"0000\.safetensors: cannot be written"):
        run(folder, documents()[:5])
