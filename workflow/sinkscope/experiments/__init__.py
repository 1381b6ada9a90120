"""What is measured beside the atlas: one folder per experiment, each found by itself."""

from __future__ import annotations

import pkgutil

__path__ = pkgutil.extend_path(__path__, __name__)
