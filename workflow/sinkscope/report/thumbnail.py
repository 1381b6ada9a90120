"""A small picture of a figure, inside the page that shows it."""

import base64
import io
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 300, 200  # pixels


def thumbnail(png: Path) -> str | None:
    """The top of a figure as a data URI; None if the picture is not there."""
    if not png.is_file():
        return None
    with Image.open(png) as figure:
        whole = figure.convert("RGB")
    height = min(whole.height, whole.width * HEIGHT // WIDTH)
    top = whole.crop((0, 0, whole.width, height))
    small = top.resize((WIDTH, max(1, WIDTH * height // whole.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.quantize(32).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
