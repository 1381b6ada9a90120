"""The file of a cell."""

import numpy as np
import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import Cell, cell_path, digest, fingerprint_of, read_cell, write_cell

CELL = Cell(
    {"model": "m", "document": "d", "tokens": ["Z", "▁é", "\ud7ff"], "fingerprint": "f00"},
    {
        "map": np.arange(12, dtype=np.float16).reshape(1, 3, 4).transpose(0, 2, 1),
        "strict_mass": np.array([[0.5, np.nan]], dtype=np.float32),
        "head_map": np.zeros((0, 3, 3), dtype=np.float16),
    },
)


@pytest.fixture
def path(tmp_path):
    path = cell_path(tmp_path, "m", "d")
    write_cell(path, CELL)
    return path


def test_what_is_written_is_read_again(path):
    found = read_cell(path)
    assert found.meta == CELL.meta | {"sha256": digest(CELL.arrays)}
    assert found.arrays.keys() == CELL.arrays.keys()
    for name, array in CELL.arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert found.n_tokens == 3


def test_some_arrays_can_be_read_alone(path):
    assert list(read_cell(path, ["map", "unheard-of"]).arrays) == ["map"]


def test_equal_cells_are_equal_bytes(path, tmp_path):
    turned = Cell(CELL.meta, dict(reversed(CELL.arrays.items())))
    write_cell(tmp_path / "again", turned)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_cell_stands_below_its_model(path, tmp_path):
    assert path == tmp_path / "cells" / "m" / "d.safetensors"
    assert [p.name for p in path.parent.iterdir()] == ["d.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "emptied", "other"])
def test_a_broken_cell_is_an_error_that_names_the_file(path, damage):
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-5], "emptied": b"", "other": b"x" * 500}[damage])
    with pytest.raises(SinkscopeError, match=r"d.safetensors: .*run again to compute it again"):
        read_cell(path)
    assert fingerprint_of(path) is None


def test_a_safetensors_file_that_is_no_cell_is_an_error(path):
    from safetensors.numpy import save_file

    save_file({"map": np.zeros(3)}, path)
    with pytest.raises(SinkscopeError, match="not a complete cell"):
        read_cell(path)


def test_a_missing_cell_has_no_fingerprint(path, tmp_path):
    assert fingerprint_of(path) == "f00"
    assert fingerprint_of(tmp_path / "none") is None
    with pytest.raises(SinkscopeError, match=r"none: does not exist"):
        read_cell(tmp_path / "none")


def test_nan_in_the_description_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_cell(tmp_path / "bad", Cell({"share": float("nan")}, CELL.arrays))
    assert list(tmp_path.iterdir()) == []
