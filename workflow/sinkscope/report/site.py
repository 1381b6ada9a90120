"""What all pages share: templates, assets, and figures as a template wants them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from sinkscope import words
from sinkscope.catalogue import Place
from sinkscope.charts.palette import CLASS_COLOURS, HEAT_FLOOR, heat_table
from sinkscope.charts.shown import ShownSection, read_figures
from sinkscope.printable import printable

HERE = Path(__file__).parent
STYLES = ("report.css", "maps.css")
# In the order of loading. Pages without heat maps take only the first two.
SCRIPTS = ("vega.js", "report.js", "maps.js", "dialog.js")


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


def shown_sections(places: Mapping[str, Place], out: Path) -> list[ShownSection]:
    """Sections in their order, without those that have nothing to show; their figures are in
    `out`/sections/NAME."""
    found = [
        ShownSection(
            name,
            place.section.title,
            place.section.intro,
            read_figures(out / "sections" / name, out),
            place.section.page,
        )
        for name, place in places.items()
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
