"""What all pages share: templates, assets, and figures as a template wants them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import vl_convert

from sinkscope.charts import words
from sinkscope.charts.palette import CLASS_COLOURS, HEAT_FLOOR, heat_table
from sinkscope.charts.sections import SECTIONS
from sinkscope.errors import DamagedError
from sinkscope.files import read_json
from sinkscope.printable import printable

HERE = Path(__file__).parent
STYLES = ("report.css", "maps.css")
# In the order of loading. Pages without heat maps take only the first two.
SCRIPTS = ("vega.js", "report.js", "maps.js", "dialog.js")
KINDS = {"CSV": "csv", "SVG": "svg", "PNG": "png", "Vega-Lite": "json"}


@dataclass(frozen=True)
class ShownFigure:
    """A figure on a page. links: kind of download to address; image: address of its SVG."""

    name: str
    title: str
    finding: str
    caption: str
    spec: dict[str, Any]
    links: dict[str, str]
    image: str


@dataclass(frozen=True)
class ShownSection:
    """What an experiment adds to the index, or (page) as a page of its own; name: its address."""

    name: str
    title: str
    intro: str
    figures: list[ShownFigure]
    page: str | None


def environment() -> jinja2.Environment:
    """Templates with every value escaped and printable, an unknown name an error, strict JSON."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,  # not mark-up
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.policies["json.dumps_kwargs"] = {"allow_nan": False, "ensure_ascii": False}
    found.filters |= {"integer": words.integer, "percent": words.percent, "counted": words.counted}
    found.filters |= {"mass": words.mass, "attention": words.attention_label}
    return found


def style(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """The text of a script; none of them can end the element it stands in."""
    if name != "vega.js":
        return (HERE / "static" / name).read_text(encoding="utf-8")
    # The bundle declares one-letter names: kept to itself, and the version with the pages.
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return re.sub("</(script)", r"<\\/\1", f"(() => {{\n{bundle}\n}})();\n", flags=re.IGNORECASE)


def address(path: Path, base: Path) -> str:
    """Relative URL of a file from the folder of a page."""
    return quote(Path(os.path.relpath(path, base)).as_posix())


def read_figures(folder: Path, base: Path) -> list[ShownFigure]:
    """Figures that charts.job.write_figures left in `folder`; none where it did not run."""
    if not (folder / "figures.json").is_file():
        return []
    try:
        listed = read_json(folder / "figures.json")
        specs = {one["name"]: read_json(folder / f"{one['name']}.json") for one in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(folder / "figures.json", "is not what its job wrote") from error
    return [
        ShownFigure(
            **entry,
            spec=specs[entry["name"]],
            links={
                kind: address(folder / f"{entry['name']}.{ending}", base)
                for kind, ending in KINDS.items()
            },
            image=address(folder / f"{entry['name']}.svg", base),
        )
        for entry in listed
    ]


def shown_sections(names: Sequence[str], out: Path) -> list[ShownSection]:
    """Sections in the order of SECTIONS, without those that have nothing to show.

    names: those wanted; their figures are in `out`/sections/NAME.
    """
    found = [
        ShownSection(
            name,
            section.title,
            section.intro,
            read_figures(out / "sections" / name, out),
            section.page,
        )
        for name, section in SECTIONS.items()
        if name in names
    ]
    return [section for section in found if section.figures or section.page]


def map_data(index: Sequence[dict[str, Any]], folder: str, steps: int) -> dict[str, Any]:
    """What maps.js and dialog.js need: where maps are, and the very colours of thumbnails."""
    return {
        "folder": folder,
        "documents": list(index),
        "steps": steps,
        "floor": HEAT_FLOOR,
        "colours": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in heat_table().tolist()],
        "class_colours": CLASS_COLOURS,
    }
