"""Statistics of the attention, each declared once. Every module here is discovered
automatically."""

from __future__ import annotations

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)
