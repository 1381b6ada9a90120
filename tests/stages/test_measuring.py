"""A job that has loaded a model also measures what other jobs of the run will ask of it."""

import os
import threading
from pathlib import Path

import polars as pl
import pytest

import tiny
from sinkscope.config import load
from sinkscope.errors import SinkscopeError
from sinkscope.grid import Grid
from sinkscope.jobs.ahead import Part, read_ahead, write_ahead
from sinkscope.jobs.execution import alone
from sinkscope.jobs.failures import LOGS, begin_run, read_failure
from sinkscope.jobs.stamps import in_place
from sinkscope.jobs.wanted import Wanted
from sinkscope.stages.measuring import measure_ahead

EXPERIMENTS = ("norms", "depth", "induction")


@pytest.fixture
def wanted(tmp_path, monkeypatch):
    """The requests of a decoder with random weights over two shards, with other settings."""
    monkeypatch.chdir(tmp_path)
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    tokenizer.save_pretrained("decoder")
    tiny.network("gpt2", vocab_size=len(tokenizer)).save_pretrained("decoder")
    Path("models.tsv").write_text("model\tsource\ndecoder\tpath:decoder\n")
    names = ("one", "two")
    for name in names:
        Path(f"{name}.txt").write_text(f"{name} abc dab cab. Bad add! " + "dad bac " * 9)
    rows = "".join(f"{name}\t{name}.txt\n" for name in names)
    Path("documents.tsv").write_text("document\tpath\n" + rows)

    def make(**settings):
        given = {
            "models": "models.tsv", "documents": "documents.tsv", "documents_per_job": 1,
            "experiments": list(EXPERIMENTS), "induction_tokens": 6, "induction_seeds": 2,
            "padded_counting": False, **settings,
        }  # fmt: skip
        return Wanted(Grid(load(given, tmp_path)), tmp_path)

    return make


def parts(wanted):
    """Everything that is measured, by experiment and shard."""
    requests = [request for name in EXPERIMENTS for request in wanted.measured(name)]
    named = {request.job.replace("/decoder/", " "): request for request in requests}
    return {
        name: Part(request, wanted.documents_read(name.split()[1]))
        for name, request in named.items()
    }


def plan(wanted, *names):
    """Begin a run that will ask for these; returns them."""
    asked = {name: one for name, one in parts(wanted).items() if name in names or not names}
    write_ahead(asked.values(), Path("."), begin_run(Path(".")))
    return asked


def run(part):
    """The job that asks for a part."""
    measure_ahead(part, Path(part.request.stamp), LOGS / f"{part.request.log}.log")


def made_of(wanted):
    return {name for name, part in parts(wanted).items() if wanted.is_made(part.request)}


def shards(wanted):
    return list(wanted.grid.shards)


def test_a_job_measures_what_others_will_ask_of_its_model_and_documents(wanted):
    """What is about all documents goes with the first shard."""
    one = wanted()
    second = shards(one)[1]
    asked = plan(one)
    run(asked[f"norms {second}"])
    assert made_of(one) == {f"norms {second}", f"depth {second}"}
    run(asked["induction all"])
    assert made_of(one) == set(asked)


def test_what_the_run_does_not_ask_for_is_not_measured(wanted):
    one = wanted()
    first = shards(one)[0]
    asked = plan(one, f"norms {first}")
    run(asked[f"norms {first}"])
    assert made_of(one) == {f"norms {first}"}


def test_what_an_earlier_run_asked_for_is_not_measured(wanted):
    one = wanted()
    first = shards(one)[0]
    asked = plan(one)
    begin_run(Path("."))  # of a run on a cluster, which writes nothing down
    assert read_ahead(asked[f"norms {first}"].request.job, Path(".")) == []
    run(asked[f"norms {first}"])
    assert made_of(one) == {f"norms {first}"}


