"""requirements.lock on other platforms than the one it was made on."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("system", "machine", "has_triton"),
    [("linux", "x86_64", True), ("linux", "aarch64", True), ("darwin", "arm64", False)],
)
def test_triton_is_wanted_only_where_it_has_wheels(system, machine, has_triton):
    where = {"sys_platform": system, "platform_machine": machine}
    locked = [Requirement(line) for line in LINES if line and not line.startswith("#")]
    names = {one.name for one in locked if one.marker is None or one.marker.evaluate(where)}
    assert {"torch", "transformers", "polars"} <= names
    assert ("triton" in names) == has_triton
