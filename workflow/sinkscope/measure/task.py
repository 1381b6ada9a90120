"""The input of a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sinkscope.documents import Document


@dataclass(frozen=True)
class Task:
    """The input of a measurement besides its model: documents, and the keys of the configuration
    that its experiment declares."""

    documents: tuple[Document, ...]
    settings: dict[str, Any]
