"""One page that needs no other file."""

import re

import pytest

from report import made
from sinkscope.atlas.derive import tables_of_model
from sinkscope.atlas.limits import Limits
from sinkscope.report.page import single_page


@pytest.fixture(scope="module", params=["enc", "dec"])
def page(request):
    model = request.param
    cell = made.cell(model, "two", [(1, 1)])
    sizes = {"n_characters": 9, "n_words": 2, "sha256": "0", "row": None, "path": "--text"}
    entry = {"document": "two", **sizes}
    tables = tables_of_model(made.facts(model), [cell], [entry], Limits())
    return single_page(cell, {name: frame.collect() for name, frame in tables.items()})


def test_it_needs_no_other_file(page):
    head = re.sub(r"(?s)<script.*?</script>", "", page)
    head = re.sub(r'<a href="https://[^"]*"', "", head)  # works that it cites
    for link in re.findall(r'(?:src|href)="([^"]*)"', head):
        assert link.startswith(("data:", "#")), link[:80]
    assert "<script src" not in page


def test_every_map_is_inside(page):
    calls = re.findall(r'sinkscope\.receive\("(enc|dec)/two", (.*)\);', page)
    ((model, value),) = calls
    data = made.strict_json(value)
    assert list(data["maps"]) == [*map(str, range(made.SHAPES[model][0])), "1-1"]
    assert f'sinkscope.receive("{model}/two/heads", ' in page


def test_hostile_tokens_stay_text(page):
    assert made.HOSTILE not in page


def test_json_is_strict_and_figures_are_there(page):
    found = made.scripts_in(page, "application/json")
    specs = made.specs_in(page)
    for text in (*found.values(), *specs.values()):
        made.strict_json(text)
    assert "page-data" in found
    assert {"max_attention-spec", "sink_mass-spec", "heads-spec"} <= set(specs)
    assert "mass_by_length-spec" not in specs  # of one document


def test_it_says_nothing_of_a_mean(page):
    assert "mean over 1 document" not in page
