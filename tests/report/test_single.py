"""The report as one file."""

import base64
import json
import re
import subprocess
import zlib

import pytest

from report.made import HOSTILE, scripts_in, strict_json
from report.test_browser import CHROMIUM, FLAGS
from sinkscope.errors import SinkscopeError
from sinkscope.report.single import write_single_file


@pytest.fixture(scope="module")
def single(site, tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "report.html"
    write_single_file(site.out, path)
    return path


def inside(single):
    content = strict_json(scripts_in(single.read_text(), "application/json")["site"])

    def read(text):
        return json.loads(zlib.decompress(base64.b64decode(text)))

    return {kind: {name: read(text) for name, text in content[kind].items()} for kind in content}


def test_every_page_is_inside_and_nothing_is_loaded(site, single):
    pages = inside(single)["pages"]
    assert set(pages) == {f"{name}.html" for name in site.html}
    for name, page in pages.items():
        assert "<script src" not in page["body"], name
        assert 'href="data/' not in page["body"], name
    text = re.sub(r"(?s)<script.*?</script>", "", single.read_text())
    assert "assets/" not in re.sub(r'(?s)<p id="alone">.*?</p>', "", text)
    assert HOSTILE not in text


def test_texts_are_inside_without_their_maps(single):
    texts = inside(single)["texts"]
    assert set(texts) == {"enc/one", "enc/two", "enc/three", "dec/one", "dec/two"}
    assert all("maps" not in text and text["received"] for text in texts.values())


def test_a_folder_without_a_report_is_an_error(tmp_path):
    with pytest.raises(SinkscopeError, match="has no report"):
        write_single_file(tmp_path, tmp_path / "report.html")


def test_a_copy_and_a_page_of_look_are_not_pages_of_the_report(site, tmp_path):
    for name in ("index.html", "dec.html"):
        (tmp_path / name).write_text(site.html[name.removesuffix(".html")])
    (tmp_path / "dec copy.html").write_text(site.html["dec"])
    write_single_file(tmp_path, tmp_path / "out.html")
    assert set(inside(tmp_path / "out.html")["pages"]) == {"index.html", "dec.html"}


@pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed here.")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "What is an attention sink?"),
        ("?page=dec", "dec · Sinkscope"),
        ("?page=reader&model=dec&document=two&token=3", "The maps of this document are not in"),
        ("?page=dec", "The maps of these heads are in the report's folder, not in this file."),
        ("?page=reader", "Its map is in the report's folder, not in this file."),
    ],
)
def test_an_address_opens_its_page_in_the_file(single, tmp_path, query, expected):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, single.as_uri() + query], capture_output=True, text=True, timeout=120
    )
    assert expected in done.stdout
    assert "CONSOLE" not in done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed here.")
def test_what_the_file_lacks_is_said_where_it_would_be(single, site, tmp_path):
    """In the file a sentence takes the place of maps and downloads; in the folder none is seen."""
    probe = """<script>addEventListener("load", () => setTimeout(() => {
      document.title = "told: " + [...document.querySelectorAll(".in-one-file, .of-folder")]
        .filter((part) => part.checkVisibility()).map((part) => part.className).join(" ");
    }, 4000))</script></html>"""
    told = []
    for source, query in (
        (single.read_text(), "?page=dec"),
        (single.read_text(), "?page=run"),
        (site.html["dec"], ""),
        (site.html["run"], ""),
    ):
        page = site.out / f"probe-{tmp_path.name}.html"
        page.write_text(source.replace("</html>", probe))
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        try:
            done = subprocess.run(
                [*command, page.as_uri() + query], capture_output=True, text=True, timeout=120
            )
        finally:
            page.unlink()
        told.append(re.search("<title>told: (.*?)</title>", done.stdout)[1])
    assert told == ["in-one-file", "in-one-file", "of-folder", ""]
