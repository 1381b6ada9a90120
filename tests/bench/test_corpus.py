"""`bench corpus`: its documents, what it says about a small corpus, and options that cannot be."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

import tiny
from sinkscope.bench.corpus import (
    BATCH,
    GPU_SHAPES,
    SUMMARIES,
    load,
    rows_of,
    run_as_job,
    run_plain,
    shipped_config,
)
from sinkscope.bench.gpu import SHAPES
from sinkscope.bench.rounds import Times, timed
from sinkscope.bench.texts import make_documents
from sinkscope.cli import app
from sinkscope.config import settings_of
from sinkscope.documents import Document
from sinkscope.errors import SinkscopeError
from sinkscope.extract.encode import encode
from sinkscope.extract.job import run_job
from sinkscope.extract.model import longest_input
from sinkscope.shipped import SHIPPED

N_DOCUMENTS = 22  # two without maps


@pytest.fixture(scope="module")
def settings():
    return replace(settings_of(shipped_config()), threads=1)


@pytest.fixture(scope="module")
def gpt2():
    return load("zoo-gpt2")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What the command keeps and prints."""
    out = tmp_path_factory.mktemp("bench") / "corpus.json"
    options = ["--documents", str(N_DOCUMENTS), "--rounds", "2", "--threads", "1"]
    command = ["bench", "corpus", "--model", "zoo-gpt2", *options, "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


@pytest.mark.parametrize("name", ["zoo-gpt2", "zoo-roberta"])
def test_documents_are_different_and_have_the_promised_lengths(name):
    loaded, lengths = load(name)
    mixed = range(10, 301)
    assert (min(lengths), max(lengths)) == (130, 180)
    for wanted in (lengths, mixed):
        documents = make_documents(loaded, 60, wanted)
        assert len({document.text for document in documents}) == 60
        assert len({document.name for document in documents}) == 60
        read = [
            encode(loaded, document.name, document.text, truncate=False) for document in documents
        ]
        # An encoder's mask token is not part of the text.
        counts = [len(one.ids) - one.classes.count("mask") for one in read]
        assert all(count in wanted for count in counts)
        a_quarter = len(wanted) / 4
        assert min(counts) < min(wanted) + a_quarter
        assert max(counts) > max(wanted) - a_quarter


def test_documents_depend_on_the_seed_alone(gpt2):
    loaded, lengths = gpt2
    texts = [make_documents(loaded, 5, lengths, seed) for seed in (0, 0, 1)]
    assert texts[0] == texts[1]
    assert not {one.text for one in texts[0]} & {one.text for one in texts[2]}


def test_the_rows_are_consistent(measured, gpt2):
    results, _ = measured
    plain, job = results["rows"]
    loaded, lengths = gpt2
    documents = make_documents(loaded, N_DOCUMENTS, lengths)
    n_tokens = sum(len(encode(loaded, one.name, one.text, truncate=False).ids) for one in documents)
    assert (plain["way"], job["way"], results["rounds"], results["threads"]) == (
        "plain", "job", 2, 1,
    )  # fmt: skip
    for row in (plain, job):
        assert (row["n_documents"], row["n_tokens"]) == (N_DOCUMENTS, n_tokens)
        assert row["documents_per_second"] == pytest.approx(N_DOCUMENTS / row["seconds"])
        assert row["ratio"] == pytest.approx(row["seconds"] / plain["seconds"])
        assert row["cpu_ratio"] == pytest.approx(row["cpu_seconds"] / plain["cpu_seconds"])
        # One thread: no more processor time than time, but for the thread that tokenizes.
        assert 0 < row["cpu_seconds"] < 1.5 * row["seconds"]
        assert row["peak_gpu_mb"] is None
    assert job["ratio"] > 1
    assert job["peak_mb"] >= plain["peak_mb"] > 100
    assert results["torch"] == torch.__version__


def test_bytes_per_document_are_those_of_the_cells_of_a_job(measured, gpt2, settings, tmp_path):
    loaded, lengths = gpt2
    documents = make_documents(loaded, N_DOCUMENTS, lengths)
    run_job(loaded.row, documents, settings, "code", tmp_path, 20, SUMMARIES)
    cells = tmp_path / "results/cells/zoo-gpt2"
    sizes = [path.stat().st_size for path in cells.glob("*.safetensors")]
    assert len(sizes) == N_DOCUMENTS - 2
    n_summaries = (cells / "0000/0000.safetensors").stat().st_size
    plain, job = measured[0]["rows"]
    assert plain["bytes_per_document"] == 0
    # Cells hold the hash of their code, which has one length.
    assert job["bytes_per_document"] == (sum(sizes) + n_summaries) / N_DOCUMENTS
    assert job["bytes_per_summary"] == n_summaries / 2


def test_the_table_shows_the_numbers_that_are_kept(measured):
    results, printed = measured
    assert "zoo-gpt2, 22 documents" in printed
    assert "threads: 1, medians of 2" in printed
    lines = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.split()}
    for row in results["rows"]:
        assert lines[row["way"]] == [
            f"{row['seconds']:.2f}",
            f"{row['documents_per_second']:.1f}",
            f"{row['ratio']:.2f}x",
            f"{row['cpu_seconds']:.2f}",
            f"{row['cpu_ratio']:.2f}x",
            *([f"{row['bytes_per_summary'] / 1000:.1f}"] if row["bytes_per_summary"] else []),
            f"{row['peak_mb']:,.0f}",
        ]


