"""Write figures as files."""

from collections.abc import Sequence
from pathlib import Path

from sinkscope.charts.figure import Figure, write_figure
from sinkscope.files import read_object, replaced_folder, write_json


def write_all(figures: Sequence[Figure], out: Path) -> None:
    """Write NAME.json, .svg, .png and .csv for each figure, and figures.json, which lists them in
    order with title, finding and caption. The folder is replaced as a whole.

    Pictures are reused if the same libraries drew them from the same specification.
    """
    before = read_object(out / "drawn.json")  # hashes of the pictures, and of what they show
    drawn: dict[str, dict[str, str]] = {}
    with replaced_folder(out) as folder:
        for figure in figures:
            drawn[figure.name] = write_figure(figure, folder, out, before.get(figure.name))
        write_json(folder / "figures.json", [figure.words() for figure in figures])
        write_json(folder / "drawn.json", drawn)
