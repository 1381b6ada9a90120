"""The section on induction heads: what its figures say of tables whose answer is known."""

import io

import polars as pl
import pytest

from drawing import write_section
from induction_heads import BUSY, N_HEADS, N_LAYERS, RESTING, WITHOUT, drawn, heads, patterns
from report.made import strict_json
from sentences import said
from sinkscope.charts.figure import as_svg


@pytest.fixture(scope="module")
def three():
    return drawn(RESTING, WITHOUT, BUSY)


def test_sentences_of_a_few_models_name_each(three):
    assert said(three["induction_scores"].finding.text, "b", "c") == [
        "0.4", "2", "12", "1", "12", "c", "12", "b", "2", "1", "0.80",
    ]  # fmt: skip
    assert said(three["induction_dormancy"].finding.text, "b", "c") == [
        "2", "3", "0.80", "0.72", "0.88", "0.10", "0.09", "0.11", "0.05", "0.05", "0.06", "c",
        "0.30", "0.27", "0.33", "0.10", "0.09", "0.11", "0.30", "0.27", "0.33", "c", "b",
    ]  # fmt: skip
    assert said(three["induction_heads_at_rest"].finding.text, "c") == [
        "3", "2", "1", "0.90", "0.81", "0.99", "3", "2", "c", "0.05", "0.05", "0.06",
    ]  # fmt: skip


def test_captions_say_formula_number_unit_and_source(three):
    for figure in three.values():
        assert "n = " in figure.caption
        assert "Unit: " in figure.caption
        assert "A[l,h,i," in figure.caption
    assert "Olsson et al. 2022" in three["induction_scores"].caption
    assert "Guo et al. 2024" in three["induction_dormancy"].caption
    for name in ("induction_scores", "induction_patterns"):
        assert "Key i-N is the same token the first time" in three[name].caption
        assert "key i-N+1 the one that followed it then" in three[name].caption


def test_induction_heads_are_drawn_with_every_document(three):
    drawn = three["induction_heads_at_rest"].data
    points = drawn.filter(pl.col("document") != "all documents")
    assert set(points["kind"]) == {"induction heads"}
    of_all = drawn.filter(document="all documents", kind="induction heads")
    assert points.height == 2 * of_all.height > 0
    for row in of_all.iter_rows(named=True):
        own = points.filter(*(pl.col(name) == row[name] for name in ("model", "layer", "head")))
        expected = [row["first_token"] * part for part in (0.9, 1.1)]
        assert own.sort("document")["first_token"].to_list() == pytest.approx(expected)
        assert own["n_tokens"].to_list() == [50, 50]


def test_every_head_is_drawn_and_those_at_the_threshold_have_a_dot(three):
    figure = three["induction_scores"]
    assert figure.data.height == 3 * N_LAYERS * N_HEADS
    svg = as_svg(figure.spec())
    assert svg.count('fill="white" stroke="#15171b"') == 3
    for text in ("2 of 12 heads", "0 of 12 heads", "1 of 12 heads"):
        assert text in svg


def test_a_score_equal_to_the_threshold_has_a_dot():
    svg = as_svg(drawn(heads("a", {(0, 0): (0.4, 0.5)}))["induction_scores"].spec())
    assert svg.count('fill="white" stroke="#15171b"') == 1


def test_the_csv_has_what_is_drawn(three):
    for figure in three.values():
        spec = figure.spec()
        assert spec["datasets"]["drawn"] == figure.csv()
        assert pl.read_csv(io.StringIO(figure.csv())).height == figure.data.height
    assert set(three["induction_patterns"].data["model"]) == {"a", "b", "c"}
    every = three["induction_dormancy"].data
    rest = every.filter(document="all documents")
    assert rest["first_token_induction_low"].to_list() == pytest.approx([0.72, None, 0.045])
    one = every.filter(document="one")
    assert one["first_token_induction"].to_list() == pytest.approx([0.72, None, 0.045])
    assert one["n_tokens"].to_list() == [50] * 3
    assert rest["first_token_induction"].to_list() == pytest.approx([0.8, None, 0.05])
    assert rest["first_token_others"].to_list() == pytest.approx([0.1, 1.3 / 12, 0.3], abs=1e-6)


def test_sentences_of_many_models_name_the_extremes():
    planted = {(1, 1): (0.5, 0.6), (1, 2): (0.5, 0.8)}
    figures = drawn(
        heads("d", planted),
        *(heads(f"m{i}", {(1, 1): (0.6, 0.2 + i / 10)}) for i in range(3)),
        WITHOUT,
    )
    scores = figures["induction_scores"].finding.text
    for part in ("4 of 5 models", "1 of 12 heads (m2) to 2 of 12 heads (d)",
                 "head 1 of layer 1 of m0 with 0.60"):  # fmt: skip
        assert part in scores
    text = figures["induction_dormancy"].finding.text
    assert said(text, "b", "m0")[-12:] == [
        "m0", "0.20", "0.18", "0.22", "0.10", "0.09", "0.11", "2", "2", "4", "4", "b",
    ]  # fmt: skip


