"""Shared by all tests: no network, disks that are soon full, kernels without a GPU."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import contextlib
import resource
import subprocess
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings

if not torch.cuda.is_available():  # Triton reads it when it is first imported
    os.environ["TRITON_INTERPRET"] = "1"

settings.register_profile("small", max_examples=10, deadline=None, derandomize=True)
settings.load_profile("small")


def pytest_addoption(parser):
    parser.addoption(
        "--all-architectures", action="store_true",
        help="compare every text architecture of transformers, not only a sample",
    )  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny models lose far more to threads that wait for each other than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """One small site for all tests of figures and of the report.

    folder: the working directory; results, out: its results, and the report; grid, manifests,
    and the pages' HTML.
    """
    from report import made

    folder = tmp_path_factory.mktemp("site")
    grid, manifests = made.make_run(folder)
    out = made.make_site(folder, grid, manifests)
    html = {path.stem: path.read_text(encoding="utf-8") for path in out.glob("*.html")}
    folders = {"folder": folder, "results": folder / "results", "out": out}
    return SimpleNamespace(**folders, grid=grid, manifests=manifests, html=html)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 kB; resize(kilobytes) gives it more room. Only root may have one."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, str(disk)], capture_output=True).returncode == 0

    if not mount("-t", "tmpfs", "-o", "size=256k", "tmpfs"):
        pytest.skip("no right to mount a small disk")
    disk_with_room = SimpleNamespace(
        path=disk, resize=lambda kilobytes: mount("-o", f"remount,size={kilobytes}k")
    )
    yield disk_with_room
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def small_files():
    """Within the block, no file may grow beyond 16 kB: a full disk without a disk."""

    @contextlib.contextmanager
    def limit():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
