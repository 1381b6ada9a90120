"""Models of a hub, fetched by the hub's own client as a user has it."""

import json
import random
import shutil

import pytest

from hub.conftest import ROOT
from hub.read import cell, locks, problems

GPT2 = ROOT / "zoo" / "gpt2"
ENOUGH = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def test_the_first_use_locks_a_commit_and_fetches_what_is_loaded(user, hub):
    hub.add("lab/gpt2", GPT2)
    user.models("m\thub:lab/gpt2")
    done = user.download("lab--gpt2")
    assert done.returncode == 0, done.stdout
    lock = locks(user)["lab--gpt2.json"]
    assert (lock["id"], lock["revision"], lock["commit"]) == (
        "lab/gpt2", "main", hub.models["lab/gpt2"].commit,
    )  # fmt: skip
    assert sorted(lock["files"]) == sorted(ENOUGH)  # not the card, nor the records of training
    assert lock["licence"] is None  # the hub states none
    manifest = json.loads((user.folder / "results/hub/lab--gpt2.json").read_text())
    assert manifest == lock


def test_the_lock_states_the_licence_of_the_card(user, hub):
    hub.add("lab/gpt2", GPT2, licence="mit")
    user.models("m\thub:lab/gpt2")
    assert user.lock("hub:lab/gpt2").returncode == 0
    assert locks(user)["lab--gpt2.json"]["licence"] == "mit"


