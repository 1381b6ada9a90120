"""The page of the claims: verdicts and numbers as the table has them."""

import re
from types import SimpleNamespace

import polars as pl
import pytest

from claims.rows import THREE, claims, row
from report.made import HOSTILE
from report.test_report import Elements
from sentences import said
from sinkscope.charts.theme import ALL_DOCUMENTS
from sinkscope.claims import summary
from sinkscope.claims.page import (
    DOUBT,
    brief,
    estimate,
    interval,
    measured_as,
    number,
    page,
    shown,
)
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY, UNTESTED


@pytest.fixture(scope="module")
def articles(site):
    """Claim to the text of its part of the page, white space made one space."""
    parts = re.split(r'<article class="', site.html["claims"])[1:]
    texts = [" ".join(Elements(part.split("</article>")[0]).text.split()) for part in parts]
    names = [re.search(r'id="claim-([^"]+)"', part)[1] for part in parts]
    return dict(zip(names, texts, strict=True))


def table(site):
    return pl.read_parquet(site.out / "data" / "claims.parquet")


def test_every_claim_stands_with_its_verdict(articles):
    verdicts = {
        name: re.search(f"{PARTLY}|{HOLDS}|{FAILS}|{UNTESTED}", text.split("noted")[0])[0]
        for name, text in articles.items()
    }
    assert verdicts == {
        "holds": HOLDS, "partly": PARTLY, "alike": UNTESTED, "fails": FAILS, "absent": FAILS,
        "untested": UNTESTED, "unclear": HOLDS, "note": HOLDS,
    }  # fmt: skip
    assert "1 of 2 models tested" in articles["partly"]
    assert "gone was not in this run; its relative" in articles["partly"]
    assert "This run has no table bos;" in articles["untested"]
    assert "Holds where that is above 2." in articles["fails"]


def test_one_kind_of_model_does_not_test_what_is_said_of_both(articles):
    assert "encoders and decoders" in articles["alike"]


def test_a_claim_about_something_that_is_not_there_says_so(articles):
    assert "The key set punctuation is not a sink of dec" in articles["absent"].split("(")[0]


def test_notes_of_this_project_stand_apart(articles, site):
    html = site.html["claims"]
    notes = html.index('<section id="notes">')
    assert html.index('id="claim-note"') > notes
    assert all(html.index(f'id="claim-{name}"') < notes for name in articles if name != "note")
    assert "noted: 0.25" in articles["note"]
    assert "ublished" not in articles["note"]


def test_published_numbers_stand_beside_measured_ones(articles, site):
    row = table(site).filter(claim="fails").row(0, named=True)
    for value in (number(row["measured"]), "0.9", number(row["difference"], signed=True)):
        assert value in articles["fails"]
    assert row["difference"] == pytest.approx(row["measured"] - 0.9)


def test_the_index_says_how_many_and_leads_there(site):
    assert summary.sentence(table(site)) in " ".join(Elements(site.html["claims"]).text.split())
    index = " ".join(Elements(site.html["index"]).text.split())
    brief = index[index.index("5 of 7 claims") :]
    assert said(brief, "hold", "holds", "do not hold")[:8] == [
        "5", "7", "2", "hold", "1", "holds", "2", "do not hold",
    ]  # fmt: skip
    assert '<a href="claims.html">' in site.html["index"]


def test_a_statement_stays_text(site):
    assert HOSTILE not in site.html["claims"]
    assert f"holds {HOSTILE}" in Elements(site.html["claims"]).text


def test_both_countings_of_the_encoder_and_the_printed_bar(site):
    drawn = pl.read_csv(site.results / "sections/claims/claims_countings.csv")
    drawn = drawn.filter(pl.col("document").fill_null(ALL_DOCUMENTS) == ALL_DOCUMENTS)
    bars = {
        (r["panel"], r["token"], r["counting"]): r["share"]
        for r in drawn.filter(document="all documents").iter_rows(named=True)
    }
    assert bars["enc", "[CLS]", "published: padding counted"] == pytest.approx(0.55)
    for name, counting in (("max_attention_tokens", "here: real queries only"),
                           ("max_attention_tokens_padded", "here: padding counted")):  # fmt: skip
        counts = pl.read_parquet(site.out / "data" / f"{name}.parquet").filter(model="enc")
        share = counts.filter(token="[CLS]")["share"].sum()
        assert bars["enc", "[CLS]", counting] == pytest.approx(share, abs=1e-6)
    assert "dec" not in set(drawn["panel"])


def test_numbers_and_measures_as_they_are_read():
    assert [number(x) for x in (None, 0.55179, 0.99999, 1360.0, 5158.0)] == [
        "\N{EN DASH}", "0.5518", "0.99999", "1360", "5158",
    ]  # fmt: skip
    assert number(0.25, signed=True) == "+0.25"
    options = '{"counting": "padded", "layers": [3, 11], "tokens": ["[SEP]"]}'
    told = measured_as("max_key_share", options)
    assert told.startswith("share of all max keys (counting padded, layers 3 to 11, tokens ")
    assert told.endswith("[SEP]\N{RIGHT DOUBLE QUOTATION MARK})")


