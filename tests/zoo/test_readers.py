"""Readers: the paragraphs of each format."""

import re
import struct
import zlib

import yaml

from sinkscope.schema import SCHEMAS
from sinkscope.zoo.readers import READERS

PAGE = """<?xml version="1.0" encoding="utf-8"?>
<html><head><title>Skipped</title><script>var x;</script></head><body>
<div class="sphinxsidebar"><p>Contents</p></div>
<h1>A title<a class="headerlink" href="#t">¶</a></h1>
<p>First <em>para</em>graph, with <code>code</code><br>and a break.</p>
<pre>int main;</pre>
<ul><li>One item<li>Another &amp; more</ul>
<div class="withsidebar document"><p>Café “quoted”</p></div>
<div class="highlight-c"><p>int x;</p></div> tail
</body></html>"""


def test_html_gives_the_text_of_blocks():
    assert READERS["html"](PAGE.encode()) == [
        "A title",
        "First paragraph, with code and a break.",
        "One item",
        "Another & more",
        "Café “quoted”",
        "tail",
    ]


def test_html_in_latin_1_or_without_text():
    assert READERS["html"]("<p>Café</p>".encode("latin-1")) == ["Café"]
    assert READERS["html"](b"") == []
    assert READERS["html"](b"<!-- nothing -->") == []


def test_html_nested_deeper_than_python_calls():
    depth = 5000
    page = b"<body>" + b"<div>" * depth + b"deep" + b"</div>" * depth
    assert "".join(READERS["html"](page)) in ("deep", "")  # the parser may cut, never fail


def test_plain_paragraphs_end_at_blank_lines():
    text = "One\r\nline.\r\n \t\r\n\r\nIt was _very\nlate_, said snake_case_name.\n"
    assert READERS["plain"](text.encode()) == [
        "One\nline.",
        "It was very\nlate, said snake_case_name.",
    ]


def test_linked_text_loses_the_braces_of_its_references():
    assert READERS["linked"](b"A {hack} is {so-\ncalled}.") == ["A hack is so-\ncalled."]


def test_dictionary_definitions_are_kept_once():
    text = (
        "00-info\nabout\netch\n    v 1: make an etching of; [syn: {etch},\n         {engrave}]\n"
        "    2: carve or cut\n       a block\nengrave\n    v 1: carve or cut a block\n"
        "cat\n    n : an animal\n"
    )
    paragraphs = READERS["dictd"](text.encode())
    assert paragraphs == [
        "etch: make an etching of;",
        "etch: carve or cut a block",
        "cat: an animal",
    ]


def test_sword_blocks_follow_each_other_with_padding_between():
    blocks = [
        '<chapter n="1"/><title>Heading</title>In the <w lemma="x">beginning</w> was<note n="a">'
        "a note</note> the word.<div type='x-p'/>And &amp; so.",
        "<l>A line</l><l>of verse</l>",
    ]
    padding = b"\0" * 100 + b"x\x9c"  # even where the padding looks like a block
    data = b"".join(zlib.compress(block.encode()) + padding for block in blocks)
    assert [re.sub(r"\s+", " ", text) for text in READERS["sword"](data)] == [
        "In the beginning was",
        "the word.",
        "And & so.",
        "A line of verse",
    ]


def string(text):
    content = text.encode()
    return struct.pack(">ii", 0x00040009, len(content)) + content


def test_rdata_books_are_lines_of_string_vectors():
    lines = ["EMMA", "", "Emma Woodhouse, _handsome_,", "clever, and rich."]
    header = b"X\n" + struct.pack(">iii", 3, 1, 1)
    vector = struct.pack(">ii", 16, len(lines)) + b"".join(map(string, lines))
    book = header + vector
    packed = struct.pack(">i", len(book)) + zlib.compress(book)
    assert READERS["rdata"](packed + packed[:4] + b"no stream") == [
        "EMMA",
        "Emma Woodhouse, handsome,\nclever, and rich.",
    ]


def test_the_table_may_name_every_reader():
    schema = yaml.safe_load((SCHEMAS / "sources.schema.yaml").read_text())
    assert sorted(READERS) == schema["properties"]["reader"]["enum"]
