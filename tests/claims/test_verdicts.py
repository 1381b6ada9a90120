"""Claims: what is read from their file, and what a run says of them."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from claims.cases import CASES
from sentences import said
from sinkscope.catalogue import all_tables
from sinkscope.claims.file import read_claims
from sinkscope.claims.measure import measures
from sinkscope.claims.table import TABLES
from sinkscope.claims.verdicts import FAILS, HOLDS, PARTLY, UNTESTED, evaluate, write_claims
from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError

ROOT = Path(__file__).parents[2]
CLAIMS = ROOT / "config" / "claims.yaml"

CLAIM = {
    "claim": "z-share", "study": "atlas", "kind": "number", "statement": "Z takes most.",
    "source": "a study", "models": ["big"], "measure": "max_key_share",
    "with": {"tokens": ["Z"]}, "condition": {"at_least": 0.5},
}  # fmt: skip
MODELS = {
    "big": {"sources": ["hub:lab/big", "hub:big"], "architecture": "GPT2Model", "kind": "decoder"},
    "lone": {"sources": ["hub:lab/lone"], "architecture": "MambaModel", "kind": "decoder"},
    "enc": {"sources": ["hub:lab/enc"], "architecture": "BertModel", "kind": "encoder"},
}


@pytest.fixture
def written(tmp_path):
    """A file with one claim, changed by keywords, or with those given."""

    def write(*claims, subjects=MODELS, **changes):
        path = tmp_path / "claims.yaml"
        kept = {key: value for key, value in (CLAIM | changes).items() if value is not None}
        path.write_text(
            yaml.safe_dump(
                {"shipped": False, "models": subjects, "claims": list(claims) or [kept]},
                sort_keys=False,
            )
        )
        return path

    return write


def run(*models, share=0.75):
    """Tables of a run with these (name, source, architecture, attention, parameters)."""
    columns = ["model", "source", "architecture", "attention", "n_parameters"]
    facts = pl.DataFrame(list(models), schema=columns, orient="row").with_columns(n_layers=6)
    counts = [
        {"model": name, "token": token, "key_class": key_class, "count": count}
        for name, *_ in models
        for token, key_class, count in (
            ("Z", "first", round(share * 1000)),
            ("a", "word", 1000 - round(share * 1000)),
        )
    ]
    histogram = pl.DataFrame(counts)
    return {"models": facts, "max_attention_tokens": histogram,
            "max_attention_tokens_padded": histogram.clear()}  # fmt: skip


ITSELF = ("here", "hub:lab/big@v2", "GPT2Model", "softmax", 900)
RELATIVE = ("small", "zoo:small", "GPT2Model", "softmax", 3)
STRANGER = ("other", "zoo:other", "LlamaModel", "softmax", 5)


def judged(path, tables):
    return evaluate(read_claims(path), tables).rows(named=True)


@pytest.mark.parametrize(("share", "verdict"), [(0.75, HOLDS), (0.5, HOLDS), (0.499, FAILS)])
def test_a_claim_about_a_model_that_ran_holds_or_does_not(written, share, verdict):
    (row,) = judged(written(published=0.7), run(ITSELF, RELATIVE, STRANGER, share=share))
    assert (row["model"], row["is_relative"], row["verdict"], row["why"]) == (
        "here",
        False,
        verdict,
        "",
    )
    assert row["measured"] == pytest.approx(share)
    assert row["difference"] == pytest.approx(share - 0.7)
    assert row["meets"] is (verdict == HOLDS)


def test_a_model_that_did_not_run_is_not_tested_and_its_relatives_stand_in(written):
    larger = ("medium", "zoo:medium", "GPT2Model", "softmax", 40)
    variant = ("sigmoid", "zoo:sigmoid", "GPT2Model", "sigmoid", 40)
    rows = judged(written(), run(RELATIVE, larger, variant, STRANGER))
    assert [(row["model"], row["verdict"]) for row in rows] == [
        ("medium", UNTESTED),
        ("small", UNTESTED),
    ]
    assert all(row["is_relative"] and row["meets"] and row["measured"] == 0.75 for row in rows)
    assert (
        rows[0]["why"] == "big was not in this run; its relative medium would meet the condition."
    )
    (below,) = judged(written(), run(RELATIVE, share=0.1))
    assert below["why"].endswith("its relative small would not meet the condition.")


def test_without_a_relative_the_reason_names_the_architecture(written):
    (row,) = judged(written(models=["lone"]), run(ITSELF))
    assert (row["model"], row["measured"], row["verdict"]) == (None, None, UNTESTED)
    assert row["why"] == (
        "lone was not in this run, nor was another model of its architecture (MambaModel)."
    )


def test_the_grid_that_would_test_a_claim_is_named(written):
    subjects = {name: model | {"grid": "config/large.yaml"} for name, model in MODELS.items()}
    (below,) = judged(written(subjects=subjects), run(RELATIVE))
    assert below["why"].startswith("big was not in this run (the grid of config/large.yaml has it)")
    (lone,) = judged(written(models=["lone"], subjects=subjects), run(ITSELF))
    assert "lone was not in this run (the grid of config/large.yaml has it), nor" in lone["why"]


def test_a_table_that_the_run_has_not_is_named(written):
    options = {"table": "second_sink", "column": "ratio"}
    (row,) = judged(written(measure="value", **{"with": options}), run(ITSELF))
    assert row["verdict"] == UNTESTED
    assert row["why"] == "This run has no table second_sink; the experiment second_sink makes it."


def test_a_table_that_has_nothing_of_the_model_is_named(written):
    tables = run(ITSELF)
    tables["max_attention_tokens"] = tables["max_attention_tokens"].clear()
    (row,) = judged(written(), tables)
    assert row["verdict"] == UNTESTED
    assert said(row["why"], "here", "max_attention_tokens") == ["here", "max_attention_tokens"]


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [({"within": 0.06}, HOLDS), ({"within": 0.04}, FAILS), ({"above": 0.75}, FAILS),
     ({"at_least": 0.75}, HOLDS), ({"below": 0.75}, FAILS), ({"at_most": 0.75}, HOLDS),
     ({"above": 0.7, "below": 0.8}, HOLDS), ({"above": 0.7, "below": 0.72}, FAILS)],
)  # fmt: skip
def test_all_parts_of_a_condition_must_hold(written, condition, verdict):
    (row,) = judged(written(condition=condition, published="4/5"), run(ITSELF))
    assert row["verdict"] == verdict
    assert row["published"] == pytest.approx(0.8)


ENCODER = ("e", "hub:lab/enc", "BertModel", "softmax", 9)
LONE = ("l", "hub:lab/lone", "MambaModel", "softmax", 9)


@pytest.mark.parametrize(
    ("models", "ran", "share", "overall"),
    [
        (["big", "lone"], [ITSELF, LONE], 0.75, HOLDS),
        (["big", "lone"], [ITSELF], 0.75, PARTLY),
        (["big", "lone"], [STRANGER], 0.75, UNTESTED),
        (["big", "lone"], [ITSELF], 0.25, FAILS),
        (["big", "lone", "enc"], [ITSELF, LONE], 0.75, UNTESTED),
        (["big", "lone", "enc"], [ENCODER], 0.75, UNTESTED),
        (["big", "lone", "enc"], [ENCODER, LONE], 0.75, PARTLY),
        (["big", "lone", "enc"], [ENCODER, LONE, ITSELF], 0.75, HOLDS),
        (["big", "lone", "enc"], [ENCODER], 0.25, FAILS),
    ],
)
def test_a_claim_holds_if_it_holds_for_every_model_and_both_kinds_that_it_speaks_about(
    written, models, ran, share, overall
):
    rows = judged(written(models=models), run(*ran, share=share))
    assert {row["overall"] for row in rows} == {overall}


def test_one_model_for_which_it_does_not_hold_decides_a_claim(written):
    tables = run(ITSELF, LONE)
    z = (pl.col("model") == "l") & (pl.col("token") == "Z")
    counts = tables["max_attention_tokens"].with_columns(
        count=pl.when(z).then(1).otherwise("count")
    )
    rows = judged(written(models=["big", "lone"]), tables | {"max_attention_tokens": counts})
    assert [row["verdict"] for row in rows] == [HOLDS, FAILS]
    assert {row["overall"] for row in rows} == {FAILS}


def test_what_a_claim_speaks_about_must_exist(written):
    """Of [SEP], which is never a max key here, nothing holds; nor would it for a relative."""
    options = {"tokens": ["Z"], "of": ["[SEP]"]}
    path = written(measure="max_key_ratio", condition={"at_least": 0}, **{"with": options})
    (row,) = judged(path, run(ITSELF))
    assert (row["measured"], row["meets"], row["verdict"]) == (None, False, FAILS)
    assert row["why"] == "[SEP] is the max key of no query of here."
    (row,) = judged(path, run(RELATIVE))
    assert (row["measured"], row["meets"], row["verdict"]) == (None, False, UNTESTED)
    assert row["why"].endswith(
        "small would not meet the condition. [SEP] is the max key of no query of small."
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"measure": "no_such"}, "measure 'no_such' does not exist; measures are broadest_head, c"),
        ({"models": ["nobody"]}, "models names 'nobody', which is not in the file's list"),
        ({"verdict": "holds"}, "unknown key 'verdict'"),
        ({"condition": None}, "'condition' is missing"),
        ({"condition": {}}, "condition is {}"),
        ({"condition": {"near": 1}}, "condition: unknown key 'near'; known: above, below"),
        ({"condition": {"above": float("nan")}}, "condition.above is nan; it must be a finite"),
        ({"study": "mine"}, "study is 'mine'; it must be one of atlas, second-sink, dormant"),
        ({"published": "most"}, "published is 'most'; write a number or a fraction"),
        ({"published": "1/0"}, "published is '1/0'; write a number or a fraction"),
        ({"condition": {"within": 0.1}}, "give published for every model"),
        ({"sensitivity": {"other": 0.3}}, "sensitivity.other is 0.3"),
    ],
)  # fmt: skip
def test_a_claim_that_cannot_be_read_is_named(written, changes, sentence):
    with pytest.raises(SinkscopeError) as caught:
        read_claims(written(**changes))
    assert str(caught.value).startswith("claims.yaml, claim 'z-share': ")
    assert sentence in str(caught.value)


def test_files_without_claims_or_with_one_twice_are_errors(written, tmp_path):
    with pytest.raises(SinkscopeError, match="a second claim has this name"):
        read_claims(written(CLAIM, CLAIM))
    (tmp_path / "none.yaml").write_text("shipped: false\nmodels: {}\nclaims: []\n")
    with pytest.raises(SinkscopeError, match=r"none.yaml: has no claims"):
        read_claims(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "changes",
    [{"sources": None}, {"sources": "hub:lab/big"}, {"architecture": None}, {"kind": None},
     {"kind": "both"}],
)  # fmt: skip
def test_a_model_of_the_file_that_cannot_be_read_is_named(written, changes):
    """A single text for the list of sources would match no model, and test nothing."""
    big = {key: value for key, value in (MODELS["big"] | changes).items() if value is not None}
    with pytest.raises(SinkscopeError, match=r"claims\.yaml, model 'big': is .*; give it sources"):
        read_claims(written(subjects={"big": big}))


@pytest.mark.parametrize("subjects", [None, ["big"]])
def test_a_file_without_models_is_named(written, subjects):
    with pytest.raises(SinkscopeError, match=r"claims\.yaml: has no mapping 'models'"):
        read_claims(written(subjects=subjects))


def test_a_claim_that_is_no_mapping_is_named(written):
    with pytest.raises(SinkscopeError, match=r"claims\.yaml, claim 2: is 'z-share', not a mapping"):
        read_claims(written(CLAIM, "z-share"))


@pytest.mark.parametrize(
    ("measure", "options", "sentence"),
    [
        ("max_key_share", {"key_set": "sep"}, "has no option 'key_set'; its options are counting"),
        ("max_key_share", {"tokens": 3}, "tokens is 3; it must be a list of tokens"),
        (
            "max_key_share",
            {"counting": "twice"},
            "counting is 'twice'; it must be one of tokens, p",
        ),
        (
            "max_key_share",
            {"key_classes": ["frist"]},
            "key_classes is 'frist'; it must be one of b",
        ),
        (
            "mass",
            {"key_set": "first_tokn"},
            "key_set is 'first_tokn'; it must be one of first_token",
        ),
        ("mass", {"layers": [0, 1]}, "needs the option 'key_set'; its options are key_set, layers"),
        ("mass", {"key_set": "bos", "layers": [5]}, "layers is [5]; it must be two layers"),
        (
            "mass",
            {"key_set": "bos", "layers": "middle"},
            "layers is 'middle'; it must be two layers",
        ),
        ("mass", {"key_set": "bos", "layers": "each"}, "layers is 'each'; it must be two layers"),
        (
            "mass",
            {"key_set": "bos", "over_layers": "average"},
            "over_layers is 'average'; it must b",
        ),
        (
            "value",
            {"table": "norm", "column": "key"},
            "table is 'norm'; it must be one of max_atten",
        ),
        (
            "value",
            {"table": "models", "column": "colour"},
            "column is 'colour'; it must be one of mo",
        ),
        (
            "value",
            {"table": "models", "column": "n_layers", "where": {"layr": 0}},
            "where is 'layr'; it must be one of model",
        ),
        (
            "second_sink",
            {"column": "rato", "layers": "all"},
            "column is 'rato'; it must be one of ",
        ),
    ],
)
def test_options_that_a_measure_has_not_are_named_with_the_legal_ones(
    written, measure, options, sentence
):
    """Already when the file is read: none may give a number, or stay untested."""
    path = written(measure=measure, **{"with": options})
    with pytest.raises(SinkscopeError) as caught:
        read_claims(path)
    assert str(caught.value).startswith("claims.yaml, claim 'z-share': with: ")
    assert sentence in str(caught.value)


def test_wrong_options_of_other_definitions_and_of_the_ablation_are_named(written):
    ablation = {"cause": "padding", "name": "PAD rows too", "with": {"counting": "pads"}}
    path = written(sensitivity={"other": {"key_classes": ["wrd"]}}, ablation=ablation)
    with pytest.raises(SinkscopeError) as caught:
        read_claims(path)
    first, second = str(caught.value).splitlines()
    assert "sensitivity 'other': key_classes is 'wrd'; it must be one of" in first
    assert "ablation: counting is 'pads'; it must be one of tokens, padded." in second


def test_a_measure_without_what_it_needs_is_an_error(written):
    """Neither tokens nor classes would have a share of 0."""
    claims = read_claims(written(**{"with": {}}))
    with pytest.raises(SinkscopeError, match="neither tokens nor key_classes are given"):
        evaluate(claims, run(ITSELF))


# --- A project's own file, and the shipped one ----------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """A project's file with the claim above, and these keys at its top."""

    def write(**top):
        path = tmp_path / "claims.yaml"
        claim = {key: value for key, value in CLAIM.items() if key != "study"}
        entry = claim if "name" in top else CLAIM
        path.write_text(yaml.safe_dump({**top, "models": MODELS, "claims": [entry]}))
        return path

    return write


def test_own_claims_stand_before_the_shipped_ones_under_the_name_of_their_file(own):
    claims = read_claims(own(name="harbour"))
    shipped = read_claims(CLAIMS)
    assert (claims[0].claim, claims[0].study, claims[0].number) == ("z-share", "harbour", 0)
    assert [claim.claim for claim in claims[1:]] == [claim.claim for claim in shipped]
    assert [claim.number for claim in claims] == list(range(len(shipped) + 1))


def test_the_shipped_claims_can_be_left_out(own):
    assert [claim.claim for claim in read_claims(own(shipped=False))] == ["z-share"]
    with pytest.raises(SinkscopeError, match=r"shipped is 'no'; it must be true .* or false"):
        read_claims(own(shipped="no"))


def test_own_claims_may_speak_about_the_models_of_the_shipped_ones(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"name": "x", "claims": [CLAIM | {"models": ["gpt2"]}]}))
    assert read_claims(path)[0].subjects[0].architecture == "GPT2Model"


def test_a_copy_of_the_shipped_file_adds_nothing_and_a_changed_one_is_an_error(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_bytes(CLAIMS.read_bytes())
    assert read_claims(path) == read_claims(CLAIMS)
    path.write_text(CLAIMS.read_text() + "# mine\n")
    with pytest.raises(SinkscopeError, match=r"have the same names as .* 'shipped: false'"):
        read_claims(path)


def test_the_names_of_studies_and_of_keys_are_listed_where_one_is_wrong(own, written):
    with pytest.raises(SinkscopeError, match="study is 'altas'; it must be one of atlas, second-s"):
        read_claims(written(study="altas"))
    with pytest.raises(SinkscopeError, match=r"unknown key 'shiped'; did you mean 'shipped'\?"):
        read_claims(own(shiped=False))
    with pytest.raises(SinkscopeError, match="name is 3; write a text"):
        read_claims(own(name=3))


# --- Why a run may disagree -----------------------------------------------------------------------


def test_a_disagreement_carries_the_number_without_its_possible_cause(written):
    ablation = {"cause": "length", "name": "documents of at most 20 tokens",
                "at_most_tokens": 20}  # fmt: skip
    counts = {"document": ["short", "short", "long", "long"], "token": ["Z", "a"] * 2,
              "key_class": ["first", "word"] * 2, "count": [90, 10, 100, 900]}  # fmt: skip
    tables = run(ITSELF, share=0.19) | {
        "max_attention_documents": pl.DataFrame(counts).with_columns(model=pl.lit("here")),
        "documents": pl.DataFrame({"model": "here", "document": ["short", "long"],
                                   "n_tokens": [20, 400]}),
    }  # fmt: skip
    (row,) = judged(written(ablation=ablation), tables)
    assert row["verdict"] == FAILS
    assert row["measured"] == pytest.approx(190 / 1100)
    assert (
        row["ablation"] == "length (documents of at most 20 tokens: 0.9, which meets the condition)"
    )
    (row,) = judged(written(ablation=ablation, condition={"below": 0.5}), tables)
    assert (row["verdict"], row["ablation"]) == (HOLDS, "")
    # Counts that are not kept by document, and documents of unknown length, give no number.
    for absent in ("max_attention_documents", "documents"):
        known = {name: table for name, table in tables.items() if name != absent}
        (row,) = judged(written(ablation=ablation), known)
        assert (row["verdict"], row["ablation"]) == (FAILS, "")


def test_an_ablation_may_take_another_measure(written):
    ablation = {"cause": "special tokens", "name": "mass", "measure": "mass",
                "with": {"key_set": "sep", "layers": [3, 4]}}  # fmt: skip
    (row,) = judged(written(ablation=ablation, condition={"above": 0.9}), masses(*[[0.95]] * 6))
    assert row["ablation"] == "special tokens (mass: 0.95, which meets the condition)"


def test_the_table_has_its_columns_and_the_same_bytes_every_time(written, tmp_path):
    tables = run(ITSELF, RELATIVE)
    for name, frame in tables.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
    for out in ("x", "y"):
        write_claims(written(), tmp_path, list(tables), tmp_path / out)
    first, second = ((tmp_path / out / "claims.parquet").read_bytes() for out in "xy")
    assert first == second
    found = pl.read_parquet(tmp_path / "x" / "claims.parquet")
    assert dict(found.schema) == {k: kind() for k, kind in TABLES["claims"].schema.items()}
    assert (tmp_path / "x" / "claims.csv").is_file()


# --- How sure a verdict is, and what it depends on ------------------------------------------------


def masses(*layers):
    """sink_mass of `here`: of each layer the mass of each document."""
    rows = [
        {"model": "here", "document": f"d{i}", "layer": layer, "key_set": "sep", "n_keys": 1,
         "mass": float(mass)}
        for layer, of_documents in enumerate(layers) for i, mass in enumerate(of_documents)
    ]  # fmt: skip
    return run(ITSELF) | {"sink_mass": pl.DataFrame(rows)}


MASS = {"measure": "mass", "with": {"key_set": "sep", "layers": [3, 4], "over_layers": "min"}}


@pytest.mark.parametrize(
    ("condition", "verdict", "is_clear"),
    [
        ({"at_least": 0.2}, HOLDS, True),
        ({"at_least": 0.45}, HOLDS, False),
        ({"at_least": 0.55}, FAILS, False),
        ({"at_least": 0.7}, FAILS, True),
        ({"above": 0.1, "below": 0.55}, HOLDS, False),
        ({"within": 0.2}, HOLDS, True),
        ({"within": 0.05}, HOLDS, False),
        ({"within": 0.3, "below": 0.58}, HOLDS, False),
    ],
)
def test_an_interval_with_a_threshold_inside_is_not_clear(written, condition, verdict, is_clear):
    """Two documents, 0.4 and 0.6: the interval is from one to the other."""
    (row,) = judged(written(condition=condition, published=0.5, **MASS), masses(*[[0.4, 0.6]] * 6))
    assert (row["verdict"], row["is_clear"]) == (verdict, is_clear)
    assert (row["measured"], row["low"], row["high"]) == pytest.approx((0.5, 0.4, 0.6))
    assert row["n_documents"] == 2


def test_a_single_document_is_neither_clear_nor_unclear(written):
    (row,) = judged(written(**MASS), masses(*[[0.5]] * 6))
    assert row["verdict"] == HOLDS
    assert [row[name] for name in ("low", "high", "is_clear", "n_documents")] == [
        None, None, None, 1,
    ]  # fmt: skip


def test_documents_that_are_alike_leave_no_doubt_at_the_threshold(written):
    (row,) = judged(written(condition={"at_least": 0.5}, **MASS), masses(*[[0.5, 0.5]] * 6))
    assert (row["verdict"], row["is_clear"]) == (HOLDS, True)


def test_other_definitions_stand_beside_the_verdict_and_do_not_decide_it(written):
    """The masses of a distilled model: 40 % in layers 3 and 4, not in all but the ends."""
    tables = masses(*([x, x] for x in (0.03, 0.08, 0.36, 0.47, 0.60, 0.55)))
    definitions = {
        "mean of layers 3 and 4": {"over_layers": "mean"},
        "without the ends": {"layers": [1, -2], "over_layers": "mean"},
        "also without layer 1": {"layers": [2, -2], "over_layers": "mean"},
        "each layer alone": {"layers": "each"},
        "layers that do not exist": {"layers": [8, 9]},
    }
    path = written(condition={"at_least": 0.4}, sensitivity=definitions, **MASS)
    (row,) = judged(path, tables)
    assert (row["verdict"], row["measured"]) == (HOLDS, pytest.approx(0.47))
    assert row["sensitivity"] == (
        "mean of layers 3 and 4: 0.535; without the ends: 0.378 (does not meet the condition); "
        "also without layer 1: 0.477; each layer alone: 0.08 to 0.6 (2 of 4 meet the condition); "
        "layers that do not exist: no number"
    )
    (row,) = judged(written(condition={"at_least": 0.5}, sensitivity=definitions, **MASS), tables)
    assert row["verdict"] == FAILS
    assert row["sensitivity"].startswith("mean of layers 3 and 4: 0.535 (meets the condition);")


def test_what_does_not_exist_with_another_definition_has_no_number(written):
    left = {"key_set": "sep", "layers": [5, 5], "of_layers": [3, 4]}
    definitions = {"of the first layers": {"of_layers": [0, 1]}}
    path = written(
        measure="mass_left", condition={"at_least": 0.5}, sensitivity=definitions, **{"with": left}
    )
    (row,) = judged(path, masses(*([x, x] for x in (0.01, 0.02, 0.3, 0.5, 0.5, 0.4))))
    assert row["sensitivity"] == "of the first layers: no number"


# --- The claims of the studies ------------------------------------------------------------------


@pytest.fixture(scope="module")
def studies():
    return read_claims(CLAIMS)


def subjects_tables(claim, make):
    """Tables of a run in which every model that a claim speaks about has the made-up numbers."""
    names = [subject.name for subject in claim.subjects]
    facts = [(s.name, s.sources[0], s.architecture, "softmax", 1) for s in claim.subjects]
    columns = ["model", "source", "architecture", "attention", "n_parameters"]
    models = pl.DataFrame(facts, schema=columns, orient="row").with_columns(n_layers=6)
    tables = make(names)
    if (own := tables.get("models")) is not None:
        models = models.drop(own.columns, strict=False).with_columns(model=pl.Series(names))
        models = models.join(own, on="model")
    return tables | {"models": models}


ALL = read_claims(CLAIMS)


def test_every_claim_has_tables_in_which_it_is_true_and_in_which_it_is_false():
    assert set(CASES) == {claim.claim for claim in ALL}
    assert all(case.true and case.false for case in CASES.values())


@pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.claim)
def test_a_claim_holds_where_its_statement_is_true_and_not_where_it_is_just_false(claim):
    for makers, verdict in ((CASES[claim.claim].true, HOLDS), (CASES[claim.claim].false, FAILS)):
        for i, make in enumerate(makers):
            found = evaluate([claim], subjects_tables(claim, make))
            seen = found.select("verdict", "measured", "why").rows()
            assert set(found["verdict"]) == {verdict}, (i, seen)
            assert set(found["overall"]) == {verdict}


@pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.claim)
def test_every_table_that_a_claim_reads_is_made_by_the_workflow(claim):
    """A claim about a table that no rule makes could never be tested."""
    assert set(claim.tables()) <= set(all_tables())


def test_notes_of_this_project_are_not_claims_of_a_study(studies):
    """What was measured here is under `design`, and nothing else is."""
    for claim in studies:
        is_packaged = all(s.sources[0].startswith("package:") for s in claim.subjects)
        assert (claim.study == "design") == is_packaged == claim.source.startswith("measured on")


def test_published_numbers_are_those_of_the_design(studies):
    """Shares from counts, as printed: 8 documents padded to 428 tokens, or real tokens alone."""
    printed = {claim.claim: claim.published for claim in studies}
    assert printed["distilbert-sep-padded"]["distilbert"] == 11336 / (6 * 8 * 428)
    assert printed["bert-sep-padded"]["bert-base"] == 23110 / (12 * 8 * 428)
    assert printed["opt-share"]["opt-125m"] == pytest.approx(0.92, abs=0.005)
    assert printed["gpt2-share"]["gpt2-large"] == pytest.approx(0.745, abs=0.0005)
    assert printed["falcon-share"]["falcon-rw-1b"] == pytest.approx(0.83, abs=0.005)
    assert printed["sink-rate"]["llama-3-8b"] == 0.9902


