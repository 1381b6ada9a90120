"""The kernels compile for GPUs that are not here, and fit their shared memory.

Run as a script, it compiles what one call of the kernels needs for the compute capability in its
argument, and prints name and bytes of shared memory of each.
"""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

import tiny

SHARED = {80: 166_912, 89: 101_376}  # bytes per block: A100; RTX 4090 and L40
KERNELS = {
    "rows_kernel",
    "statistics_kernel",
    "means_kernel",
    "steadiness_kernel",
    "summary_kernel",
}


@pytest.mark.parametrize("capability", [80, 89])
def test_kernels_compile_for_other_gpus_and_fit_them(capability):
    pytest.importorskip("triton")
    environment = {name: v for name, v in os.environ.items() if name != "TRITON_INTERPRET"}
    paths = [str(tiny.ROOT / folder) for folder in ("workflow", "tests")]
    done = subprocess.run(
        [sys.executable, __file__, str(capability)], capture_output=True, text=True,
        env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert {name for name, _ in rows} >= KERNELS
    for name, shared in rows:
        assert int(shared) <= SHARED[capability], name


def compile_kernels(capability):
    import torch
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver, jit

    import compare
    from sinkscope.extract.kernels import tiles
    from sinkscope.extract.kernels.inputs import Inputs
    from sinkscope.extract.kernels.launch import launch
    from sinkscope.extract.kernels.rows import row_statistics
    from sinkscope.extract.masks import Call, count_unmasked
    from sinkscope.sink_rule import SinkRule

    properties = {"max_shared_mem": SHARED[capability]}
    driver.set_active(
        SimpleNamespace(
            get_current_target=lambda: GPUTarget("cuda", capability, 32),
            get_current_device=lambda: 0,
            get_current_stream=lambda device: 0,
            utils=SimpleNamespace(get_device_properties=lambda device: properties),
        )
    )
    tiles.shared_memory = lambda device: SHARED[capability]
    run = jit.JITFunction.run

    def compiled(self, *arguments, warmup, **options):
        kernel = run(self, *arguments, warmup=True, **options)
        print(self.fn.__name__, kernel.metadata.shared)

    jit.JITFunction.run = compiled
    for d, n_tokens in ((64, 300), (128, 5000)):
        query, key = (torch.zeros(1, n_tokens, n, d).bfloat16().transpose(1, 2) for n in (4, 2))
        call = Call(query, key, key, None, True, d**-0.5)
        real = torch.ones(1, n_tokens, dtype=torch.bool)
        plan = compare.plan(real, rule=SinkRule(), offsets=(-3,))
        inputs = Inputs(
            plan, count_unmasked(real, plan.window_rows(), is_causal=True), query.device
        )
        row_statistics(call)
        launch([call], [torch.zeros(1, 4, n_tokens)], plan, inputs, (), [torch.zeros(1, n_tokens)])


if __name__ == "__main__":
    compile_kernels(int(sys.argv[1]))