def test_beside_others_an_experiment_measures_what_it_measures_alone(wanted):
    one = wanted()
    first = shards(one)[0]
    frames = []
    for names in ((), ("induction all",), (f"depth {first}",), (f"norms {first}",)):
        for part in plan(one, *names).values():
            Path(part.request.stamp).unlink(missing_ok=True)
            run(part)
        folder = Path("results/experiments")
        frames.append({str(path): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))})
    assert len(frames[0]) > 5
    assert frames[1] == frames[2] == frames[3] == frames[0]


def test_a_model_is_loaded_once(wanted, monkeypatch):
    from sinkscope.extract import model

    loads, load_model = [], model.load_model
    monkeypatch.setattr(model, "load_model", lambda *one: loads.append(1) or load_model(*one))
    one = wanted()
    asked = plan(one)
    first = shards(one)[0]
    for name in (f"depth {first}", f"norms {first}", "induction all"):
        run(asked[name])
    assert len(loads) == 1


def test_a_forced_job_measures_again_and_keeps_what_others_have_made(wanted):
    one = wanted()
    first = shards(one)[0]
    run(plan(one)[f"norms {first}"])
    asked = plan(one)
    for part in asked.values():  # made before this run was begun
        if Path(part.request.stamp).is_file():
            os.utime(part.request.stamp, (1, 1))
    run(asked[f"norms {first}"])
    assert Path(asked[f"norms {first}"].request.stamp).stat().st_mtime > 1
    assert Path(asked[f"depth {first}"].request.stamp).stat().st_mtime == 1


def test_one_that_fails_takes_nothing_from_the_others_and_fails_its_own_job(wanted, tmp_path):
    one = wanted(induction_tokens=5000)
    first = shards(one)[0]
    asked = plan(one)
    run(asked[f"norms {first}"])
    assert made_of(one) == {f"norms {first}", f"depth {first}"}
    sentence, failed = "its vocabulary has 64 ordinary words", asked["induction all"]
    assert read_failure(tmp_path, failed.request.log).final
    assert sentence in Path(f"results/logs/{failed.request.log}.log").read_text()
    depth = asked[f"depth {first}"].request.log
    assert read_failure(tmp_path, depth) is None
    assert "Measuring depth" in Path(f"results/logs/{depth}.log").read_text()
    with pytest.raises(SinkscopeError, match=sentence):
        run(failed)


def test_a_job_leaves_others_their_work_and_waits_for_its_own(wanted, capsys):
    """Another process is at work on what it was asked for: it makes the rest meanwhile."""
    one = wanted()
    first = shards(one)[0]
    asked = plan(one)
    own = asked[f"norms {first}"]
    log, begun, done = LOGS / f"{own.request.log}.log", threading.Event(), threading.Event()

    def other_process():
        with alone(log):
            begun.set()
            done.wait(60)

    thread = threading.Thread(target=other_process)
    thread.start()
    begun.wait(60)
    job = threading.Thread(target=run, args=(own,))
    job.start()
    while made_of(one) != {f"depth {first}", "induction all"}:
        job.join(0.1)
        assert job.is_alive()
    done.set()
    job.join(60)
    thread.join()
    assert f"norms {first}" in made_of(one)


def test_tables_are_not_made_from_what_another_run_has_replaced(wanted):
    """Both write to the same folders; the stamps state what is in them."""
    one, other = wanted(), wanted(experiment_tokens=16)
    name = f"norms {shards(one)[0]}"
    run(plan(one, name)[name])
    stamps = [Path(parts(one)[name].request.stamp)]
    with in_place(stamps):
        assert pl.read_parquet(stamps[0].parent / "norms.parquet").height > 0
    with pytest.raises(SinkscopeError, match="another run of this folder"), in_place(stamps):
        run(plan(other, name)[name])


def test_a_large_run_writes_nothing_down(wanted):
    one = wanted()
    many = [part for part in parts(one).values() for _ in range(401)]
    write_ahead(many, Path("."), begin_run(Path(".")))
    assert not (LOGS / "ahead").exists()
