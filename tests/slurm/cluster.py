"""A real SLURM on this host: one controller, two nodes of four processors and two GPUs each.

The GPUs are names only (device files that every host has). Neither systemd, munge nor a database
is needed; root is, since daemons start jobs as their users, and their configuration has one place.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "srun")
PACKAGES = ("slurmctld", "slurmd", "slurm-client")
ETC = Path("/etc/slurm")
OURS = "# Written by the tests of Sinkscope; they remove it.\n"
NODES = {"node1": 16821, "node2": 16822}

CONF = """\
ClusterName=sinkscope
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType={proctrack}
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2
MpiDefault=none
MailProg=/bin/true
GresTypes=gpu
ReturnToService=2
MinJobAge=7200
MaxArraySize=1001
KillWait=2
SlurmdTimeout=20
SlurmdParameters=config_overrides
StateSaveLocation={root}/state
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdPidFile={root}/run/slurmd-%n.pid
SlurmdLogFile={root}/log/slurmd-%n.log
SlurmdSpoolDir={root}/spool/%n
PartitionName=all Nodes=ALL Default=YES MaxTime=600 DefMemPerCPU=200 State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 Boards=1 "
    "SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000 Gres=gpu:2\n"
)


def missing():
    """One sentence on why there can be no SLURM here; None where it can be. Installs it."""
    if os.getuid() != 0:
        return "SLURM is not started here: only root may"
    conf = ETC / "slurm.conf"
    if conf.exists() and OURS not in read(conf):
        return f"SLURM is not started here: this host has one ({conf})"
    if all(shutil.which(program) for program in PROGRAMS):
        return None
    if shutil.which("apt-get") is None:
        return "SLURM is not started here: it is not installed, and there is no apt-get"
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    if subprocess.run(install, check=False, **quiet).returncode:
        return f"SLURM is not started here: apt-get cannot install {', '.join(PACKAGES)}"
    return None


class Slurm:
    """The cluster; jobs() says what it has run since forget()."""

    def __init__(self, root: Path) -> None:
        self.root, self.forgotten = root, 0
        earlier = re.search("^StateSaveLocation=(.*)/state$", read(ETC / "slurm.conf"), re.M)
        if earlier:  # of tests that were killed
            end_daemons(Path(earlier[1]))
        for folder in ("state", "log", "run", *(f"spool/{node}" for node in NODES)):
            (root / folder).mkdir(parents=True)
        host = socket.gethostname().partition(".")[0]
        freezer = Path("/sys/fs/cgroup/freezer").is_dir()
        proctrack = "proctrack/cgroup" if freezer else "proctrack/linuxproc"
        nodes = "".join(NODE.format(name=n, host=host, port=port) for n, port in NODES.items())
        ETC.mkdir(exist_ok=True)
        conf = CONF.format(host=host, root=root, proctrack=proctrack)
        (ETC / "slurm.conf").write_text(OURS + nodes + conf)
        (ETC / "gres.conf").write_text(
            f"{OURS}NodeName={','.join(NODES)} Name=gpu File=/dev/null,/dev/zero\n"
        )
        (ETC / "cgroup.conf").write_text(
            f"{OURS}CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nCgroupAutomount=no\n"
        )

    def start(self) -> None:
        run("slurmctld", "-c")
        for node in NODES:
            run("slurmd", "-N", node)
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            states = run("sinfo", "-h", "-N", "-o", "%T", check=False).split()
            if len(states) == len(NODES) and set(states) <= {"idle", "mixed", "allocated"}:
                return
            time.sleep(0.2)
        raise RuntimeError(run("sinfo", "-R", check=False) + run("sinfo", "-N", check=False))

    def pid(self, daemon: str) -> int:
        return int((self.root / "run" / f"{daemon}.pid").read_text())

    def kill_node(self, node: str) -> None:
        os.kill(self.pid(f"slurmd-{node}"), signal.SIGKILL)

    def start_node(self, node: str) -> None:
        run("slurmd", "-N", node)
        self.wait_for_nodes()

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """Every job and array task in these states (none named: in any), oldest first."""
        names = ("id", "state", "comment", "node", "name")
        listed = run("squeue", "-h", "-r", "-t", "all", "-S", "i", "-o", "%i|%T|%k|%N|%j")
        found = [dict(zip(names, line.split("|"), strict=True)) for line in listed.splitlines()]
        return [
            job for job in found
            if number(job) > self.forgotten and (not states or job["state"] in states)
        ]  # fmt: skip

    def forget(self) -> None:
        self.forgotten = max(map(number, self.jobs()), default=self.forgotten)

    def empty(self) -> None:
        """Cancel what is there, and wait until it is gone."""
        run("scancel", "--user", "root", check=False)
        until = time.monotonic() + 60
        while run("squeue", "-h", check=False).strip() and time.monotonic() < until:
            time.sleep(0.2)

    def stop(self) -> None:
        self.empty()
        end_daemons(self.root)
        for name in ("slurm.conf", "gres.conf", "cgroup.conf"):
            (ETC / name).unlink(missing_ok=True)


def end_daemons(root: Path) -> None:
    pids = [int(path.read_text()) for path in (root / "run").glob("*.pid")]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)


def number(job: dict[str, str]) -> int:
    return int(job["id"].partition("_")[0])


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout
