"""Figures of the claims: what they draw and say of tables whose answer is known."""

import json

import polars as pl
import pytest

from claims.rows import NOTE, THREE, claims, row
from drawing import figures_of
from sentences import said
from sinkscope.charts.figure import as_svg
from sinkscope.claims.figures import countings, numbers
from sinkscope.findings.finding import Finding

LENGTHS = {"model": ["enc", "enc"], "document": ["a", "b"], "n_tokens": [5, 7]}
COUNTS = {"model": pl.String, "token": pl.String, "share": pl.Float64}


def test_published_and_measured_stand_side_by_side():
    drawn = {
        (r["label"], r["kind"], r["model"]): r["value"]
        for r in numbers.compared(THREE).iter_rows(named=True)
    }
    assert drawn == {
        ("c0 a", "published", "a"): 0.5, ("c0 a", "measured, same model", "a"): 0.6,
        ("c0 b", "published", "b"): 0.7, ("c0 b", "measured, a relative", "small"): 0.1,
        ("c1", "published", "a"): 0.2, ("c1", "measured, same model", "a"): 0.5,
        ("c2", "published", "a"): 0.9, ("c2", "measured, same model", "a"): 0.88,
        ("c4", "published", "b"): 0.3,
    }  # fmt: skip


def test_the_interval_of_a_measured_number_is_drawn_at_its_mark():
    rows = THREE.filter(number=2).with_columns(
        low=pl.lit(0.8), high=pl.lit(0.95), n_documents=pl.lit(8, pl.UInt32)
    )
    drawn = numbers.compared(rows).sort("kind").select("kind", "value", "low", "high")
    assert drawn.rows() == [
        ("measured, same model", 0.88, 0.8, 0.95), ("published", 0.9, None, None),
    ]  # fmt: skip
    svg = as_svg(numbers.figure({"claims": rows}).spec())
    assert svg.count('class="mark-rule role-mark ') == 1


def test_a_note_of_this_project_is_not_published():
    drawn = {
        (r["model"], r["kind"]): r["value"] for r in numbers.compared(NOTE).iter_rows(named=True)
    }
    assert drawn == {("a", "noted by this project"): 0.4, ("a", "measured, same model"): 0.1}


def sentence(claims):
    return Finding(numbers.FINDING, numbers.distances(claims)).text


def test_distances_are_of_the_very_models_alone():
    """0.1, 0.3 and 0.02; not the relative's, a count's or a layer's, nor a note's."""
    assert said(sentence(pl.concat([THREE, NOTE]))) == ["3", "0.100", "0.300"]
    for none in (THREE.filter(subject="b"), NOTE):
        assert said(sentence(none)) == []


def test_the_median_of_two_distances_is_between_them():
    two = THREE.filter(pl.col("number") < 2, ~pl.col("is_relative"))
    assert "0.200" in said(sentence(two))


def histograms(padded, real):
    """Tables of max keys; every share is that of 100 queries, half in each of two documents."""
    found = {"documents": pl.DataFrame(LENGTHS)}
    for rows, suffix in ((padded, "_padded"), (real, "")):
        shares = pl.DataFrame(rows, schema=COUNTS, orient="row")
        found[f"max_attention_tokens{suffix}"] = shares
        found[f"max_attention_documents{suffix}"] = shares.join(
            pl.DataFrame({"document": ["a", "b"]}), how="cross"
        ).with_columns(key_class=pl.lit("word"), count=(pl.col("share") * 50).cast(pl.UInt64))
    return found


def bar(number, subject, token, published, model=None, **values):
    options = json.dumps({"counting": "padded", "tokens": [token]})
    return row(number, subject, model, published=published, options=options, **values)


def test_bars_of_a_model_that_ran_and_of_one_that_did_not():
    tables = histograms(
        [("enc", "[SEP]", 0.6), ("enc", "[CLS]", 0.4)],
        [("enc", "[SEP]", 0.2), ("enc", "tide", 0.8), ("dec", "Z", 1.0)],
    ) | {
        "claims": claims(
            bar(0, "enc", "[SEP]", 0.55, "enc", measured=0.6),
            bar(1, "gone", "[SEP]", 0.5, "enc", measured=0.6, is_relative=True),
        )
    }
    figure = countings.figure(tables)
    drawn = {
        (r["panel"], r["token"], r["counting"]): r["share"]
        for r in figure.data.filter(document="all documents").iter_rows(named=True)
    }
    points = figure.data.filter(document="b")
    for one in points.iter_rows(named=True):  # each document is like the whole
        assert one["n_tokens"] == 7
        assert one["share"] == drawn[one["panel"], one["token"], one["counting"]]
    assert points.height == 4
    assert drawn == {
        ("enc", "[SEP]", "published: padding counted"): 0.55,
        ("enc", "[SEP]", "here: padding counted"): 0.6,
        ("enc", "[SEP]", "here: real queries only"): 0.2,
        ("enc", "[CLS]", "here: padding counted"): 0.4,
        ("enc", "[CLS]", "here: real queries only"): 0.0,
        ("gone", "[SEP]", "published: padding counted"): 0.5,
    }
    token, model, *shares = said(figure.finding.text, "enc")
    assert (token, model, len(shares)) in {("“[SEP]”", "enc", 2), ("“[CLS]”", "enc", 2)}


def test_without_encoders_and_printed_numbers_there_is_nothing_to_draw():
    tables = histograms([], []) | {"claims": claims(row(0, "a", "a", measured=0.5))}
    assert figures_of("claims", **tables) == []


@pytest.mark.parametrize("name", ["claims_numbers", "claims_countings"])
def test_figures_are_specifications(name):
    tables = histograms([("e", "x", 1.0)], [("e", "x", 1.0)]) | {"claims": THREE}
    found = {figure.name: figure for figure in figures_of("claims", **tables)}
    assert found[name].spec()["datasets"]["drawn"] == found[name].csv()
