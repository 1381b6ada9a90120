"""`python -m sinkscope.reference FOLDER`: write the generated pages of the reference."""

from __future__ import annotations

import sys
from pathlib import Path

from sinkscope.files import write_text
from sinkscope.reference.pages import pages

if __name__ == "__main__":
    for name, text in pages().items():
        write_text(Path(sys.argv[1]) / name, text)
