"""Measurements beyond the atlas: one folder per experiment, each discovered automatically."""

from __future__ import annotations

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)
