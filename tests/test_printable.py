"""Characters that a terminal, a page or a figure cannot show."""

import re
import unicodedata

import altair as alt
import polars as pl

from sinkscope.charts.figure import Figure, as_svg
from sinkscope.charts.theme import data_source
from sinkscope.extract.pieces import readable
from sinkscope.printable import printable

# https://www.w3.org/TR/xml/#charsets
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EVERY = "".join(map(chr, range(0x110000)))


def test_controls_are_pictures_and_what_is_no_character_is_its_number():
    assert printable("a\0b\x01\x0c\r\x1b[31m\x7f") == "a␀b␁␌␍␛[31m␡"
    assert printable("\x9b\u202e\ufffe\uffff\ud83d\U0001fffe") == (
        "<U+009B><U+202E><U+FFFE><U+FFFF><U+D83D><U+1FFFE>"
    )
    assert readable("a b\n\t\x0b") == "a▁b⏎⇥␋"


def test_no_character_is_left_that_steers_a_terminal_or_that_xml_refuses():
    shown = printable(EVERY)
    assert not NOT_XML.search(shown)
    assert {char for char in shown if unicodedata.category(char) == "Cc"} == {"\t", "\n"}
    assert shown.encode()  # no half of a surrogate pair


def test_other_characters_stay():
    text = "Z cafe\u0301 🙂 👩\u200d🚀 ☺\ufe0f हि שלום\u200f\tx\n"
    assert printable(text) == text


def test_tokens_of_any_character_can_be_drawn():
    """An SVG figure is XML."""
    data = pl.DataFrame({"token": [readable(f"a{chr(code)}") for code in (*range(32), 0xFFFE)]})
    chart = alt.Chart(data_source(data)).mark_point().encode(y="token:N")
    assert "a␛" in as_svg(Figure("name", "title", "", "", chart, data).spec())
