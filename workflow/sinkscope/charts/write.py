"""Write figures as files."""

from collections.abc import Sequence
from pathlib import Path

from sinkscope.charts.figure import Figure, write_figure
from sinkscope.files import read_json, replaced_folder, write_json


def write_all(figures: Sequence[Figure], out: Path) -> None:
    """Write NAME.json, .svg, .png and .csv for each figure, and figures.json, which lists them in
    order with title, finding and caption. The folder is replaced as a whole.

    Pictures are reused if the same libraries drew them from the same specification.
    """
    before = drawn_before(out)
    drawn: dict[str, dict[str, str]] = {}
    with replaced_folder(out) as folder:
        for figure in figures:
            drawn[figure.name] = write_figure(figure, folder, out, before.get(figure.name))
        write_json(folder / "figures.json", [figure.words() for figure in figures])
        write_json(folder / "drawn.json", drawn)


def drawn_before(out: Path) -> dict[str, dict[str, str]]:
    """By figure, the hash of what its pictures in a folder were drawn from, and their hashes."""
    try:
        content = read_json(out / "drawn.json")
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