def test_every_model_that_claims_speak_about_is_in_the_grid_that_they_name(studies):
    for subject in {subject for claim in studies for subject in claim.subjects}:
        file, *options = subject.grid.replace(" with ", " ").split()
        raw = read_config(ROOT / file) | dict(option.split("=") for option in options)
        groups = yaml.safe_load(str(raw.get("groups", "[]")))
        rows = load(
            read_config(ROOT / "config/config.yaml") | raw | {"groups": groups}, ROOT
        ).models
        assert any(row.source in subject.sources for row in rows), subject.name


def test_what_could_explain_a_disagreement_is_named_where_the_default_run_decides(studies):
    """But for what is measured without documents: heads on random tokens, roles of heads, masks."""
    without = {"induction_layer", "sink_roles", "noop_share", "edit_cost", "mask_cost"}
    decided = [one for one in studies if any("config.yaml" in s.grid for s in one.subjects)]
    assert len(decided) >= 40
    lacking = {one.measure for one in decided if one.ablation is None}
    assert lacking <= without


def test_an_ablation_that_changes_nothing_is_an_error(written):
    ablation = {"cause": "length", "name": "as before"}
    with pytest.raises(SinkscopeError, match="ablation changes nothing; give it `with`, `measure`"):
        read_claims(written(ablation=ablation))


def test_every_measure_is_used_by_a_claim(studies):
    assert {claim.measure for claim in studies} == set(measures())
