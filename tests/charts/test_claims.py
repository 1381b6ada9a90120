"""Figures of the claims: what they draw and say of tables whose answer is known."""

import json

import polars as pl
import pytest

from sinkscope.charts.claims import compared, countings, distances, figures, sentence
from sinkscope.reduce.claims import FAILS, HOLDS, PARTLY, UNTESTED
from sinkscope.reduce.schemas import EXPERIMENTS

COUNTS = {"model": pl.String, "token": pl.String, "share": pl.Float64}


def claims(*rows):
    """Rows of the table, those columns given that matter."""
    plain = dict.fromkeys(EXPERIMENTS["claims"].columns) | {
        "study": "atlas", "is_relative": False, "measure": "max_key_share", "options": "{}",
        "verdict": UNTESTED, "why": "",
    }  # fmt: skip
    filled = [
        plain | {"difference": row["measured"] - row["published"]} | row
        if row.get("measured") is not None and row.get("published") is not None
        else plain | row
        for row in rows
    ]
    return pl.DataFrame(filled, schema=dict(EXPERIMENTS["claims"].columns))


def row(number, subject, model=None, **values):
    return {"number": number, "claim": f"c{number}", "subject": subject, "model": model} | values


THREE = claims(
    row(0, "a", "a", published=0.5, measured=0.6, verdict=HOLDS, overall=PARTLY),
    row(0, "b", "small", published=0.7, measured=0.1, is_relative=True, overall=PARTLY),
    row(1, "a", "a", published=0.2, measured=0.5, verdict=FAILS, overall=FAILS),
    row(2, "a", "a", published=0.9, measured=0.88, verdict=HOLDS, overall=HOLDS),
    row(3, "a", "a", published=1360, measured=1360, verdict=HOLDS, overall=HOLDS),
    row(4, "b", published=0.3, overall=UNTESTED),
    row(5, "a", "a", published=1, measured=0, measure="half_peak_layer", overall=HOLDS),
)
NOTE = claims(
    row(6, "a", "a", study="design", published=0.4, measured=0.1, verdict=FAILS, overall=FAILS)
)


def test_published_and_measured_stand_side_by_side():
    drawn = {
        (r["label"], r["kind"], r["model"]): r["value"]
        for r in compared(THREE).iter_rows(named=True)
    }
    assert drawn == {
        ("c0 a", "published", "a"): 0.5, ("c0 a", "measured, same model", "a"): 0.6,
        ("c0 b", "published", "b"): 0.7, ("c0 b", "measured, a relative", "small"): 0.1,
        ("c1", "published", "a"): 0.2, ("c1", "measured, same model", "a"): 0.5,
        ("c2", "published", "a"): 0.9, ("c2", "measured, same model", "a"): 0.88,
        ("c4", "published", "b"): 0.3,
    }  # fmt: skip


def test_a_note_of_this_project_is_not_published():
    drawn = {(r["model"], r["kind"]): r["value"] for r in compared(NOTE).iter_rows(named=True)}
    assert drawn == {("a", "noted by this project"): 0.4, ("a", "measured, same model"): 0.1}


def test_distances_are_of_the_very_models_alone():
    """0.1, 0.3 and 0.02; not the relative's, a count's or a layer's, nor a note's."""
    assert distances(pl.concat([THREE, NOTE])) == (
        "3 numbers of models that were in this run can be compared: the median distance from what "
        "is printed is 0.100, the largest 0.300."
    )
    for none in (THREE.filter(subject="b"), NOTE):
        assert distances(none) == "No model for which a study prints a number was in this run."


def test_the_median_of_two_distances_is_between_them():
    two = THREE.filter(pl.col("number") < 2, ~pl.col("is_relative"))
    assert "the median distance from what is printed is 0.200" in distances(two)


def test_the_sentence_counts_claims_not_rows_and_notes_apart():
    of_studies = (
        "Of 6 statements of the studies, 5 were tested by this run: 3 hold, 1 holds for those of "
        "its models that were tested and 1 does not hold. The others speak about models or tables "
        "that were not in it."
    )
    assert sentence(THREE) == of_studies
    assert sentence(pl.concat([THREE, NOTE])) == (
        f"{of_studies} Of 1 note of this project itself, measured when it was designed, 1 was "
        "tested by this run: 1 does not hold."
    )
    assert sentence(THREE.filter(number=4)) == (
        "Of 1 statement of the studies, 0 were tested by this run. They speak about models or "
        "tables that were not in it."
    )


def histograms(padded, real):
    return {
        "max_attention_tokens_padded": pl.DataFrame(padded, schema=COUNTS, orient="row"),
        "max_attention_tokens": pl.DataFrame(real, schema=COUNTS, orient="row"),
    }


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
    figure = countings(tables)
    drawn = {
        (r["panel"], r["token"], r["counting"]): r["share"]
        for r in figure.data.iter_rows(named=True)
    }
    assert drawn == {
        ("enc", "[SEP]", "published: padding counted"): 0.55,
        ("enc", "[SEP]", "here: padding counted"): 0.6,
        ("enc", "[SEP]", "here: real queries only"): 0.2,
        ("enc", "[CLS]", "here: padding counted"): 0.4,
        ("enc", "[CLS]", "here: real queries only"): 0.0,
        ("gone", "[SEP]", "published: padding counted"): 0.5,
    }
    assert figure.finding.startswith(
        "Counting the queries at padding moves \N{LEFT DOUBLE QUOTATION MARK}"
    )
    assert "of enc from " in figure.finding


def test_without_encoders_and_printed_numbers_there_is_nothing_to_draw():
    assert figures(histograms([], []) | {"claims": claims(row(0, "a", "a", measured=0.5))}) == []


@pytest.mark.parametrize("name", ["claims_numbers", "claims_countings"])
def test_figures_are_specifications(name):
    tables = histograms([("e", "x", 1.0)], [("e", "x", 1.0)]) | {"claims": THREE}
    found = {figure.name: figure for figure in figures(tables)}
    assert found[name].spec()["datasets"]["drawn"] == found[name].csv()
