"""Models split over several GPUs: each layer's statistics are computed on its device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from sinkscope.extract.constants import constant
from sinkscope.extract.masks import Visible
from sinkscope.extract.plan import LayerStatistics, Plan

Record = TypeVar("Record", Plan, LayerStatistics, Visible)


def moved(record: Record, device: torch.device) -> Record:
    """The same record with all of its tensors on `device`; tensors already there are shared."""
    if all(
        not isinstance(value, Tensor) or value.device == device
        for value in (getattr(record, field.name) for field in fields(record))
    ):
        return record
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    there: dict[str, Any] = {
        name: constant(value, device) for name, value in values.items() if isinstance(value, Tensor)
    }
    return replace(record, **there)


def on_device(device: torch.device) -> AbstractContextManager[Any]:
    """Makes the device current: Triton launches kernels on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
