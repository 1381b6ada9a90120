"""See where the attention of transformers goes.

    with sinkscope.observe(model) as attention:
        model(**tokenizer("Z He came. She left.", return_tensors="pt"))
    attention.sink_mass()

    sinkscope.look("smollm2-135m", "Z He came. She left.")

This module is light: torch, transformers and Polars are imported on first use.

Experiments, statistics and measures of claims may come from elsewhere: from every folder of
Python's path that has a folder `sinkscope` without an `__init__.py` (see docs/how-to/extending.md).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sinkscope.discovery import additions

if TYPE_CHECKING:
    from sinkscope.api.look import Look, look
    from sinkscope.api.observe import observe
    from sinkscope.api.statistics import AttentionStatistics
    from sinkscope.errors import SinkscopeError

    __version__: str

__path__ = [*__path__, *additions(__name__)]

_HOME = {
    "AttentionStatistics": "sinkscope.api.statistics",
    "Look": "sinkscope.api.look",
    "SinkscopeError": "sinkscope.errors",
    "look": "sinkscope.api.look",
    "observe": "sinkscope.api.observe",
}

__all__ = ["AttentionStatistics", "Look", "SinkscopeError", "__version__", "look", "observe"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from sinkscope.version import installed

        return installed("sinkscope") or "unknown"  # if the package is only on the path
    if name not in _HOME:
        raise AttributeError(f"module 'sinkscope' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
