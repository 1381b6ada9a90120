"""What a measurement is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sinkscope.documents import Document


@dataclass(frozen=True)
class Task:
    """What a measurement is given beside its model: documents, and the keys of the configuration
    that its experiment declares."""

    documents: tuple[Document, ...]
    settings: dict[str, Any]
