"""The documentation: its generated pages are current, its site is complete and loads nothing from
elsewhere, and links between files of the repository lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from sinkscope.documentation.gallery import COLOURS, WIDTH, write_gallery
from sinkscope.documentation.pages import pages

DOCS = tiny.ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"?(https?:)?//")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MIB = 1 << 20


def build(folder, out):
    """Build the site of a folder with mkdocs.yml, as `make docs` does."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", out], cwd=folder,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the built site."""
    out = tmp_path_factory.mktemp("site")
    done = build(tiny.ROOT, out)
    assert done.returncode == 0, done.stdout
    return out


@pytest.mark.parametrize("name", pages())
def test_generated_pages_are_current(name):
    """If this fails: make reference"""
    assert (DOCS / "reference" / name).read_text(encoding="utf-8") == pages()[name]


def test_the_reference_has_every_setting_command_and_measure():
    settings, commands = pages()["configuration.md"], pages()["commands.md"]
    assert "| `epsilon` | `0.3` | a number above 0 and below 1 | Sink score above which" in settings
    assert "| `induction_tokens` | `25` | an integer from 2 to 10,000 |" in settings
    assert "| `add_special_tokens` | `auto` | one of auto, true, false |" in settings
    assert "| `mask_cost` | cost of restricted attention" in settings
    assert "## sinkscope look\n" in commands
    assert "| `--tolerance T` | Floats are equal where \\|a - b\\| &lt;= T" in commands
    assert "### sinkscope bench corpus\n" in commands
    assert commands.index("## Jobs of the workflow") < commands.index("| `extract` |")


def test_every_page_of_the_docs_is_a_page_of_the_site(built):
    sources = {path.relative_to(DOCS).with_suffix("") for path in DOCS.rglob("*.md")}
    written = {path.relative_to(built).with_suffix("") for path in built.rglob("*.html")}
    assert sources == written - {Path("404")}
    assert len(sources) > 30


def test_the_site_loads_nothing_from_elsewhere(built):
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not LOADED.search(text), path
    for path in built.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", path.read_text(encoding="utf-8")), path


def test_search_works_without_a_server(built):
    index = (built / "search/search_index.js").read_text(encoding="utf-8")
    assert "sink_queries" in index
    page = (built / "index.html").read_text(encoding="utf-8")
    assert 'src="site/iframe-worker.js"' in page  # a worker cannot be started from a file


def test_a_broken_link_or_anchor_fails_the_build(tmp_path):
    shutil.copytree(DOCS, tmp_path / "docs")
    for name in ("config", "workflow"):
        (tmp_path / name).symlink_to(tiny.ROOT / name)
    shutil.copy(tiny.ROOT / "mkdocs.yml", tmp_path)
    with (tmp_path / "docs/explanation/checks.md").open("a", encoding="utf-8") as page:
        page.write("[a](limits.md#nowhere) [b](nowhere.md)\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    assert "does not contain an anchor '#nowhere'" in done.stdout
    assert "'explanation/nowhere.md' is not found" in done.stdout


def test_the_python_interface_is_read_from_docstrings(built):
    page = (built / "reference/api.html").read_text(encoding="utf-8")
    for name in ("observe", "look", "AttentionStatistics.sink_mass", "Look.save", "SinkscopeError"):
        assert f'id="sinkscope.{name}"' in page
    assert "Within the block, measure the attention of every forward pass" in page


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/run.md"])
def test_the_numbers_of_architectures_are_those_of_their_table(page):
    table = (DOCS / "reference/compatibility.md").read_text(encoding="utf-8")
    n_all, n_observed = re.search(r"Of (\d+) architectures (\d+) are observed", table).groups()
    text = " ".join((tiny.ROOT / page).read_text(encoding="utf-8").split())
    assert f"Of the {n_all} text architectures of transformers {n_observed} can be observed" in text


def test_pictures_of_the_docs_are_small():
    sizes = [path.stat().st_size for path in DOCS.rglob("*") if path.suffix in (".png", ".svg")]
    assert sum(sizes) < 1.5 * MIB


@pytest.mark.parametrize(
    "source", sorted(path.relative_to(tiny.ROOT).as_posix() for path in tiny.ROOT.glob("*.md"))
)
def test_links_of_files_outside_the_site_lead_somewhere(source):
    for target in LINK.findall((tiny.ROOT / source).read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        path = (tiny.ROOT / source).parent / name
        assert path.exists(), target
        if anchor:
            headings = HEADING.findall(path.read_text(encoding="utf-8"))
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def test_the_gallery_shows_figures_of_a_run_with_their_sentences(site, tmp_path):
    write_gallery(site.results, tmp_path, "a1b2c3")
    page = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    assert "from a run of commit a1b2c3" in page
    assert "## Sink mass by layer" in page
    assert "`results/sections/norms/" in page
    shown = re.findall(r"\]\((pictures/gallery/\w+\.png)\)", page)
    assert len(shown) > 10
    from PIL import Image

    for name in shown:
        with Image.open(tmp_path / name) as picture:
            assert picture.width <= WIDTH
            assert len(picture.getcolors()) <= COLOURS
