"""Jobs that start together on a host of several GPUs: each has its own.

The host's tool that lists GPUs is stood in for by a script; locks, processes and environment are
real.
"""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from sinkscope.config import ModelRow
from sinkscope.extract.gpus import KERNELS, share_kernels

JOB = """
import os, sys
from sinkscope.config import ModelRow
from sinkscope.extract.gpus import exclusive_gpus
row = ModelRow("m", "zoo:gpt2", None, "float32", sys.argv[1], None, "auto", int(sys.argv[2]))
with exclusive_gpus(row):
    print(os.environ.get("CUDA_VISIBLE_DEVICES", "all"), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def host(tmp_path, monkeypatch):
    """start(device, n_gpus) starts a job on a host of three GPUs, and stops it at the end."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nprintf 'GPU-aa\\nGPU-bb\\nGPU-cc\\n'\n")
    tool.chmod(0o755)
    started = []

    def start(device="cuda", n_gpus=1, **environment):
        path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
        own = {"PATH": path, "TMPDIR": str(tmp_path)}
        inherited = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        job = subprocess.Popen(
            [sys.executable, "-c", JOB, device, str(n_gpus)], env=inherited | own | environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(job)
        return job

    yield start
    for job in started:
        job.kill()
        job.communicate()


def gpus(job):
    return job.stdout.readline().strip().split(",")


def test_jobs_that_start_together_share_no_gpu(host):
    jobs = [host() for _ in range(3)]
    assert sorted(name for job in jobs for name in gpus(job)) == ["GPU-aa", "GPU-bb", "GPU-cc"]


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_a_job_waits_until_one_is_free_and_says_so(host, how):
    jobs = [host() for _ in range(3)]
    held = [gpus(job) for job in jobs]
    late = host()
    assert "waiting for a GPU that no other job has" in late.stderr.readline()
    time.sleep(1.5)
    assert late.poll() is None
    if how == "ends":
        jobs[1].communicate("")
    else:
        jobs[1].send_signal(signal.SIGKILL)
    assert gpus(late) == held[1]


def test_a_split_model_has_as_many_as_it_asks_for(host):
    assert gpus(host(n_gpus=2)) == ["GPU-aa", "GPU-bb"]
    assert gpus(host()) == ["GPU-cc"]


def test_of_what_a_scheduler_shows_only_that_is_taken(host):
    assert gpus(host(CUDA_VISIBLE_DEVICES="2")) == ["GPU-cc"]
    assert gpus(host(CUDA_VISIBLE_DEVICES="GPU-bb")) == ["GPU-bb"]
    assert gpus(host(CUDA_VISIBLE_DEVICES="MIG-part/1/2")) == ["MIG-part/1/2"]


@pytest.mark.parametrize("shown", ["", "NoDevFiles", "7"])
def test_where_none_is_shown_loading_the_model_is_left_to_say_so(host, shown):
    assert gpus(host(n_gpus=2, CUDA_VISIBLE_DEVICES=shown)) == [shown]


def test_who_names_a_gpu_shares_it(host):
    host()
    assert gpus(host("cuda:0")) == ["all"]
    assert gpus(host("cuda:0")) == ["all"]
    assert gpus(host("cpu")) == ["all"]


def test_a_host_without_the_tool_takes_what_there_is(host, tmp_path):
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    assert gpus(host()) == ["all"]


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two GPUs here")
def test_each_of_two_jobs_sees_one_gpu_and_not_the_same(tmp_path):
    ask = "torch.cuda.device_count(), torch.cuda.get_device_properties(0).uuid"
    code = JOB.replace(
        "    sys.stdin", f"    import torch\n    print({ask}, flush=True)\n    sys.stdin"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, "cuda", "1"], env=os.environ | {"TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    claimed = [gpus(job) for job in jobs]
    seen = [job.stdout.readline().split() for job in jobs]
    for job in jobs:
        job.communicate("")
    assert claimed[0] != claimed[1]
    assert [count for count, _ in seen] == ["1", "1"]
    assert seen[0] != seen[1]


def test_jobs_on_a_gpu_keep_compiled_kernels_in_one_folder(tmp_path, monkeypatch):
    def folder(device, cache):
        monkeypatch.delenv(KERNELS, raising=False)
        monkeypatch.setenv("SINKSCOPE_CACHE", str(cache))
        share_kernels(ModelRow("m", "zoo:gpt2", None, "float32", device, None, "auto"), tmp_path)
        return os.environ.get(KERNELS)

    monkeypatch.setenv(KERNELS, "")  # restored at the end
    assert folder("cpu", tmp_path / "cache") is None
    assert folder("cuda", tmp_path / "cache") == str(tmp_path / "cache" / "triton")
    (tmp_path / "file").write_text("no folder")
    assert folder("cuda:0", tmp_path / "file") == str(tmp_path / "results" / "triton")
    monkeypatch.setenv(KERNELS, "mine")
    share_kernels(ModelRow("m", "zoo:gpt2", None, "float32", "cuda", None, "auto"), tmp_path)
    assert os.environ[KERNELS] == "mine"
