"""A small grid that is submitted to SLURM, and what can be said of a run of it from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from workflow.project import MINILM, ROOT, Project

PROFILE = ROOT / "workflow" / "profiles" / "slurm"
MODELS = (MINILM, "zoo-gpt2\tzoo:gpt2")
# Jobs of the whole grid, by rule.
JOBS = Counter(
    extract=4, measure=6, reduce=2, tables=1, norms_tables=1, compare=1, figures=2, maps=2,
    section_norms=1, report=1, tables_files=1, norms_tables_files=1, report_files=1, all=1,
)  # fmt: skip
# Longer than this, and a run is stuck.
PATIENCE = 900
# Files that say when and where a run was, never the same twice; and what has no final name yet.
OF_THE_RUN = re.compile(
    r"results/(logs|benchmarks|config|shards|locks|weights|made/report)|reports/[^/]*\.html$|/\.|\.failed$"
)


class ClusterProject(Project):
    """A project of two models and 12 texts in 2 shards, with one experiment."""

    def __init__(self, folder: Path, workflow: Path) -> None:
        super().__init__(folder, workflow)
        self.models(*MODELS)
        corpus = [path.read_text() for path in sorted((ROOT / "corpus").glob("*.txt"))]
        names = [f"text{i:02d}" for i in range(12)]
        for i, name in enumerate(names):
            self.write(f"texts/{name}.txt", f"Z Text {i}. {corpus[i % len(corpus)][2:]}")
        self.documents(*names)
        self.settings(documents_per_job=6, experiments=["norms"])

    def settings(self, **changed) -> None:
        """Overlay config/config.yaml."""
        lines = (ROOT / "config" / "config.yaml").read_text().splitlines()
        kept = [line for line in lines if line.partition(":")[0] not in changed]
        self.write("config/config.yaml", "\n".join(kept + [
            f"{key}: {json.dumps(value)}" for key, value in changed.items()
        ]) + "\n")  # fmt: skip

    def submit(self, *options: str) -> subprocess.Popen:
        """Start a run on the cluster; what it says goes to run.log."""
        snakefile = self.workflow / "workflow" / "Snakefile"
        command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile]
        command += ["--directory", self.folder, "--workflow-profile", PROFILE]
        command += ["--slurm-init-seconds-before-status-checks", "3"]
        command += ["--slurm-keep-successful-logs"]
        command += ["--max-status-checks-per-second", "2", "--latency-wait", "5", *options]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(self.workflow / "workflow")}
        with self.log.open("w") as log:
            # A session of its own: SIGKILL reaches this process only, as on a login node.
            return subprocess.Popen(
                command, env=environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def log(self) -> Path:
        return self.folder / "run.log"

    def run(self, *options: str) -> str:
        """Run to the end; what was said. The run must succeed."""
        code, said = self.finish(self.submit(*options))
        assert code == 0, said
        return said

    def finish(self, process: subprocess.Popen) -> tuple[int, str]:
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            code = process.wait(60)
        return code, self.log.read_text()

    def unlock(self) -> None:
        done = self.snakemake("--unlock")
        assert done.returncode == 0, done.stdout

    def files(self) -> dict[str, bytes]:
        """What a run made and another must make alike, by path."""
        found = {}
        for top in ("results", "reports"):
            for path in sorted((self.folder / top).rglob("*")):
                name = str(path.relative_to(self.folder))
                if OF_THE_RUN.search(name):
                    continue
                try:
                    if path.is_file():
                        found[name] = path.read_bytes()
                except FileNotFoundError:  # a job is at work
                    continue
        return found

    def waits_for(self, condition, seconds: float = 300) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, f"in vain\n{self.log.read_text()}"
            time.sleep(0.1)


def finished(said: str) -> Counter:
    """Jobs that a run reported as finished, by rule."""
    return Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", said))


class CellWatch:
    """Counts, from outside, how often each cell is put in its place."""

    def __init__(self, folder: Path) -> None:
        self.cells = folder / "results" / "cells"
        self.seen: dict[str, set[tuple[int, int]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._look()

    def _look(self) -> None:
        for path in self.cells.glob("*/*.safetensors"):
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            name = f"{path.parent.name}/{path.stem}"
            self.seen.setdefault(name, set()).add((state.st_ino, state.st_mtime_ns))

    def counts(self) -> dict[str, int]:
        return {name: len(states) for name, states in self.seen.items()}
