"""The report as one file: every page, figure and text, without full heat maps. The file holds the
front page, and all pages compressed (base64 of zlib); its scripts show the page of a link in place
of the current one.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sinkscope.atlas.maps import without_maps
from sinkscope.errors import SinkscopeError
from sinkscope.files import read_json, write_text
from sinkscope.report import site

BODY = re.compile(r"<body>\n(.*)</body>", re.DOTALL)
TITLE = re.compile(r"<title>(.*)</title>")
SCRIPT = re.compile(r'<script src="assets/[^"]+"></script>\n')
# Links to files that are not inside: tables, and what lies beside the pages.
DOWNLOAD = re.compile(r'<a href="data/[^"]*" download>(.*?)</a>')
ABSENT = '<span title="In the folder of the report, not in this file">\\1</span>'


def write_single_file(reports: Path, out: Path) -> None:
    """Write the report in the folder `reports` as the file `out`.

    Raises SinkscopeError if there is no report.
    """
    if not (reports / "index.html").is_file():
        raise SinkscopeError(f"{reports}: has no report (index.html); run snakemake first.")
    pages = {path.name: page_of(path) for path in sorted(reports.glob("*.html")) if is_page(path)}
    index = pages["index.html"]
    values = {
        "title": index["title"],
        "body": index["body"],
        "styles": [site.style(name) for name in site.STYLES],
        "scripts": [site.script(name) for name in (*site.SCRIPTS[:-1], "site.js", "start.js")],
        "pages": {name: site.packed(page) for name, page in pages.items()},
        "texts": {key: site.packed(data) for key, data in texts(reports / "maps")},
    }
    write_text(out, site.environment().get_template("single.html.j2").render(values))


def is_page(path: Path) -> bool:
    """Whether a file is a page of the report itself; a copy, or a page of `look`, is not."""
    text = path.read_text(encoding="utf-8", errors="replace")
    is_ours = path.name == "index.html" or f'data-opens="{path.name}"' in text
    return is_ours and 'href="assets/report.css"' in text


def page_of(path: Path) -> dict[str, str]:
    """title and body of a page, without its scripts."""
    text = path.read_text(encoding="utf-8")
    title, body = TITLE.search(text), BODY.search(text)
    assert title is not None
    assert body is not None
    return {"title": title[1], "body": DOWNLOAD.sub(ABSENT, SCRIPT.sub("", body[1]))}


def texts(maps: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The reader's data of every document, without maps, by MODEL/DOCUMENT."""
    for index in sorted(maps.glob("*/index.json")):
        for entry in read_json(index):
            yield without_maps(index.parent / f"{entry['document']}.js")