def test_a_locked_model_that_is_cached_needs_no_network(user, hub):
    """The commit and the cell are those of the first run, whatever the hub has by now."""
    folder = user.folder.parent / "copy"
    shutil.copytree(GPT2, folder)
    hub.add("lab/gpt2", folder)
    user.models("m\thub:lab/gpt2")
    assert user.download("lab--gpt2").returncode == 0
    before, commit = len(hub.requests), hub.models["lab/gpt2"].commit
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert hub.models["lab/gpt2"].commit != commit
    done = user.extract("m")
    assert done.returncode == 0, done.stdout
    assert len(hub.requests) == before
    facts, _ = cell(user, "m")
    assert (facts["revision"], facts["source"]) == (commit, "hub:lab/gpt2")
    # Nor where the client is told that there is none.
    assert user.extract("m", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9").returncode == 0
    # A new lock takes up what is new.
    (user.folder / "config/lock/lab--gpt2.json").unlink()
    assert user.download("lab--gpt2").returncode == 0
    assert locks(user)["lab--gpt2.json"]["commit"] == hub.models["lab/gpt2"].commit


def test_without_network_and_cache_the_sentence_says_what_to_run(user, hub):
    user.models("m\thub:lab/gpt2")
    (sentence,) = problems(user.extract("m", HF_ENDPOINT="http://127.0.0.1:9"))
    assert "hub model 'lab/gpt2': http://127.0.0.1:9 cannot be reached" in sentence
    assert "snakemake downloads" in sentence
    (sentence,) = problems(user.lock("hub:lab/gpt2", HF_HUB_OFFLINE="1"))
    assert "snakemake downloads" in sentence


def test_a_connection_cut_in_the_middle_is_taken_up_there(user, hub, tmp_path):
    """The client writes in steps of 10 MB (10 << 20 bytes), and goes on from the last of them."""
    folder, step = tmp_path / "large", 10 << 20
    folder.mkdir()
    shutil.copy(GPT2 / "config.json", folder)
    weights = random.Random(0).randbytes(3 * step)
    (folder / "model.safetensors").write_bytes(weights)
    hub.add("lab/large", folder)
    user.models("m\thub:lab/large")
    hub.cuts["model.safetensors"] = [int(1.3 * step), int(1.2 * step)]
    done = user.download("lab--large")
    assert done.returncode == 0, done.stdout
    ranges = [asked for _, path, asked in hub.requests if path.startswith("/cdn/") and asked]
    assert ranges == [f"bytes={step}-", f"bytes={2 * step}-"]
    (cached,) = user.cache.rglob("model.safetensors")
    assert cached.read_bytes() == weights


def test_after_a_download_that_failed_complete_files_are_not_fetched_again(user, hub):
    hub.add("lab/gpt2", GPT2)
    user.models("m\thub:lab/gpt2")
    hub.cuts["model.safetensors"] = [0] * 20  # until the client gives up
    (sentence,) = problems(user.download("lab--gpt2"))
    assert "cannot be reached, or broke off" in sentence
    assert not (user.folder / "results/hub/lab--gpt2.json").exists()
    hub.cuts.clear()
    hub.requests.clear()
    assert user.download("lab--gpt2").returncode == 0
    fetched = {path.rpartition("/")[2] for path in hub.paths()}
    assert fetched == {"model.safetensors"}


def test_a_damaged_file_of_the_cache_is_found_and_downloaded_again(user, hub):
    """One cut in half, one with another byte, which only its hash shows."""
    hub.add("lab/gpt2", GPT2)
    user.models("m\thub:lab/gpt2")
    assert user.download("lab--gpt2").returncode == 0
    (tokenizer,) = user.cache.rglob("snapshots/*/tokenizer.json")
    (weights,) = user.cache.rglob("snapshots/*/model.safetensors")
    tokenizer.write_bytes(tokenizer.read_bytes()[: tokenizer.stat().st_size // 2])
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x42")
    hub.requests.clear()
    done = user.download("lab--gpt2")
    assert done.returncode == 0, done.stdout
    for path in (tokenizer, weights):
        assert path.read_bytes() == (GPT2 / path.name).read_bytes()
    assert "lab/gpt2: tokenizer.json in the cache has " in done.stdout
    assert "lab/gpt2: model.safetensors in the cache has another SHA-256" in done.stdout
    asked = {path.rpartition("/")[2] for path in hub.paths()}
    assert asked == {"tokenizer.json", "model.safetensors"}
    tokenizer.write_bytes(b"")  # and where there is no network
    (said,) = problems(user.download("lab--gpt2", HF_ENDPOINT="http://127.0.0.1:9"))
    assert "tokenizer.json in the cache has 0 bytes instead of " in said
    assert "; hub model 'lab/gpt2': http://127.0.0.1:9 cannot be reached" in said


def test_a_model_that_cannot_be_observed_is_refused_before_its_weights_are_downloaded(
    user, hub, tmp_path
):
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "xlnet"}')
    with (folder / "model.safetensors").open("wb") as stream:
        stream.truncate(60_000_000)
    hub.add("lab/large", folder)
    user.models("m\thub:lab/large")
    (said,) = problems(user.download("lab--large"))
    assert "hub model 'lab/large': XLNetModel of transformers " in said
    assert "computes its attention in model-specific code" in said
    failed = json.loads((user.folder / "results/logs/download/lab--large.failed").read_text())
    assert all(problem["reason"] in said for problem in failed["problems"])
    assert not any("safetensors" in path for path in hub.paths())


@pytest.mark.parametrize("token", [None, "other-token"])
def test_a_gated_model_without_access_says_what_to_accept(user, hub, token):
    hub.add("lab/gated", GPT2, gated=True, readers=("good-token",))
    user.models("m\thub:lab/gated")
    user.token = token
    done = user.download("lab--gated")
    (sentence,) = problems(done)
    assert sentence == (
        "sinkscope: hub model 'lab/gated': its owner grants access one by one; accept the "
        f"conditions on {hub.url}/lab/gated, and put a token of that account in the variable "
        "HF_TOKEN."
    )
    failed = json.loads((user.folder / "results/logs/download/lab--gated.failed").read_text())
    assert f"sinkscope: {failed['problems'][0]['reason']}" == sentence
    user.token = "good-token"
    again = user.download("lab--gated")
    assert again.returncode == 0, again.stdout
    assert not (user.folder / "results/logs/download/lab--gated.failed").exists()
    written = [path for path in user.folder.rglob("*") if path.is_file()]
    for text in (
        done.stdout,
        again.stdout,
        *(path.read_bytes().decode("latin1") for path in written),
    ):
        assert "good-token" not in text
        assert "other-token" not in text
    # It goes to the hub, and not on to the host that large files come from.
    assert hub.authorized
    assert not any(path.startswith("/cdn/") for path in hub.authorized)


@pytest.mark.parametrize(
    ("source", "token", "sentence"),
    [
        ("hub:lab/none", None, "has no such model, or it is private"),
        ("hub:lab/none", "good-token", "has no such model, or it is private"),
        ("hub:lab/private", None, "it is private; correct the id, or put a token"),
        ("hub:lab/gpt2@old", None, "hub model 'lab/gpt2': it has no revision 'old'; correct it"),
        ("hub:lab/gpt2", "stale-token", "the hub refuses the token in HF_TOKEN; put a valid one"),
        ("hub:lab/empty", None, "hub model 'lab/empty': it has no config.json with safetensors"),
    ],
)  # fmt: skip
def test_what_the_hub_refuses_is_one_sentence(user, hub, tmp_path, source, token, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("nothing")
    hub.add("lab/gpt2", GPT2)
    hub.add("lab/empty", tmp_path / "empty")
    hub.add("lab/private", GPT2, private=True, readers=("good-token",))
    user.models(f"m\t{source}")
    user.token = token
    (said,) = problems(user.lock(source))
    assert sentence in said
    assert "stale-token" not in said


def test_a_model_that_was_renamed_is_found_under_its_old_name(user, hub):
    hub.add("lab/gpt2", GPT2)
    hub.renamed["gpt2"] = "lab/gpt2"
    user.models("m\thub:gpt2")
    done = user.lock("hub:gpt2")
    assert done.returncode == 0, done.stdout
    assert locks(user)["gpt2.json"]["commit"] == hub.models["lab/gpt2"].commit


def test_a_revision_is_resolved_and_locked_by_itself(user, hub):
    hub.add("lab/gpt2", GPT2)
    hub.models["lab/gpt2"].revisions["v1"] = hub.models["lab/gpt2"].commit
    user.models("m\thub:lab/gpt2@v1")
    done = user.lock("hub:lab/gpt2@v1")
    assert done.returncode == 0, done.stdout
    assert locks(user)["lab--gpt2@v1.json"]["revision"] == "v1"


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"id": "lab/gpt2", "revision": "main", "commit": "main", "files": {"a": 1}}',
     '{"id": "a", "revision": "main", "commit": "%s", "files": {"../x": 1}}' % ("0" * 40)],
)  # fmt: skip
def test_a_broken_lock_is_named(user, content):
    (user.folder / "config/lock").mkdir()
    user.write("config/lock/lab--gpt2.json", content)
    user.models("m\thub:lab/gpt2")
    (said,) = problems(user.lock("hub:lab/gpt2"))
    assert "config/lock/lab--gpt2.json: " in said
    assert "delete it" in said
