"""Commands of `sinkscope` as processes of their own that need not import torch first.

A server imports torch, which takes most of the second or more that a command needs to start, and
forks for every command. The command then has its own environment, folder and output, and imports
everything that reads the environment (transformers and the hub's client) itself.
"""

import gc
import json
import os
import subprocess
import sys
import traceback
from contextlib import contextmanager

PRELOADED = (
    "numpy", "polars", "rich.progress", "sympy", "torch", "torch._dynamo",
    "torch.distributed.tensor", "typer",
)  # fmt: skip


class Server:
    def __init__(self, process):
        self.process = process

    def run(self, arguments, folder, environment, output):
        """The command's exit status; its standard output and errors go to the file `output`."""
        request = [list(map(str, arguments)), str(folder), dict(environment), str(output)]
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextmanager
def serving():
    process = subprocess.Popen(
        [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:  # its input is closed at the end, and it ends
        yield Server(process)


def command(arguments, folder, environment, output):
    """Run `sinkscope` in this process; its exit status."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with open(os.devnull) as nothing, open(output, "wb") as file:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["sinkscope", *arguments]
    from sinkscope.cli import main

    try:
        main()
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def serve():
    for name in PRELOADED:
        __import__(name)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(command(*json.loads(line)))  # tidying up what torch made takes a second
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
