"""Experiments beside the atlas, as configuration switches them on and off."""

import json

import polars as pl
import pytest

import tiny
from sinkscope.atlas.sections import SECTIONS
from sinkscope.tables.contract import SCHEMA_VERSION
from workflow.project import MINILM, Project, copy_of_workflow

SMALL = ("--config", "induction_tokens=6", "induction_seeds=2")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """An encoder and a decoder of three layers, with random weights."""
    folder = tmp_path_factory.mktemp("experiments")
    made = Project(folder / "project", copy_of_workflow(folder / "clone"))
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    tokenizer.save_pretrained(made.folder / "decoder")
    tiny.network("gpt2", vocab_size=len(tokenizer)).save_pretrained(made.folder / "decoder")
    made.write("texts/one.txt", "abc dab cab bad add! dad bac cad abd dca bda cba acd")
    made.models(MINILM, "decoder\tpath:decoder")
    made.documents("one")
    return made


def test_induction_heads_are_looked_for_in_decoders_and_shown(project):
    section = "section_induction"
    done = project.snakemake(section, *SMALL)
    assert done.returncode == 0, done.stdout
    table = pl.read_parquet(project.folder / "results/tables/induction.parquet")
    assert table["model"].unique().to_list() == ["decoder"]
    assert table.height == 3 * 4
    assert table["first_token"].null_count() == 0
    for path in (project.folder / "results").rglob("*.parquet"):
        assert pl.read_parquet_metadata(path)["sinkscope_schema_version"] == SCHEMA_VERSION, path
    folder = project.folder / "results" / "sections" / "induction"
    figures = json.loads((folder / "figures.json").read_text())
    assert figures[0]["name"] == "induction_scores"
    assert project.planned(section, *SMALL) == {}


def test_the_second_sink_is_looked_for_in_both_families_and_shown(project):
    section = "section_second_sink"
    done = project.snakemake(section)
    assert done.returncode == 0, done.stdout
    table = pl.read_parquet(project.folder / "results/tables/second_sink.parquet")
    assert table["model"].unique().sort().to_list() == ["decoder", "minilm"]
    assert (project.folder / "results/tables/second_sink_layers.csv").is_file()
    assert project.planned(section) == {}
    stricter = project.planned(section, "--config", "second_sink_mass=0.5")
    assert stricter == {"second_sink_tables": 1, "section_second_sink": 1}
    assert project.planned(section, "--config", "experiment_tokens=32")["measure"] == 2


def test_states_beginnings_and_lengths_are_measured_and_shown(project):
    sections = ("section_norms", "section_depth", "section_bos", "section_lengths")
    done = project.snakemake(*sections)
    assert done.returncode == 0, done.stdout
    tables = ("norms", "norm_ratios", "norm_weighted", "activations", "bos", "position_content")
    for name in (*tables, "matrix_entropy", "sink_lengths"):
        table = pl.read_parquet(project.folder / f"results/tables/{name}.parquet")
        # The decoder's BOS stands for unknown words too, such as the first: no text is without it.
        models = ["minilm"] if name == "bos" else ["decoder", "minilm"]
        assert table["model"].unique().sort().to_list() == models, name
    assert project.planned(*sections) == {}


def test_another_number_of_tokens_measures_again_and_another_threshold_does_not(project):
    section = "section_induction"
    other = ("--config", "induction_tokens=7", "induction_seeds=2")
    assert project.planned(section, *other)["measure"] == 2
    stricter = (*SMALL, "induction_threshold=0.9")
    planned = project.planned(section, *stricter)
    assert planned == {"induction_tables": 1, "section_induction": 1}


def test_an_experiment_that_is_switched_off_makes_nothing(project):
    project.write("off.yaml", "experiments: []\n")
    planned = project.planned("--configfile", "config/config.yaml", "off.yaml")
    of_atlas = {f"section_{name}" for name in SECTIONS}
    assert of_atlas <= set(planned)
    assert not any(
        rule.startswith(("induction", "second", "norms", "bos", "section", "emerg"))
        for rule in set(planned) - of_atlas
    )


def test_a_model_that_an_experiment_cannot_measure_is_listed_with_the_reason(project):
    """The rest is reported; once it can be measured, the reason is gone."""
    too_many = ("--keep-going", "--config", "induction_tokens=5000")
    done = project.snakemake(*too_many)
    assert done.returncode != 0
    sentence = "model 'decoder': its vocabulary has 64 ordinary words"
    assert sentence in done.stdout
    assert "Traceback" not in done.stdout
    page = (project.folder / "reports/run.html").read_text()
    assert "Experiment induction, model decoder" in page
    assert (project.folder / "reports/decoder.html").is_file()
    assert project.snakemake(*SMALL).returncode == 0
    assert "Experiment induction" not in (project.folder / "reports/run.html").read_text()


def test_a_claim_that_cannot_be_read_is_named_and_the_tables_stay(project):
    path = project.folder / "config/claims.yaml"
    before = path.read_text()
    path.write_text(before.replace("measure: max_key_lead", "measure: max_key_leed", 1))
    done = project.snakemake("results/tables/claims.parquet", *SMALL)
    path.write_text(before)
    assert done.returncode != 0
    assert (
        "claims.yaml, claim 'opt-start-token': measure 'max_key_leed' does not exist" in done.stdout
    )
    assert "Traceback" not in done.stdout
    assert (project.folder / "results/tables/sink_mass.parquet").is_file()


def test_a_folder_without_claims_takes_those_of_the_clone(project):
    (project.folder / "config/claims.yaml").unlink()
    done = project.snakemake("results/tables/claims.parquet", *SMALL)
    assert done.returncode == 0, done.stdout


def test_a_document_more_and_other_weights_run_only_what_depends_on_them(tmp_path):
    made = Project(tmp_path / "project", copy_of_workflow(tmp_path / "clone"))
    tokenizer = tiny.letters_and_words("<|endoftext|>")
    tokenizer.save_pretrained(made.folder / "decoder")
    network = tiny.network("gpt2", vocab_size=len(tokenizer))
    network.save_pretrained(made.folder / "decoder")
    for name in ("one", "two", "three"):
        made.write(f"texts/{name}.txt", f"{name} abc dab cab. Bad add! " + "dad bac " * len(name))
    made.models("decoder\tpath:decoder")
    made.documents("one", "two")
    wanted = (
        "norms_tables",
        "induction_tables",
        "--config",
        "documents_per_job=1",
        "experiments=[norms,induction]",
    )
    wanted = (*wanted, "induction_tokens=6", "induction_seeds=2", "padded_counting=False")
    done = made.snakemake(*wanted)
    assert done.returncode == 0, done.stdout
    assert made.planned(*wanted) == {}
    joined = {"norms_tables": 1, "reduce": 1, "tables": 1, "induction_tables": 1}
    made.documents(
        "one", "two", "three"
    )  # "three", the longest, is what induction would be shown on
    assert made.planned(*wanted) == joined | {"extract": 1, "measure": 2}
    made.write("texts/three.txt", "three. Short")
    assert made.planned(*wanted) == joined | {"extract": 1, "measure": 1}
    made.documents("one", "two")
    assert made.planned(*wanted, "head_maps=[decoder/0/0]")["extract"] == 2
    network.h[0].attn.c_attn.weight[0, 0] += 1
    network.save_pretrained(made.folder / "decoder")
    assert made.planned(*wanted) == joined | {"extract": 2, "measure": 3}
