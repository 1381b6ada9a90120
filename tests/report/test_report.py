"""The site as files: strict, self-contained, complete, the same every time."""

import json
import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import polars as pl
import pytest

from report import made
from report.made import HOSTILE, REASON, folder_bytes, scripts_in, specs_in, strict_json
from sinkscope import words
from sinkscope.catalogue import OWN_PAGES, pages_of, sections
from sinkscope.jobs.wanted import Wanted
from sinkscope.printable import UNPRINTABLE
from sinkscope.report import content, pages, provenance
from sinkscope.report.about import Origin
from sinkscope.report.content import Report
from sinkscope.report.pages import first_document
from sinkscope.report.site import environment
from sinkscope.schema import properties
from sinkscope.tables.read import read_tables

ORDER = properties("config")["experiments"]["default"]
OF_SECTIONS = pages_of(sections(ORDER))
PAGES = (*OWN_PAGES, *OF_SECTIONS, "enc", "dec", "absent")
LOADING = {"src", "href", "srcset", "data", "action", "poster"}


class Elements(HTMLParser):
    """Every element's name and attributes, and the text outside scripts and styles."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text, self.raw = [], "", False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.raw = tag in ("script", "style")

    def handle_endtag(self, tag):
        self.raw = False

    def handle_data(self, data):
        self.text += "" if self.raw else data


def without_terms(html):
    """The text of a page without the explanations of its terms."""
    return Elements(re.sub(r'<span role="tooltip".*?</span>', "", html)).text


@pytest.fixture(params=PAGES)
def page(request, site):
    return Elements(site.html[request.param])


def test_every_model_of_the_grid_has_a_page(site):
    assert set(site.html) == set(PAGES)


def test_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids)) > 3


def test_nothing_is_loaded_from_elsewhere(page):
    """A link that the reader follows may lead elsewhere."""
    for tag, attributes in page.found:
        for name in LOADING & set(attributes) - ({"href"} if tag == "a" else set()):
            assert not re.match(r"(https?:)?//", attributes[name]), attributes[name]


def test_style_sheets_load_nothing(site):
    for path in (site.out / "assets").glob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert "url(" not in text
        assert "@import" not in text


def test_every_link_leads_to_a_file_or_an_id(site):
    ids = {name: {a.get("id") for _, a in Elements(html).found} for name, html in site.html.items()}
    for name, html in site.html.items():
        for tag, attributes in Elements(html).found:
            link = attributes.get("href") or (attributes.get("src") if tag != "a" else None)
            if not link or link.startswith(("data:", "https:")):
                continue
            path, _, fragment = unquote(link).partition("#")
            path = path.partition("?")[0]
            assert not path or (site.out / path).is_file(), link
            target = path.removesuffix(".html") or name
            assert not fragment or fragment in ids[target], (name, link)


def test_embedded_json_is_strict(site):
    for html in site.html.values():
        found = scripts_in(html, "application/json")
        assert "page-data" in found
        for text in found.values():
            strict_json(text)


def test_embedded_specifications_are_those_of_the_files(site):
    folders = {"compared": "figures/all", "enc": "figures/enc", "dec": "figures/dec"}
    folders |= {name: f"sections/{name}" for name in OF_SECTIONS}
    for page, name in folders.items():
        found = specs_in(site.html[page])
        paths = [
            site.results / name / f"{entry['name']}.json"
            for entry in strict_json((site.results / name / "figures.json").read_text())
        ]
        assert [f"{path.stem}-spec" for path in paths] == list(found)
        for path in paths:
            assert strict_json(found[f"{path.stem}-spec"]) == strict_json(path.read_text())


def test_hostile_text_stays_text(site):
    for html in site.html.values():
        elements = Elements(html)
        assert "b" not in {tag for tag, _ in elements.found}
        assert not any("onerror" in attributes for _, attributes in elements.found)
        assert HOSTILE not in html
    assert f"Z two {HOSTILE}" in Elements(site.html["run"]).text
    spec = strict_json(specs_in(site.html["enc"])["last_layer-spec"])
    assert HOSTILE in spec["datasets"]["drawn"]


def test_characters_that_a_page_cannot_show_are_pictures(site):
    assert "Z␀three␛[31m<U+FFFE>" in Elements(site.html["run"]).text
    assert not UNPRINTABLE.search("".join(site.html.values()).replace("\u2028", ""))


def test_sentences_of_figures_are_on_the_pages(site):
    folders = {"enc": "figures/enc", "dec": "figures/dec", "index": "sections/front"}
    folders |= {name: f"sections/{name}" for name in OF_SECTIONS}
    for page, folder in folders.items():
        text = without_terms(site.html[page])
        for entry in strict_json((site.results / folder / "figures.json").read_text()):
            assert entry["finding"] in text
            assert entry["caption"] in text


def test_summary_has_the_numbers_of_the_tables(site):
    text = without_terms(site.html["compared"])
    counts = pl.read_parquet(site.out / "data" / "max_attention_tokens.parquet")
    for model in ("enc", "dec"):
        first = counts.filter(model=model).sort("count", descending=True).row(0, named=True)
        assert f"“{first['token']}” ({first['key_class']})" in text
        assert f"{first['share']:.1%}" in text
        assert f"takes {first['count']:,} of" in without_terms(site.html[model])
    shares = counts.group_by("model").agg(pl.col("share").max())["share"]
    assert f"In {(shares > 0.5).sum()} of 2 models, one token" in text
    assert "max_attention_countings" in site.html["enc"]
    assert "5 of 9 cells" in Elements(site.html["run"]).text
    assert (
        f"4 of 9 cells (model {words.TIMES} document) are missing"
        in Elements(site.html["index"]).text
    )


def test_missing_cells_are_listed_with_their_reason(site):
    wanted = Wanted(site.grid, site.folder)
    found = {(m.model, m.documents): m.reason for m in provenance.missing(wanted)}
    log = wanted.extract("dec", "0002").log
    not_run = "no result: its job was not run"
    assert found == {
        ("dec", ("three",)): f"KeyError: 'tokens'; see results/logs/{log}.log",
        ("absent", ("one", "two")): REASON,
        ("absent", ("three",)): not_run,
    }
    for (_, _), reason in found.items():
        assert reason in Elements(site.html["run"]).text
    for page in ("run", "index", "norms"):
        assert made.EXPERIMENT_REASON in Elements(site.html[page]).text
    assert f"Not measured for absent: {made.EXPERIMENT_REASON}" not in site.html["depth"]
    assert REASON in Elements(site.html["absent"]).text
    assert REASON not in Elements(site.html["dec"]).text.split(made.EXPERIMENT_REASON)[-1]


def test_a_document_that_a_finished_job_could_not_take_is_missing_alone(site, tmp_path):
    wanted = Wanted(site.grid, tmp_path)
    path = tmp_path / wanted.extract("enc", "0001").stamp
    path.parent.mkdir(parents=True)
    entry = {"document": "two", "reason": "document 'two': too long."}
    path.write_text(json.dumps({"cells": [{"document": "one"}], "missing": [entry]}))
    first = provenance.missing(wanted)[0]
    assert first == provenance.Missing("enc", ("two",), "document 'two': too long.")


def test_provenance(site):
    text = Elements(site.html["run"]).text
    for expected in ("c0ffee", "12.5", "345", "torch 2.0", "documents_per_job: 2", "zoo:enc"):
        assert expected in text
    for document in site.grid.config.documents:
        assert document.sha256 in text


def test_the_audit_is_stated_with_its_largest_errors_and_their_models(site):
    text = " ".join(Elements(site.html["run"]).text.split())
    n_cells = pl.read_parquet(site.folder / "results" / "tables" / "documents.parquet").height
    assert f"the attention of {3 * n_cells} rows, of one layer of every document" in text
    assert "by at most 4.0e-07 of the largest value (dec), the statistics by 3.0e-08 (enc)" in text


def test_jobs_state_their_speed_and_what_they_keep_of_a_document(site):
    rows = provenance.jobs(provenance.manifests(Wanted(site.grid, site.folder)))
    assert [row["documents_per_second"] for row in rows] == [2 / 12.5, 1 / 12.5, 2 / 12.5]
    cells = site.folder / "results" / "cells" / "enc"
    sizes = [(cells / f"{name}.safetensors").stat().st_size for name in ("one", "two")]
    assert rows[0]["bytes_per_document"] == sum(sizes) / 2
    assert f"{sum(sizes) / 2000:.1f}" in Elements(site.html["run"]).text


def test_the_page_of_a_large_run_lists_its_first_documents_and_jobs(site, monkeypatch):
    monkeypatch.setattr(content, "MOST_DOCUMENTS", 2)
    monkeypatch.setattr(pages, "MOST_JOBS", 1)
    tables = read_tables(site.folder / "results" / "tables", ["documents", "models"])
    wanted = Wanted(site.grid, site.folder)
    report = Report(
        wanted, tables, pl.DataFrame(), site.folder / "results", site.out, Origin("c0ffee")
    )
    values = pages.run(report, [])
    assert [row["document"].name for row in values["documents"]] == ["one", "two"]
    html = environment().get_template("run.html.j2").render({"name": "run"} | values)
    text = Elements(html).text
    assert "The first 2 of 3 documents" in text
    assert "The first 1 of 3 jobs" in text


def test_tables_are_offered_as_they_are(site):
    tables = site.folder / "results" / "tables"
    assert folder_bytes(site.out / "data") == folder_bytes(tables)


def test_figures_and_tables_are_named_for_screen_readers(page):
    figures = [attributes for tag, attributes in page.found if tag == "figure"]
    ids = {attributes.get("id") for _, attributes in page.found}
    for attributes in figures:
        assert attributes.get("aria-label") or attributes["aria-labelledby"] in ids
    n_tables = sum(tag == "table" for tag, _ in page.found)
    assert sum(tag == "caption" for tag, _ in page.found) == n_tables
    assert all(attributes.get("scope") for tag, attributes in page.found if tag == "th")
    assert sum(tag == "h1" for tag, _ in page.found) == 1


def test_sizes(site):
    budget = 5_000_000
    for path in site.out.glob("*.html"):
        assert path.stat().st_size < budget
        budget = 10_000_000
    assert sum(path.stat().st_size for path in (site.out / "assets").iterdir()) < 1_500_000


def test_a_second_build_is_byte_identical(site):
    figures = folder_bytes(site.results / "figures")
    again = made.make_site(site.folder, site.grid, site.manifests, "again")
    assert folder_bytes(again) == folder_bytes(site.out)
    assert folder_bytes(site.results / "figures") == figures
    shutil.rmtree(again)


def test_pages_without_maps_or_figures(site, tmp_path):
    from sinkscope.report.build import write_report

    results = tmp_path / "results"
    shutil.copytree(site.results / "tables", results / "tables")
    write_report(Wanted(site.grid, site.folder), results, tmp_path / "out", Origin("c0ffee"))
    html = (tmp_path / "out/enc.html").read_text()
    assert "<figure" not in html
    assert "dialog.js" not in html
    assert "%" not in Elements((tmp_path / "out/index.html").read_text()).text


def test_the_document_shown_first_is_of_middle_length():
    index = [{"document": name, "n_tokens": n} for name, n in [("a", 9), ("b", 500), ("c", 90)]]
    assert first_document(index) == "c"
    assert first_document([]) is None
