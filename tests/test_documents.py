"""Documents: text files and tables of them, good and bad."""

import hashlib
import json

import polars as pl
import pytest

from sinkscope.documents import Document, Refused, distinct, read_documents, read_entries
from sinkscope.errors import SinkscopeError


def read(path, column="text"):
    return read_documents("essay", path, f"texts/{path.name}", column)


def complaint(path, column="text"):
    with pytest.raises(SinkscopeError) as caught:
        read(path, column)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def file(tmp_path):
    """Write a file of some name and content, bytes or text; its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_a_text_file_is_a_document_without_its_last_line_end(file, name):
    [document] = read(file(name, "Z one.\n\nTwo é\n\n"))
    assert document == Document("essay", f"texts/{name}", None, "Z one.\n\nTwo é")
    assert document.sha256 == hashlib.sha256("Z one.\n\nTwo é".encode()).hexdigest()


def test_a_byte_order_mark_and_windows_line_ends_make_no_difference(file):
    plain = read(file("a.txt", "one\ntwo\n"))
    assert read(file("b.txt", b"\xef\xbb\xbfone\r\ntwo\r\n"))[0].text == plain[0].text


@pytest.mark.parametrize("column", ["text", "body"])
def test_every_line_of_a_jsonl_file_is_a_document(file, column):
    lines = [json.dumps({column: text, "id": i}) for i, text in enumerate(["one", "two\u2028é\n"])]
    found = read(file("a.jsonl", "\n".join(lines) + "\n"), column)
    assert found == [
        Document("essay-000000", "texts/a.jsonl", 0, "one"),
        Document("essay-000001", "texts/a.jsonl", 1, "two\u2028é"),
    ]


@pytest.mark.parametrize("column", ["text", "body"])
def test_every_row_of_a_parquet_file_is_a_document(tmp_path, column):
    pl.DataFrame({column: ["one", "two é\n"], "id": [1, 2]}).write_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", column) == [
        Document("essay-000000", "texts/a.parquet", 0, "one"),
        Document("essay-000001", "texts/a.parquet", 1, "two é"),
    ]


def test_a_missing_document_is_an_error(tmp_path):
    assert complaint(tmp_path / "a.txt") == (
        "document 'essay': texts/a.txt does not exist; correct the path."
    )


def test_a_folder_is_no_document(tmp_path):
    (tmp_path / "a.txt").mkdir()
    assert "document 'essay': texts/a.txt does not exist" in complaint(tmp_path / "a.txt")


@pytest.mark.parametrize("content", ["", "\n\n", " \t\r\n", "\ufeff"])
def test_an_empty_document_is_an_error(file, content):
    assert complaint(file("a.txt", content)) == (
        "document 'essay': texts/a.txt is empty; add text or remove it."
    )


def test_a_document_that_is_not_utf8_is_an_error_with_the_place(file):
    message = complaint(file("a.txt", "Z caf\u00e9".encode("latin-1")))
    assert message == "texts/a.txt: not UTF-8 at byte 5; save the file as UTF-8."


def test_a_line_that_is_not_utf8_is_an_error_and_the_others_are_read(file):
    lines = b'{"text": "one"}\n' + '{"text": "caf\u00e9"}\n'.encode("latin-1") + b'{"text": "two"}'
    one, bad, two = read_entries("essay", file("a.jsonl", lines), "a.jsonl", "text")
    assert (one.text, two.text) == ("one", "two")
    assert bad.reason == (
        "a.jsonl row 1: not UTF-8 at byte 29 of the file; save the file as UTF-8."
    )


@pytest.mark.parametrize("name", ["a.pdf", "a.TXT", "a"])
def test_other_kinds_of_file_are_an_error(file, name):
    message = complaint(file(name, "text"))
    assert f"document 'essay': texts/{name} is not one of .txt, .md, .jsonl, .parquet" in message


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '"text"', '{"other": "a"}', "", '{"text": ' + "[" * 100_000]
)
def test_a_line_that_is_no_object_with_text_is_an_error_with_its_row(file, line):
    message = complaint(file("a.jsonl", '{"text": "one"}\n' + line + '\n{"text": "two"}\n'))
    assert message.startswith("texts/a.jsonl row 1: is not a JSON object with a text under 'text'")
    assert "text_column" in message


@pytest.mark.parametrize("value", ["3", "null", "[]"])
def test_a_value_that_is_no_text_is_an_error(file, value):
    message = complaint(file("a.jsonl", f'{{"text": {value}}}'))
    assert message == "texts/a.jsonl row 0: 'text' is not text; correct the row."


def test_an_empty_row_is_an_error_with_its_number(file):
    message = complaint(file("a.jsonl", '{"text": "one"}\n{"text": " "}'))
    assert "document 'essay-000001': texts/a.jsonl row 1 is empty" in message


def test_half_of_a_surrogate_pair_is_an_error(file):
    r"""JSON may say \ud83d alone, which is no text that a file or a hash can hold."""
    path = file("a.jsonl", r'{"text": "Z \ud83d"}')
    with pytest.raises(SinkscopeError, match=r"texts/a\.jsonl"):
        read(path)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"other": ["a"]}, "is not a Parquet file with a column 'text'"),
        ({"text": [1]}, "row 0: 'text' is not text"),
        ({"text": ["a", None]}, "row 1: 'text' is not text"),
        ({"text": ["a", " "]}, "row 1 is empty"),
    ],
)
def test_bad_parquet_files_are_an_error(tmp_path, frame, expected):
    pl.DataFrame(frame).write_parquet(tmp_path / "a.parquet")
    message = complaint(tmp_path / "a.parquet")
    assert "texts/a.parquet" in message
    assert expected in message


def test_a_parquet_file_without_rows_is_an_error(tmp_path):
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(tmp_path / "a.parquet")
    assert "texts/a.parquet has no rows" in complaint(tmp_path / "a.parquet")


def test_a_file_that_is_no_parquet_is_an_error(file):
    assert "texts/a.parquet: is not a Parquet file" in complaint(file("a.parquet", "not columns"))


def test_documents_with_one_name_or_one_text_as_an_earlier_one_are_left_out():
    pairs = [("a", "one"), ("b", "two"), ("a", "three"), ("c", "two"), ("d", "four")]
    entries = [Document(name, "f", None, text) for name, text in pairs]
    found = distinct(entries, "table.tsv")
    assert found == [
        *entries[:2],
        Refused("a", "table.tsv: two documents are named 'a'; rename one."),
        Refused("c", "table.tsv: documents 'b' and 'c' hold the same text; remove one."),
        entries[4],
    ]
    assert distinct(found, "table.tsv")[1:2] == entries[1:2]


def test_a_bad_row_of_a_file_leaves_the_others(file):
    path = file("a.jsonl", '{"text": "one"}\nnothing\n{"text": " "}\n{"text": "two"}\n')
    one, second, third, two = read_entries("essay", path, "a.jsonl", "text")
    assert (one.name, one.text, two.name, two.row) == ("essay-000000", "one", "essay-000003", 3)
    assert second.name == "essay-000001"
    assert second.reason.startswith("a.jsonl row 1: is not a JSON object")
    assert third.reason == "document 'essay-000002': a.jsonl row 2 is empty; add text or remove it."
