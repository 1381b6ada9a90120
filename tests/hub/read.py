"""What a user's commands said and left behind."""

import json


def problems(done):
    """What the command said; never a traceback, and one line a sentence."""
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return [line for line in done.stdout.splitlines() if line.startswith("sinkscope: ")]


def locks(user):
    return {path.name: json.loads(path.read_text()) for path in user.folder.glob("config/lock/*")}


def cell(user, model):
    (path,) = (user.folder / "results/shards" / model).glob("0000.*.json")
    manifest = json.loads(path.read_text())
    return manifest["model"], manifest["cells"][0]["cell_sha256"]