def test_the_line_below_a_claim_names_models_once():
    row = {"measured": 0.5, "published": 0.9, "why": "", "verdict": HOLDS, "study": "atlas",
           "low": None, "high": None, "n_documents": None}  # fmt: skip
    own = row | {"model": "m", "is_relative": False}
    kin = [row | {"model": "k", "is_relative": True, "measured": 0.25}] * 2
    assert brief([own]) == "m 0.5; published: 0.9"
    assert brief([own, *kin]) == "m 0.5; relative: k 0.25; published: 0.9"
    assert brief([own | {"study": "design"}]) == "m 0.5; noted: 0.9"
    untested = own | {"measured": None, "published": None, "why": "Not here.", "model": None}
    assert brief([untested | {"verdict": UNTESTED}]) == "Not here."
    absent = untested | {"verdict": FAILS, "published": 0.9}
    assert brief([absent]) == "Not here; published: 0.9"


def test_a_number_stands_with_its_interval_and_the_number_of_documents():
    row = {"measured": 0.46888, "low": 0.4276, "high": 0.50987, "n_documents": 8}
    assert estimate(row) == "0.4689 [0.4276, 0.5099], 8 documents"
    assert estimate(row | {"low": None, "high": None}) == "0.4689"
    told = {"model": "m", "is_relative": True, "verdict": UNTESTED, "why": "", "published": None}
    others = [row | told, row | told | {"model": "o", "n_documents": 6}]
    assert brief(others) == (
        "relatives: m 0.4689 [0.4276, 0.5099], o 0.4689 [0.4276, 0.5099]; n = 6 to 8 documents"
    )


@pytest.mark.parametrize(
    ("is_clear", "verdict", "expected"),
    [(False, HOLDS, DOUBT), (False, FAILS, DOUBT), (True, HOLDS, ""), (None, HOLDS, ""),
     (False, UNTESTED, "")],
)  # fmt: skip
def test_a_verdict_whose_interval_includes_the_threshold_says_so(is_clear, verdict, expected):
    """A relative decides nothing: there the doubt is in its own line alone."""
    rows = THREE.filter(number=2).with_columns(
        is_clear=pl.lit(is_clear, pl.Boolean), verdict=pl.lit(verdict),
        condition=pl.lit("above 0.5"),
    )  # fmt: skip
    claim = shown(rows.rows(named=True))
    assert claim["doubt"] == expected
    assert claim["rows"][0]["doubt"] == (DOUBT if is_clear is False else "")


def test_the_page_says_in_words_that_an_interval_includes_the_threshold(articles, site):
    """`unclear` asks for a mass between those of the two documents; `holds` does not."""
    row = table(site).filter(claim="unclear").row(0, named=True)
    assert row["low"] < row["measured"] < row["high"]
    assert row["is_clear"] is False
    assert f"{row['verdict']} but {DOUBT}" in articles["unclear"]
    assert articles["unclear"].count(interval(row)) == 2  # in the line, and in the table
    assert "; n = 3 documents" in articles["unclear"]
    assert f"Other definitions: {row['sensitivity']}." in articles["unclear"]
    assert DOUBT not in articles["holds"]


def test_what_could_explain_a_disagreement_stands_in_its_row(articles, site):
    claims = table(site)
    row = claims.filter(claim="fails").row(0, named=True)
    assert re.match(r"length \(layer 0: 0\.\d+, which does not", row["ablation"])
    assert f"Possible cause: {row['ablation']}." in articles["fails"]
    assert set(claims.filter(pl.col("claim") != "fails")["ablation"].fill_null("")) == {""}


def test_own_claims_come_first_and_each_work_of_the_literature_has_a_part_by_year():
    def one(n, study, source):
        return row(n, "a", "a", study=study, source=source, statement="s", kind="number",
                   condition="above 0.5", measured=0.6, overall=HOLDS)  # fmt: skip

    table = claims(
        one(0, "literature", "Gu et al. 2024, table 1"), one(1, "atlas", "Pramodith 2023"),
        one(2, "literature", "Clark et al. 2019, after Gu et al. 2024"), one(3, "design", "here"),
        one(4, "harbour", "our plan"), one(5, "literature", "Gu et al. 2024, figure 3"),
    )  # fmt: skip
    made = page(table, SimpleNamespace(title="Claims"))
    titles = list(made["studies"])
    assert titles[:2] == ["harbour", "Sink atlas (study 1, Pramodith 2023)"]
    assert titles[2].startswith("Clark et al. 2019: What Does BERT Look At?")
    assert titles[3].startswith("Gu et al. 2024: When Attention Sink Emerges")
    assert [claim["claim"] for claim in made["studies"][titles[3]]] == ["c0", "c5"]
    assert [claim["claim"] for claim in made["notes"]] == ["c3"]
