"""The limits that the tables of the atlas are reduced with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """epsilon: sink score above which a head counts for the sink rate. tie_tolerance: a max key is
    tied if the second key of its query receives less by at most this fraction."""

    epsilon: float = 0.3
    tie_tolerance: float = 0.02


LIMITS = Limits()  # those of the configuration's defaults


def limits_of(raw: Mapping[str, Any]) -> Limits:
    """raw: a mapping with these keys, such as the configuration or a request."""
    return Limits(raw["epsilon"], raw["tie_tolerance"])
