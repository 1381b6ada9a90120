"""A finding: the sentence, and the rows of the table `findings`."""

import math

import jinja2
import pytest

from sinkscope.findings.finding import Finding

MODELS = [{"model": "a", "mass": 0.5}, {"model": "b", "mass": 0.25}]


def test_a_sentence_formats_its_facts_and_the_table_holds_them():
    finding = Finding("{{ n }} of {{ models | names | listed }}: {{ share | percent }}.",
                      {"n": 2, "models": MODELS, "share": 1 / 3})  # fmt: skip
    assert finding.text == "2 of a and b: 33.3%."
    rows = {(row["name"], row["model"]): row["value"] for row in finding.rows("figure", "m")}
    assert rows == {
        ("n", "m"): 2, ("models.mass", "a"): 0.5, ("models.mass", "b"): 0.25,
        ("share", "m"): pytest.approx(1 / 3),
    }  # fmt: skip


def test_numbers_do_not_depend_on_the_order_of_addition():
    one, other = 0.4470540157519281, 0.44705401575192805
    assert Finding("", {"x": one}).rows("f") == Finding("", {"x": other}).rows("f")


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_number_that_does_not_exist_is_null(value):
    (row,) = Finding("", {"x": value}).rows("f")
    assert (row["value"], row["text"]) == (None, None)


def test_a_token_is_not_part_of_the_template():
    assert Finding("{{ token }}", {"token": "{{ 7 * 7 }}"}).text == "{{ 7 * 7 }}"


def test_a_name_that_the_facts_lack_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        _ = Finding("{{ nothing }}").text
