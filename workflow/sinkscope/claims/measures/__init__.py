"""Measures that claims speak of. Every module here is found by itself."""

from __future__ import annotations

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)
