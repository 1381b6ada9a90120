"""Constants of a captured pass. What a capture does with them is tested on a GPU."""

import pytest
import torch

from sinkscope.extract.constants import N_BYTES, Later, constant, kept, later

CPU = torch.device("cpu")


def test_constants_of_a_capture_get_their_values_later():
    constants = Later(CPU)
    made = [
        torch.arange(5),
        torch.tensor([[1.5, -2.0]]),
        torch.zeros(0, 2, dtype=torch.int32),
        torch.tensor([True, False, True]),
        torch.tensor([[3], [4]], dtype=torch.int64),
    ]
    there = [constants.put(values) for values in made]
    for values, part in zip(made, there, strict=True):
        assert (part.shape, part.dtype) == (values.shape, values.dtype)
        assert part.numel() == 0 or part.data_ptr() % 16 == 0
    constants.fill()
    for values, part in zip(made, there, strict=True):
        assert torch.equal(part, values)


def test_too_many_constants_are_refused():
    constants = Later(CPU)
    constants.put(torch.zeros(N_BYTES // 2, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="too many bytes"):
        constants.put(torch.zeros(N_BYTES // 2 + 1, dtype=torch.uint8))


def test_a_capture_has_constants_of_its_own():
    @kept
    def table(n):
        return constant(torch.arange(n), CPU)

    usual = table(3)
    assert table(3) is usual
    with later(CPU):
        of_capture = table(3)
    assert of_capture is not usual
    assert table(3) is usual
