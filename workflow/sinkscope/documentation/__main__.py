"""`python -m sinkscope.documentation FOLDER`: write the generated pages of the reference.

`python -m sinkscope.documentation.gallery` writes the gallery of a run.
"""

import sys
from pathlib import Path

from sinkscope.documentation.pages import pages
from sinkscope.files import write_text

if __name__ == "__main__":
    for name, text in pages().items():
        write_text(Path(sys.argv[1]) / name, text)
