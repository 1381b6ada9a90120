"""Templates, assets and sections that all pages share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from sinkscope import words
from sinkscope.atlas.maps import STEPS
from sinkscope.catalogue import ReportSection
from sinkscope.charts.palette import CLASS_COLOURS, HEAT_FLOOR, heat_table
from sinkscope.charts.shown import ShownSection, read_figures
from sinkscope.printable import printable
from sinkscope.references import cited

HERE = Path(__file__).parent
STYLES = ("report.css", "maps.css", "front.css")
# In the order of loading: those of every page, of pages with figures, and of pages with heat maps.
SCRIPTS = ("vega.js", "report.js", "data.js", "maps.js", "strip.js", "dialog.js")
OF_PAGES, OF_FIGURES = ("report.js",), SCRIPTS[:3]


def environment() -> jinja2.Environment:
    """The Jinja environment: values are escaped and printable, unknown names are errors."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,  # not mark-up
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.policies["json.dumps_kwargs"] = {"allow_nan": False, "ensure_ascii": False}
    filters = (
        *(words.integer, words.percent, words.counted, words.estimate),
        *(words.percent_estimate, words.whole_percent),
    )
    templates.filters |= {one.__name__: one for one in filters}
    templates.filters["attention"] = words.attention_label
    templates.filters["cited"] = cited
    return templates


def style(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """The text of a script, safe inside a script element."""
    if name != "vega.js":
        return (HERE / "static" / name).read_text(encoding="utf-8")
    # The bundle declares one-letter global names, so it is wrapped in a function.
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return re.sub("</(script)", r"<\\/\1", f"(() => {{\n{bundle}\n}})();\n", flags=re.IGNORECASE)


def shown_sections(entries: Mapping[str, ReportSection], out: Path) -> list[ShownSection]:
    """Sections in their order. Figures are in `out`/sections/NAME."""
    return [
        ShownSection(
            name,
            entry.section.title,
            entry.section.intro,
            read_figures(out / "sections" / name, out),
        )
        for name, entry in entries.items()
    ]


def map_data(index: Sequence[dict[str, Any]], folder: str) -> dict[str, Any]:
    """Data for maps.js and dialog.js: where the maps are, and the colours of the thumbnails."""
    return {
        "folder": folder,
        "documents": list(index),
        "steps": STEPS,
        "floor": HEAT_FLOOR,
        "colours": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in heat_table().tolist()],
        "class_colours": CLASS_COLOURS,
    }
