"""A hub on this machine, and the command line of a user whose client is told of it."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import served
from hub.server import serving
from sinkscope.config import load, read_config
from sinkscope.grid import Grid
from sinkscope.jobs.wanted import Wanted

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hub():
    with serving() as found:
        yield found


@pytest.fixture(scope="session")
def commands():
    with served.serving() as server:
        yield server


class User:
    """A folder with a table of models, a cache of its own, and maybe a token."""

    def __init__(self, folder, hub, commands):
        self.folder, self.hub, self.commands, self.token = folder, hub, commands, None
        self.cache = folder / "hub-home"
        (folder / "config").mkdir(parents=True)
        (folder / "text.txt").write_text("Z He came. He saw.")
        self.write("config/documents.tsv", "document\tpath\ntext\ttext.txt\n")
        self.write(
            "config/config.yaml", "models: config/models.tsv\ndocuments: config/documents.tsv\n"
        )

    def write(self, path, text):
        (self.folder / path).write_text(text, encoding="utf-8")

    def models(self, *rows):
        self.write("config/models.tsv", "\n".join(["model\tsource", *rows]) + "\n")

    def environment(self, **changes):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        found = os.environ | {"PATH": path, "HF_HOME": str(self.cache), "HF_ENDPOINT": self.hub.url}
        found |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", **changes}
        found.pop("HF_TOKEN", None)
        if self.token:
            found["HF_TOKEN"] = self.token
        return found

    def run(self, *arguments, **changes):
        output = self.folder.parent / "output"
        environment = self.environment(**changes)
        status = self.commands.run(arguments, self.folder, environment, output)
        return SimpleNamespace(returncode=status, stdout=output.read_text(encoding="utf-8"))

    def lock(self, source, **changes):
        """The command for a table of models with this source alone."""
        self.models(f"m\t{source}")
        return self.run("lock", source, **changes)

    def download(self, name, **changes):
        out = f"results/hub/{name}.json"
        log = ("--log", f"results/logs/download/{name}.log")
        source = f"hub:{name.replace('--', '/', 1)}"
        return self.run(*log, "download", source, "--out", out, **changes)

    def asked(self, model):
        """What the model's extraction job is asked for now."""
        raw = read_config(self.folder / "config/config.yaml")
        return Wanted(Grid(load(raw, self.folder)), self.folder).extract(model, "0000")

    def extract(self, model, **changes):
        request = self.asked(model)
        job = ("--log", f"results/logs/{request.log}.log", "--stamp", request.stamp)
        return self.run(*job, *request.arguments, **changes)


@pytest.fixture
def user(tmp_path, hub, commands):
    return User(tmp_path / "user", hub, commands)
