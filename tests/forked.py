"""Commands in processes that have the libraries loaded already.

Starting Python with torch takes 3.5 s of a processor, and a run of the workflow starts dozens of
jobs. A server loads the libraries once and forks a process for each command: the code of the
package itself is loaded by each from its own PYTHONPATH, with its own arguments, environment,
folder and streams. A client, which is quick to start, waits for the command and returns its exit
status; the command ends with it.

`python forked.py FOLDER` is the server: clients reach it at FOLDER/socket.
"""

import array
import atexit
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

MODULES = ("sinkscope", "snakemake")  # commands that a folder of clients has
CLIENT = """#!{python} -ISs
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = {{"module": {module!r}, "arguments": sys.argv[1:], "folder": os.getcwd(),
        "environment": dict(os.environ)}}
streams = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
server.sendmsg([b"s"], streams)
server.sendall(json.dumps(call).encode() + b"\\n")
status = server.recv(1)
sys.exit(status[0] if status else 137)  # without a status it was killed
"""


def preload() -> None:
    """Load what the commands use. Nothing may start threads, or use a device, before a fork."""
    import altair  # noqa: F401
    import jinja2  # noqa: F401
    import jsonschema  # noqa: F401
    import polars  # noqa: F401
    import safetensors.torch  # noqa: F401
    import snakemake.cli
    import snakemake.workflow  # noqa: F401
    import torch  # noqa: F401
    import typer  # noqa: F401
    import vl_convert  # noqa: F401
    from transformers import AutoModel, AutoTokenizer, PreTrainedModel  # noqa: F401


def serve(folder: Path) -> None:
    preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a fork
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket.new"))
    server.listen(64)
    os.rename(folder / "socket.new", folder / "socket")  # clients find one that listens
    while True:
        client, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(answer(client))
        client.close()


def answer(client: socket.socket) -> int:
    """Run the command that a client asks for, and send it the exit status."""
    streams = array.array("i")
    _, ancillary, _, _ = client.recvmsg(1, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[0][2][: 3 * streams.itemsize])
    with client.makefile() as lines:
        call = json.loads(lines.readline())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    os.chdir(call["folder"])
    os.environ.clear()
    os.environ.update(call["environment"])
    threading.Thread(target=end_with, args=(client,), daemon=True).start()
    status = run(call["module"], call["arguments"])
    client.sendall(bytes([status & 255]))
    return status


def end_with(client: socket.socket) -> None:
    """The client sends nothing more: when its end of the socket closes, it is gone."""
    client.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def run(module: str, arguments: list[str]) -> int:
    """Exit status of `python -m module arguments`."""
    sys.argv[:] = [module, *arguments]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*filter(None, paths), *(path for path in sys.path[1:] if path not in paths)]
    status: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


def clients() -> Path:
    """A folder with the clients `sinkscope` and `snakemake`; their server ends with this process.
    Libraries read some settings when they are loaded: a server for each environment of the hub."""
    return _clients(tuple(sorted(item for item in os.environ.items() if item[0].startswith("HF_"))))


@cache
def _clients(environment: tuple[tuple[str, str], ...]) -> Path:
    folder = Path(tempfile.mkdtemp())
    server = started(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    return folder / "bin"


def started(folder: Path) -> subprocess.Popen:
    """A server, and in FOLDER/bin the clients."""
    (folder / "bin").mkdir()
    for module in MODULES:
        client = folder / "bin" / module
        address = str(folder / "socket")
        client.write_text(CLIENT.format(python=sys.executable, address=address, module=module))
        client.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen([sys.executable, __file__, str(folder)], env=environment)
    while not (folder / "socket").exists():
        if server.poll() is not None:
            raise RuntimeError(f"the server of forks ended with {server.returncode}")
        time.sleep(0.05)
    return server


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
