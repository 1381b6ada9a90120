"""Corpora: their listings, samples of their rows, and what jobs read of them."""

import json
import os

import polars as pl
import pytest

from sinkscope import listings
from sinkscope.config import load
from sinkscope.corpus import Corpus, Sampling, Store
from sinkscope.documents import Document, Listed, read_entries, with_texts
from sinkscope.errors import SinkscopeError
from sinkscope.files import write_text
from sinkscope.grid import Grid
from sinkscope.jobs.documents import read_part
from sinkscope.jobs.wanted import Wanted
from sinkscope.listings import listing

KINDS = ("jsonl", "parquet")


def texts_of(n):
    return [f"row {i}, of text é" for i in range(n)]


def write(path, texts):
    if path.suffix == ".parquet":
        pl.DataFrame({"id": range(len(texts)), "text": texts}).write_parquet(path, row_group_size=4)
    else:
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
        path.write_bytes("\r\n".join([*lines, "", ""]).encode())


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    path = tmp_path / f"corpus.{request.param}"
    write(path, texts_of(25))
    return path


def entries_of(path, sampling=listings.EVERY, store=None):
    return read_entries("c", path, path.name, "text", sampling, store)


def test_rows_are_listed_without_texts_which_are_read_when_asked_for(path, monkeypatch):
    monkeypatch.setattr(listings, "BLOCK", 7)
    entries = entries_of(path)
    assert all(isinstance(one, Listed) for one in entries)
    as_read = [Document(f"c-{i:06d}", path.name, i, text) for i, text in enumerate(texts_of(25))]
    assert list(with_texts(entries)) == as_read
    assert [one.text for one in entries[3:5]] == texts_of(25)[3:5]
    facts = ("sha256", "n_characters", "n_words", "row", "name", "path")
    for one, document in zip(entries, as_read, strict=True):
        assert [getattr(one, fact) for fact in facts] == [getattr(document, fact) for fact in facts]
    apart = [entries[21], entries[2], entries[3]]
    assert [one.row for one in with_texts(sorted(apart, key=lambda one: one.row))] == [2, 3, 21]


def test_a_sample_is_the_same_for_the_same_seed_and_stays_when_rows_are_added(path):
    def sample(seed=0, size=6):
        return [one.name for one in entries_of(path, Sampling(size, seed))]

    first = sample()
    assert first == sample() == sorted(first)
    assert len(first) == 6
    assert sample(seed=1) != first
    assert set(first) < set(sample(size=9))
    assert sample(size=25) == sample(size=0) == [f"c-{i:06d}" for i in range(25)]
    write(path, texts_of(27))
    assert len(set(first) - set(sample())) <= 2


def test_a_sample_takes_rows_evenly():
    rows = Sampling(2_000, 3).rows("c", 20_000)
    tenths = [
        sum(start <= row < start + 2_000 for row in rows) for start in range(0, 20_000, 2_000)
    ]
    assert max(abs(count - 200) for count in tenths) < 60  # 4.5 standard deviations


def test_a_listing_is_kept_and_made_again_when_the_file_changes(path, tmp_path):
    corpus = Corpus("c", path, path.name, "text")
    planning, job = Store(tmp_path), Store(tmp_path, remember=True)
    made = listing(corpus, store=job)
    assert not (tmp_path / "results").exists()  # not a folder of a run (yet)
    (tmp_path / "results").mkdir()
    listing(corpus, store=planning)
    assert not planning.path("c").exists()
    listing(corpus, store=job)
    assert pl.read_parquet(job.path("c")).equals(made)
    job.path("c").write_bytes(b"damaged")
    assert listing(corpus, store=planning).equals(made)
    listing(corpus, store=job)
    write(path, texts_of(26))
    assert listing(corpus, store=planning).height == 26


@pytest.fixture
def run(tmp_path):
    """A run over 25 rows of a file, whose jobs take 4; and a function that reads one."""
    (tmp_path / "results").mkdir()
    write_text(tmp_path / "models.tsv", "model\tsource\na\thub:a\n")

    def make(path, **keys):
        write_text(tmp_path / "documents.tsv", f"document\tpath\nc\t{path.name}\n")
        tables = {"models": "models.tsv", "documents": "documents.tsv", "documents_per_job": 4}
        raw = tables | keys
        grid = Grid(load(raw, tmp_path))
        wanted = Wanted(grid, tmp_path)

        def read(shard):
            request = wanted.extract("a", shard)
            _, option, documents = request.command
            assert option == "--documents"
            return read_part(tmp_path, request.content, **json.loads(documents))

        return grid, read

    return make


@pytest.mark.parametrize("keys", [{}, {"sample": 9, "sample_seed": 5}])
def test_jobs_read_the_documents_that_were_planned(path, run, keys):
    grid, read = run(path, **keys)
    together = [document for shard in grid.shards for document in read(shard)]
    planned = sorted(grid.config.documents, key=lambda one: one.name)
    assert sorted(together, key=lambda one: one.name) == list(with_texts(planned))
    assert len(together) == keys.get("sample", 25)


def test_a_job_reads_its_own_rows_alone(tmp_path, run):
    """What other rows hold since they were listed does not matter to it."""
    path = tmp_path / "corpus.jsonl"
    write(path, texts_of(25))
    _, read = run(path)
    first = read("c-0000")
    status = path.stat()
    content = path.read_bytes()
    assert content.count(b'{"text": "row 9,') == 1
    path.write_bytes(content.replace(b'{"text": "row 9,', b'["text", "row 9,'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read("c-0000") == first
    with pytest.raises(SinkscopeError, match=r"corpus\.jsonl row 9: is not a JSON object"):
        read("c-0002")
    path.write_bytes(content.replace(b'{"text": "row 9,', b'{"text": "ROW 9,'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(SinkscopeError, match=r"corpus\.jsonl row 9: was changed after this run"):
        read("c-0002")


def test_a_corpus_that_changed_since_the_plan_is_an_error(path, run):
    _, read = run(path)
    read("c-0001")
    write(path, [text.replace("row 5", "row five") for text in texts_of(25)])
    read("c-0000")
    with pytest.raises(SinkscopeError, match="the documents of shard c-0001 were changed after"):
        read("c-0001")


def test_a_file_without_rows_is_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n\n")
    [refused] = read_entries("a", tmp_path / "a.jsonl", "a.jsonl", "text")
    assert refused.reason == "document 'a': a.jsonl has no rows; remove the row."
