"""The wheel, and an environment that has it and not the clone."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Environment:
    """An empty virtual environment with the wheel, which shares the other packages of this one.

    A .pth file adds the folder of these packages. Python does not read the .pth files of a folder
    that is added so: the editable install, and with it the clone, stays out.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        self.packages = next(folder.glob("lib/python*/site-packages"))
        (self.packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = (sys.executable, "-m", "pip", "--python", folder / "bin/python")
        run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel)

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess:
        """Run a command there; what it prints is in `stdout`, errors included."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment["PATH"] = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def snakemake(self, *options: str, cwd: Path) -> subprocess.CompletedProcess:
        return self.run("python", "-m", "snakemake", "--cores", "2", *options, cwd=cwd)


def run(*command, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a clone or of an sdist; returns its path."""
    options = ("--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def environment(tmp_path_factory, wheel):
    return Environment(tmp_path_factory.mktemp("environment"), wheel)
