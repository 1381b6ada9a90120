"""`sinkscope.look` and `import sinkscope`, as a notebook uses them."""

import html
import re
import subprocess
import sys

import pytest
from polars.testing import assert_frame_equal
from transformers import AutoModelForMaskedLM, AutoTokenizer

import sinkscope
import tiny
from sinkscope.errors import ModelError, SinkscopeError

TEXT = "Z He came. She left <b>at once</b>."
ZOO = tiny.ROOT / "zoo"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder without a configuration."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def found():
    return sinkscope.look("zoo:gpt2", TEXT, heads=[(3, 1)])


def test_importing_it_is_light():
    code = (
        "import sys, sinkscope; heavy = {'torch', 'polars', 'transformers', 'numpy', 'rich'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "assert set(dir(sinkscope)) >= {'look', 'observe', '__version__'}; "
        "import sinkscope.api.look; assert callable(sinkscope.look); print(sinkscope.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\d+\.\d+.*|unknown", done.stdout.strip())
    with pytest.raises(AttributeError, match="no attribute 'gaze'"):
        _ = sinkscope.gaze


def test_a_name_is_a_row_of_the_table_that_comes_with_the_package(elsewhere):
    look = sinkscope.look("zoo-gpt2", TEXT)
    assert look.documents == ["text"]
    assert look.sink_mass()["model"].unique().to_list() == ["zoo-gpt2"]


def test_or_of_the_table_in_the_directory(elsewhere):
    (elsewhere / "config").mkdir()
    (elsewhere / "config" / "models.tsv").write_text("model\tsource\nmine\tzoo:opt\n")
    assert sinkscope.look("mine", TEXT).tables["models"]["source"].to_list() == ["zoo:opt"]
    with pytest.raises(
        SinkscopeError, match="unknown model 'zoo-gpt2'; the table of models has mine"
    ):
        sinkscope.look("zoo-gpt2", TEXT)
    with pytest.raises(SinkscopeError, match="unknown model"):
        sinkscope.look("mine", TEXT, directory=tiny.ROOT)


def test_a_path_counts_from_the_directory(elsewhere):
    (elsewhere / "models").mkdir()
    (elsewhere / "models" / "here").symlink_to(ZOO / "gpt2")
    assert len(sinkscope.look("path:models/here", TEXT).heads()) == 8 * 5


def test_objects_give_what_the_name_gives(gpt2, gpt2_tokenizer, found):
    look = sinkscope.look(gpt2, gpt2_tokenizer, TEXT, heads=[(3, 1)])
    assert_frame_equal(look.sink_mass(), found.sink_mass())
    assert_frame_equal(look.heads(), found.heads())
    assert (look.map(3, 1) == found.map(3, 1)).all()
    assert look.tables["documents"].equals(found.tables["documents"])


def test_objects_are_left_as_they_were():
    model = AutoModelForMaskedLM.from_pretrained(ZOO / "bert", attn_implementation="eager").train()
    model.base_model.embeddings.eval()
    tokenizer = AutoTokenizer.from_pretrained(ZOO / "bert")
    before = [module.training for module in model.modules()]
    look = sinkscope.look(model, tokenizer, "He came.")
    assert look.tokens()[-2:] == ["[MASK]", "[SEP]"]
    assert [module.training for module in model.modules()] == before
    assert model.config._attn_implementation == "eager"
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_frames_are_the_tables_that_the_command_prints(found):
    assert_frame_equal(found.heads(), found.tables["heads"])
    assert_frame_equal(found.max_keys(), found.tables["max_attention_tokens"])
    assert_frame_equal(found.sink_rate(), found.tables["sink_rate"])
    assert_frame_equal(found.sink_mass(), found.tables["sink_mass"])


def test_printed_it_is_the_tables_of_the_command_line(found):
    text = repr(found)
    assert text.startswith("gpt2: GPT2Model, 8 layers x 5 heads")
    assert "Sink mass by layer" in text
    assert "Head 3/1" in text
    assert "\x1b" not in text


def test_in_jupyter_the_page_is_in_a_frame_of_its_own(found, tmp_path):
    frame = found._repr_html_()
    assert frame.count("<") == 2  # nothing of the page is markup of the notebook
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    found.save(tmp_path / "look.html")
    base = '<base href="about:srcdoc">'
    assert page.count(base) == 1
    assert page.replace(base, "") == (tmp_path / "look.html").read_text(encoding="utf-8")
    assert 'sandbox="allow-scripts allow-downloads"' in frame
    assert "<b>at" not in page


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("zoo:gpt2", " "), "the text is empty"),
        (("zoo:gpt2",), "give a model's name and a text"),
        (("zoo:gpt2", 3), "the text is a int; give a string"),
        (("zoo:none", "x"), "the zoo has no checkpoint 'none'"),
        ((object(), object(), "x"), "'object' is not a model of transformers"),
    ],
)
def test_a_bad_request_is_one_sentence(arguments, sentence):
    with pytest.raises(SinkscopeError, match=sentence):
        sinkscope.look(*arguments)


def test_a_tokenizer_of_another_model(gpt2):
    tokenizer = tiny.byte_tokenizer()
    tokenizer.add_tokens(["x"])
    model = tiny.network("gpt2")  # takes 100 ids
    with pytest.raises(ModelError, match="its tokenizer has ids up to 257"):
        sinkscope.look(model, tokenizer, "He came.")