def test_the_sentence_names_a_model_whose_induction_heads_rest_less():
    many = [heads(f"m{i}", {(1, 1): (0.6, 0.2 + i / 10)}) for i in range(3)]
    text = drawn(BUSY, *many)["induction_dormancy"].finding.text
    assert said(text, "c", "m2") == [
        "0", "4", "3", "4", "m2", "0.40", "0.36", "0.44", "0.10", "0.09", "0.11", "2", "2", "c",
        "0.05", "0.05", "0.06", "0.30", "0.27", "0.33", "0", "2", "3", "4",
    ]  # fmt: skip


def test_no_induction_heads_at_all():
    figures = drawn(WITHOUT)
    assert said(figures["induction_scores"].finding.text, "b") == [
        "b", "0.4", "3", "0", "b", "0.30",
    ]  # fmt: skip
    assert said(figures["induction_dormancy"].finding.text, "b") == ["b", "0.4"]
    assert "No head is right of the dashed line" in figures["induction_heads_at_rest"].finding.text
    assert "none, others 0.11" in as_svg(figures["induction_dormancy"].spec())
    assert "not an induction head" in as_svg(figures["induction_patterns"].spec())


def test_a_model_with_induction_heads_only_has_no_others_to_compare():
    only = heads("a", {(0, 0): (0.9, 0.7)}, size=(1, 1))
    figures = drawn(only)
    assert said(figures["induction_dormancy"].finding.text) == ["1", "1", "0.70", "0.63", "0.77"]
    assert said(figures["induction_heads_at_rest"].finding.text) == [
        "0", "0", "0.70", "0.63", "0.77",
    ]  # fmt: skip
    assert "0.70, others none" in as_svg(figures["induction_dormancy"].spec())
    many = [heads(f"m{i}", {(0, 0): (0.9, 0.7)}, size=(1, 1)) for i in range(5)]
    assert said(drawn(*many)["induction_dormancy"].finding.text) == ["5", "5"]


def test_values_that_are_missing_are_left_out():
    gone = pl.lit(None, pl.Float64)
    at = (pl.col("layer") == 1) & (pl.col("head") == 2)
    nothing = float("nan")
    table = RESTING.with_columns(first_token=pl.when(at).then(nothing).otherwise("first_token"))
    figures = drawn(table, WITHOUT.with_columns(first_token=gone, over_half=gone))
    assert "1 of 1 induction head gives" in figures["induction_dormancy"].finding.text
    assert "0.70 [0.63, 0.77] in a (other heads 0.10 " in figures["induction_dormancy"].finding.text
    assert set(figures["induction_dormancy"].data["model"]) == {"a"}
    assert figures["induction_scores"].data.height == 2 * N_LAYERS * N_HEADS
    without_text = RESTING.with_columns(first_token=gone, over_half=gone)
    assert list(drawn(without_text)) == [
        "induction_scores",
        "induction_patterns",
        "induction_on_text",
    ]
    unscored = WITHOUT.with_columns(induction_score=gone, is_induction=pl.lit(None, pl.Boolean))
    assert "b" not in set(drawn(RESTING, unscored)["induction_scores"].data["model"])


def test_nothing_is_drawn_without_decoders(tmp_path):
    RESTING.clear().write_parquet(tmp_path / "induction.parquet")
    patterns("a", 0, 0, 0, 0).clear().write_parquet(tmp_path / "induction_patterns.parquet")
    pl.DataFrame({"model": "a", "attention": "softmax"}).write_parquet(tmp_path / "models.parquet")
    for name in ("heads", "documents"):
        pl.DataFrame({"model": "a"}).write_parquet(tmp_path / f"{name}.parquet")
    write_section("induction", tmp_path, tmp_path / "out")
    assert strict_json((tmp_path / "out" / "figures.json").read_text()) == []


def test_names_are_text_wherever_they_stand():
    name = "<b>'\"\\ x</b>"
    for figure in drawn(heads(name, {(0, 0): (0.9, 0.7)})).values():
        svg = as_svg(figure.spec())
        assert "<b>" not in svg
        assert "&lt;b&gt;" in svg or figure.name == "induction_heads_at_rest"


def test_wide_models_stay_within_the_page():
    wide = heads("wide", {(40, 3): (0.9, 0.7)}, size=(80, 64))
    for figure in drawn(wide, *(heads(f"m{i}", {}) for i in range(4))).values():
        width = float(as_svg(figure.spec()).split('width="')[1].split('"')[0])
        assert width <= 864, (figure.name, width)
