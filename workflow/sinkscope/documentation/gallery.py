"""`python -m sinkscope.documentation.gallery RESULTS DOCS STATE`: pictures of a finished
default run, and the page DOCS/gallery.md.

The gallery has the first figure of every section, except that of the claims, and the figures that
compare all models. STATE names the code that made the run, such as a commit. The heat maps
illustrate other pages.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from sinkscope.atlas.heat_map import find_cell, write_heat_map
from sinkscope.catalogue import ReportSection, sections
from sinkscope.declarations.registry import experiments
from sinkscope.errors import SinkscopeError
from sinkscope.extract.cell import read_cell
from sinkscope.files import read_json, replaced_folder, write_text
from sinkscope.reference.markdown import escaped

PICTURES = "pictures/gallery"
MAPS = {  # model, document and layer, by file
    "sink.png": ("smollm2-135m", "social-post", 24),
    "two_sinks.png": ("smollm2-135m", "social-post", 5),
    "softmax.png": ("zoo-gpt2", "social-post", 6),
    "sigmoid.png": ("zoo-gpt2-sigmoid", "social-post", 6),
}
WIDTH = 1000  # pixels, at most
COLOURS = 64  # of a picture's palette

INTRODUCTION = """\
# Gallery

Figures of the default run: {n_models} models on the eight documents of `corpus/`. The sentence
above each figure is that of the report; its numbers are rows of the table `findings`. In the
report, figures answer to the mouse, and can be saved as SVG, PNG, CSV and Vega-Lite.

Made by `make gallery` from a run of commit {state}. To repeat it: `make report gallery`.
"""


def write_gallery(results: Path, docs: Path, state: str) -> None:
    """Write the page and its pictures. Raises SinkscopeError if the run has not finished."""
    entries = list(_entries(results))
    if not entries:
        raise SinkscopeError(f"{results}: there are no figures; run `make report` first.")
    parts = [INTRODUCTION.format(n_models=_n_models(results), state=state)]
    with replaced_folder(docs / PICTURES) as folder:
        for path, words, section in entries:
            name = f"{words['name']}.png"
            (folder / name).write_bytes(small(path / name))
            parts.append(_entry(path.relative_to(results), words, section))
    write_text(docs / "gallery.md", "\n".join(parts))


def _entries(results: Path) -> Iterator[tuple[Path, dict[str, Any], ReportSection | None]]:
    """Folder, words and section of every figure that is shown."""
    for name, section in sections(list(experiments())).items():
        folder = results / "sections" / name
        if (folder / "figures.json").is_file():
            yield from (
                (folder, words, section) for words in read_json(folder / "figures.json")[:1]
            )
        if name == "front":
            of_all = results / "figures/all"
            yield from ((of_all, words, None) for words in read_json(of_all / "figures.json"))


def _entry(folder: Path, words: dict[str, Any], section: ReportSection | None) -> str:
    """One figure of the page."""
    tables = section.section.tables if section else ()
    links = ", ".join(f"[`{name}`](reference/tables.md#{name})" for name in tables)
    source = f"`results/{folder}/{words['name']}`{f', from the tables {links}' if links else ''}"
    picture = f"![{escaped(words['title'])}]({PICTURES}/{words['name']}.png)"
    return f"## {words['title']}\n\n{escaped(words['finding'])}\n\n{picture}\n\n{source}.\n"


def _n_models(results: Path) -> int:
    import polars as pl

    return pl.read_parquet(results / "tables/models.parquet").height


def write_maps(results: Path, out: Path) -> None:
    """Draw the heat maps of MAPS."""
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, document, layer) in MAPS.items():
            cell = read_cell(find_cell(results, model, document), ["map", "head_map"])
            write_heat_map(cell, str(layer), Path(folder) / name, log=False)
            (out / name).write_bytes(small(Path(folder) / name))


def small(path: Path) -> bytes:
    """A picture as PNG, at most WIDTH pixels wide and with COLOURS colours."""
    picture = Image.open(path).convert("RGB")
    if picture.width > WIDTH:
        height = round(picture.height * WIDTH / picture.width)
        picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


if __name__ == "__main__":
    of_run, docs = Path(sys.argv[1]), Path(sys.argv[2])
    write_gallery(of_run, docs, sys.argv[3])
    write_maps(of_run, docs / "pictures")
