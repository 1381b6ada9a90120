"""Templates, assets and sections that all pages share."""

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import vl_convert

from sinkscope import words
from sinkscope.catalogue import ReportSection
from sinkscope.charts.palette import CLASS_COLOURS, heat_table
from sinkscope.charts.shown import ShownSection, read_figures
from sinkscope.printable import printable
from sinkscope.references import cited

HERE = Path(__file__).parent
STYLES = ("report.css", "maps.css", "front.css", "reader.css")
OF_MAPS = (
    *("map_data.js", "maps.js", "coarse.js", "strip.js"),
    *("matrix.js", "map_files.js", "dialog.js"),
    *("reader.js", "reader_controls.js", "reader_token.js", "reader_heads.js", "readers.js"),
)
# In the order of loading; the last starts the page.
OF_PAGES = (
    *("state.js", "turns.js", "narrow.js", "parts.js", "figures.js", "few.js"),
    *("leads.js", "saving.js", "tables.js", "data.js"),
)
SCRIPTS = ("vega.js", *OF_PAGES, *OF_MAPS, "start.js")
# vl-convert has the modules at these addresses inside; nothing is loaded from there.
VEGA = "\n".join(
    [
        f'import * as ofVega from "https://cdn.jsdelivr.net/npm/vega@{vl_convert.get_vega_version()}/+esm.js";',
        f'import * as ofVegaLite from "https://cdn.jsdelivr.net/npm/vega-lite@{alt.VEGALITE_VERSION}/+esm.js";',
        "Object.assign(window, { vega: ofVega, vegaLite: ofVegaLite, vegaEmbed });",
    ]
)
PAGE_ADDRESS = re.compile(
    r"\((\w)=window\.location\)\.hash\?\1\.href\.slice\(0,-\1\.hash\.length\):\1\.href"
)


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
        *(words.percent_estimate, words.whole_percent, words.mass),
    )
    templates.filters |= {one.__name__: one for one in filters}
    templates.filters["attention"] = words.attention_label
    templates.filters["cited"] = cited
    templates.filters["packed"] = packed
    templates.filters["unbroken"] = unbroken
    return templates


def unbroken(text: str) -> str:
    """With intervals ([0.31, 0.44]) that no line break divides."""
    return re.sub(r"\[[^]]*\]", lambda interval: interval[0].replace(" ", "\xa0"), text)


def packed(value: Any) -> str:
    """Base64 of the compressed JSON of a value: the specifications of figures, which hold their
    data, take a quarter of their bytes."""
    data = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def style(name: str) -> str:
    return (HERE / "static" / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """The text of a script, safe inside a script element."""
    if name != "vega.js":
        return (HERE / "static" / name).read_text(encoding="utf-8")
    # The bundle declares one-letter global names, so it is wrapped in a function.
    bundle = vl_convert.javascript_bundle(VEGA)
    # Vega puts the page's address in front of the gradients of a chart; once the address has
    # changed, they would be looked for in another page.
    bundle, n_found = PAGE_ADDRESS.subn('""', bundle)
    assert n_found == 1
    return re.sub("</(script)", r"<\\/\1", f"(() => {{\n{bundle}\n}})();\n", flags=re.IGNORECASE)


def scripts(*, figures: bool = False, maps: bool = False) -> list[str]:
    """The scripts of a page with or without figures and heat maps, in their order."""
    unused = {"vega.js": not figures, **dict.fromkeys(OF_MAPS, not maps)}
    return [name for name in SCRIPTS if not unused.get(name)]


def shown_sections(entries: Mapping[str, ReportSection], results: Path) -> list[ShownSection]:
    """Sections in their order. Figures are in `results`/sections/NAME."""
    return [
        ShownSection(
            name,
            entry.section.title,
            entry.section.intro,
            read_figures(results / "sections" / name),
        )
        for name, entry in entries.items()
    ]


def map_data(indices: Mapping[str, Sequence[dict[str, Any]]], folder: str) -> dict[str, Any]:
    """Data for the scripts of maps: documents with maps by model, where the maps are, and their
    colours."""
    return {
        "folder": folder,
        "models": {model: list(index) for model, index in indices.items()},
        "colours": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in heat_table().tolist()],
        "class_colours": CLASS_COLOURS,
    }