def test_the_plain_way_reads_every_token_once_in_batches_of_similar_length(gpt2):
    loaded, _ = gpt2
    documents = make_documents(loaded, 2 * BATCH + 3, range(10, 61))
    batches = []
    hook = loaded.network.register_forward_pre_hook(
        lambda _, args, options: batches.append(options), with_kwargs=True
    )
    try:
        run_plain(loaded, documents)
    finally:
        hook.remove()
    read = [
        ids[mask.bool()].tolist()
        for batch in batches
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    wanted = [encode(loaded, one.name, one.text, truncate=False).ids for one in documents]
    assert sorted(read) == sorted(wanted)
    assert [len(ids) for ids in read] == sorted(map(len, wanted))
    assert [len(batch["input_ids"]) for batch in batches] == [BATCH, BATCH, 3]


def test_ratios_are_of_medians():
    rounds = {
        "plain": [Times(2, 3), Times(1, 1), Times(9, 9)],
        "job": [Times(30, 40, 70), Times(4, 6, 70), Times(6, 12, 70)],
    }
    plain, job = rows_of(rounds, {"plain": {"peak_mb": 1}, "job": {"peak_mb": 2}}, 7)
    assert (plain["seconds"], plain["ratio"], plain["cpu_ratio"], plain["peak_mb"]) == (2, 1, 1, 1)
    assert (job["seconds"], job["ratio"], job["documents_per_second"]) == (6, 3, 7 / 6)
    assert (job["cpu_seconds"], job["cpu_ratio"], job["bytes_per_document"]) == (12, 4, 10)


def test_processor_time_includes_child_processes():
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    times = timed(lambda: subprocess.run([sys.executable, "-c", busy], check=True))
    assert times.cpu_seconds >= 0.4  # the kernel's two clocks differ by a tick or so
    assert timed(lambda: None).cpu_seconds < 0.1


def test_a_job_that_refuses_a_document_is_not_measured(gpt2, settings, tmp_path):
    documents = [
        Document("short", "a", None, "A cat."),
        Document("long", "b", None, "a cat " * 900),
    ]
    with pytest.raises(SinkscopeError, match=r"'long'.*takes at most 640"):
        run_as_job(gpt2[0], documents, settings, tmp_path)


@pytest.mark.parametrize("name", GPU_SHAPES)
def test_documents_for_a_gpu_fit_its_models(name):
    shape, (family, config) = GPU_SHAPES[name], SHAPES[name]
    with torch.device("meta"):
        network = AutoModel.from_config(config)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / "zoo" / shape.zoo)
    with_mask = max(shape.lengths) + (family == "encoder")
    assert with_mask <= longest_input(tiny.row(), network)
    assert len(tokenizer) <= config.vocab_size
    # RoBERTa computes its positions from its padding id.
    assert family == "decoder" or tokenizer.pad_token_id == config.pad_token_id


def test_an_unknown_model_is_named_beside_those_that_there_are(tmp_path):
    out = tmp_path / "out.json"
    done = CliRunner().invoke(app, ["bench", "corpus", "--model", "zoo-gpt3", "--out", str(out)])
    assert isinstance(done.exception, SinkscopeError)
    assert str(done.exception).startswith("bench corpus: unknown model 'zoo-gpt3'; ")
    assert "zoo-gpt2, " in str(done.exception)
    assert "GPT-2-large" in str(done.exception)
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_shape_for_a_gpu_needs_one():
    # Refused before the first model is measured.
    done = CliRunner().invoke(
        app, ["bench", "corpus", "--model", "zoo-gpt2", "--model", "GPT-2-large"]
    )
    assert "GPT-2-large needs a GPU" in str(done.exception)
    assert done.stdout == ""


@pytest.mark.parametrize("option", ["--documents", "--rounds", "--threads"])
def test_numbers_start_at_one(option):
    done = CliRunner().invoke(app, ["bench", "corpus", option, "0"])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in " ".join(done.stderr.split())
