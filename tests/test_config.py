"""The configuration and its two tables, good and bad."""

from pathlib import Path

import pytest

from sinkscope.config import ModelRow, load, read_config
from sinkscope.documents import Refused
from sinkscope.errors import SinkscopeError
from sinkscope.schema import properties

ROOT = Path(__file__).parents[1]
MODELS = "model\tsource\nfirst\tpath:weights\n"
DOCUMENTS = "document\tpath\none\ta.txt\ntwo\tb.txt\n"


@pytest.fixture
def project(tmp_path):
    """Write tables and texts; load them with some keys of the configuration."""

    def write(rows=MODELS, texts=DOCUMENTS, files=(), **keys):
        found = {"models.tsv": rows, "documents.tsv": texts, "a.txt": "one", "b.txt": "two"}
        for name, content in (found | dict(files)).items():
            data = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name).write_bytes(data)
        return load({"models": "models.tsv", "documents": "documents.tsv"} | keys, tmp_path)

    return write


@pytest.fixture
def complaint(project):
    def write(*arguments, **keys):
        with pytest.raises(SinkscopeError) as caught:
            project(*arguments, **keys)
        return str(caught.value)

    return write


@pytest.fixture
def left_out(project):
    """Why documents are left out, line by line, where others remain."""

    def write(*arguments, **keys):
        config = project(*arguments, **keys)
        assert config.documents
        return [entry.reason for entry in config.entries if isinstance(entry, Refused)]

    return write


def models(*rows, header="model\tsource"):
    return "\n".join([header, *rows]) + "\n"


def documents(*rows, header="document\tpath"):
    return "\n".join([header, *rows]) + "\n"


def test_the_repositorys_own_configuration_is_sound():
    mapping = read_config(ROOT / "config" / "config.yaml")
    config = load(mapping, ROOT)
    models = [row.model for row in config.models]
    assert models[:3] == ["minilm-l6", "distilbert-grammar", "smollm2-135m"]
    assert all(name.startswith("zoo-") for name in models[3:])
    assert len(config.documents) == 8
    keys = properties("config")
    assert mapping.keys() == keys.keys()
    assert all(mapping[key] == part["default"] for key, part in keys.items() if "default" in part)


def test_defaults_fill_what_is_left_out(project):
    config = project()
    assert config.models == (
        ModelRow("first", "path:weights", None, "float32", "cpu", None, "auto"),
    )
    assert [(d.name, d.text) for d in config.documents] == [("one", "one"), ("two", "two")]
    settings = config.settings
    assert (settings.window, settings.truncate, settings.head_maps) == (64, False, ())
    assert config.raw["documents_per_job"] == 8


def test_a_row_decides_over_the_configuration(project):
    header = "model\tsource\tfamily\tdtype\tdevice\tmax_length\tadd_special_tokens"
    rows = ("a\thub:x\tencoder\tfloat16\tcuda:1\t128\tfalse", "b\thub:x\t\t\t\t\t")
    config = project(models(*rows, header=header), dtype="bfloat16", device="cuda")
    assert config.model("a") == ModelRow("a", "hub:x", "encoder", "float16", "cuda:1", 128, "false")
    assert config.model("b") == ModelRow("b", "hub:x", None, "bfloat16", "cuda", None, "auto")


def test_comments_blank_lines_and_a_byte_order_mark_are_passed_over(project):
    text = "\ufeff# models\n\nmodel\tsource\n# none\nfirst\tpath:weights\n\n"
    assert [row.model for row in project(text.replace("\n", "\r\n")).models] == ["first"]


def test_an_unknown_model_is_an_error_that_names_the_known(project):
    with pytest.raises(SinkscopeError, match="unknown model 'other'; the table of models has firs"):
        project().model("other")


def test_an_unknown_key_is_an_error_with_a_suggestion(complaint):
    assert complaint(epsilom=0.2) == "config: unknown key 'epsilom'; did you mean 'epsilon'?"
    assert "known: models, documents" in complaint(colour="red")


def test_a_missing_key_is_an_error(tmp_path):
    with pytest.raises(SinkscopeError, match=r"config: 'documents' is missing; add it\."):
        load({"models": "models.tsv"}, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("epsilon", 1, "1; it must be a number above 0 and below 1"),
        ("epsilon", "0.3", "'0.3'; it must be a number above 0 and below 1"),
        ("epsilon", float("nan"), "nan; it must be a number above 0 and below 1"),
        ("epsilon", float("inf"), "inf; it must be a number above 0 and below 1"),
        ("induction_threshold", float("nan"), "nan; it must be a number from 0 to 1"),
        ("dtype", "float64", "'float64'; it must be one of float32, float16, bfloat16"),
        ("device", "gpu", "'gpu'; it must be cpu, cuda or the number of a GPU, such as cuda:0"),
        ("window", 1, "1; it must be an integer from 2 to 1,000,000"),
        ("window", 2.5, "2.5; it must be an integer from 2 to 1,000,000"),
        ("window", 10**20, f"{10**20}; it must be an integer from 2 to 1,000,000"),
        ("window", True, "true; it must be an integer from 2 to 1,000,000"),
        ("window", float("nan"), "nan; it must be an integer from 2 to 1,000,000"),
        ("truncate", 1, "1; it must be true or false"),
        ("truncate", "maybe", "'maybe'; it must be true or false"),
        ("models", None, "empty; it must be text"),
        ("groups", "studies", "'studies'; it must be a list [...] in which each entry is text"),
        (
            "experiments",
            ["bos", "x"],
            "'x'; it must be one of emergence, second_sink, norms, depth",
        ),
        ("head_maps", ["first/0"], "'first/0'; it must be MODEL/LAYER/HEAD"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_with_its_type_and_range(
    complaint, key, value, sentence
):
    message = complaint(**{key: value})
    assert message.startswith(f"config: {key}")
    assert f" is {sentence}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "key", ["documents_per_job", "window", "threads", "mem_mb", "induction_seeds"]
)
@pytest.mark.parametrize("value", [8.0, "8"])
def test_a_whole_number_may_be_written_otherwise(project, key, value):
    found = project(**{key: value}).raw[key]
    assert (found, type(found)) == (8, int)


@pytest.mark.parametrize("written", ["true", "True", "yes", "on", True])
def test_a_boolean_may_be_written_as_in_yaml(project, written):
    """snakemake --config truncate=true hands over a text."""
    assert project(truncate=written).raw["truncate"] is True
    assert project(padded_counting="no").raw["padded_counting"] is False
    assert project(padded_counting="auto").raw["padded_counting"] == "auto"


def test_everything_that_is_wrong_is_said_at_once_with_its_line(tmp_path):
    (tmp_path / "mine.yaml").write_text("# settings\nmodels: m.tsv\nwindow: 1\nepsilon: 2\n")
    (tmp_path / "m.tsv").write_text("# models\n\nmodel\tsource\na/b\thub:x\n\nc\tftp:y\n")
    mapping = read_config(tmp_path / "mine.yaml") | {"epsilon": 3, "documents": "gone.tsv"}
    with pytest.raises(SinkscopeError) as caught:
        load(mapping, tmp_path, [tmp_path / "absent.yaml", tmp_path / "mine.yaml"])
    places = [line.partition(" is ")[0] for line in str(caught.value).splitlines()]
    assert places == [
        "config: epsilon",  # overlaid by --config
        f"{tmp_path / 'mine.yaml'} line 3: window",
        "m.tsv line 4: model",
        "m.tsv line 6: source",
        f"gone.tsv does not exist in {tmp_path}; create it or correct config.",
    ]


@pytest.mark.parametrize("table", ["models", "documents"])
@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("{0}\t{1}\tdtpye", "unknown column 'dtpye'"),
        ("{0}\t{1}\t{1}", "the column '{1}' occurs 2 times; keep one of them."),
        ("{0}\t\t{1}", "a column has no name; give it one, or remove its tab."),
        ("{0}", "the column '{1}' is missing; add it."),
    ],
)
def test_a_bad_header_is_named_by_its_own_line(complaint, table, header, sentence):
    columns = {"models": ("model", "source"), "documents": ("document", "path")}[table]
    content = f"# a comment\n\n{header.format(*columns)}\na\n"
    message = complaint(**{"models": {"rows": content}, "documents": {"texts": content}}[table])
    assert f"{table}.tsv line 3: {sentence.format(*columns)}" in message


def test_a_typo_in_a_header_has_a_suggestion_or_the_known_columns(complaint):
    assert complaint(models("a\thub:x\tfloat16", header="model\tsource\tdtpye")) == (
        "models.tsv line 1: unknown column 'dtpye'; did you mean 'dtype'? The columns are model, "
        "source, family, dtype, device, groups, n_gpus, mem_mb, max_length, add_special_tokens."
    )
    message = complaint(models("a\thub:x\t1", header="model\tsource\tcolour"))
    assert "unknown column 'colour'; known: model, source, family" in message


def test_lines_are_counted_as_an_editor_does(left_out):
    r"""Not at \f, \x85 and the like, which Python's splitlines cuts at too."""
    (reason,) = left_out(
        texts=documents("# \x0c \x85 \u2028 none", "", "one\ta.txt", "two\tgone.txt")
    )
    assert reason.startswith("documents.tsv line 5: document 'two'")


def test_a_field_that_no_path_or_name_can_hold_is_an_error(complaint):
    message = complaint(texts=documents(f"one\t{'x' * 200_000}.txt"))
    assert message.startswith("documents.tsv line 2: a field of 200,004 characters (xxx")
    assert len(message) < 200
    assert "x.txt does not exist; correct" in complaint(texts=documents(f"one\t{'x' * 300}.txt"))
    assert "line 2: document is 'nnnn" in complaint(texts=documents(f"{'n' * 101}\ta.txt"))
    message = complaint(models("a\tpath:we\x1bights"))
    assert message == "models.tsv line 2: 'path:we␛ights' holds the character U+001B; remove it."


def test_a_document_whose_path_looks_like_a_wildcard_is_an_error(complaint):
    assert complaint(texts=documents("one\ta{x}.txt", "two\tb.txt")) == (
        "documents.tsv line 2: the path 'a{x}.txt' has braces, which Snakemake reads as a "
        "wildcard; rename the file or folder."
    )


def test_an_id_that_the_hub_cannot_have_is_an_error_of_its_line(complaint):
    message = complaint(models("a\thub:a/b/c", "b\thub:../x"))
    assert [line.partition(": ")[0] for line in message.splitlines()] == [
        "models.tsv line 2", "models.tsv line 3",
    ]  # fmt: skip
    assert "'a/b/c' is not a Hub model id; write hub:OWNER/NAME" in message


@pytest.mark.parametrize("name", ["a/b", "../a", "a..b", "..", ".", "-a", "a b", "é", "a\\b"])
def test_names_that_could_leave_the_results_folder_are_an_error(complaint, name):
    assert f"models.tsv line 2: model is {name!r}" in complaint(models(f"{name}\thub:x"))
    message = complaint(texts=documents(f"{name}\ta.txt"))
    assert f"documents.tsv line 2: document is {name!r}" in message


def test_names_with_dots_and_dashes_are_fine(project):
    config = project(models("gpt2-large_v1.5\thub:x"), documents("a.b-c_1\ta.txt"))
    assert (config.models[0].model, config.documents[0].name) == ("gpt2-large_v1.5", "a.b-c_1")


def test_two_models_with_one_name_are_an_error(complaint):
    message = complaint(models("a\thub:x", "b\thub:x", "a\thub:y"))
    assert message == (
        "models.tsv line 4: a second model is named 'a'; give every row its own name."
    )


def test_of_two_documents_with_one_name_or_text_the_second_is_left_out(left_out):
    reasons = left_out(texts=documents("one\ta.txt", "one\tb.txt"))
    assert reasons == ["documents.tsv: two documents are named 'one'; rename one."]
    reasons = left_out(texts=documents("one\ta.txt", "two\ta.txt"))
    assert reasons == ["documents.tsv: documents 'one' and 'two' hold the same text; remove one."]


@pytest.mark.parametrize("source", ["weights", "ftp:x", "path:", "hub: x"])
def test_an_unknown_source_is_an_error(complaint, source):
    message = complaint(models(f"a\t{source}"))
    assert f"models.tsv line 2: source is '{source}'" in message
    assert "hub:ID" in message


@pytest.mark.parametrize("length", ["1", "-5", "many", "12.5", "\u00b2"])
def test_a_length_that_is_no_number_of_tokens_is_an_error(complaint, length):
    message = complaint(models(f"a\thub:x\t{length}", header="model\tsource\tmax_length"))
    assert "models.tsv line 2: max_length is " in message


def test_what_is_read_may_lie_outside_the_working_directory(project, tmp_path):
    """Absolute, or above it; also in folders whose names have spaces."""
    elsewhere = tmp_path / "data" / "my texts"
    elsewhere.mkdir(parents=True)
    (elsewhere / "three.txt").write_text("three")
    up = Path("..") / tmp_path.name / "data" / "my texts" / "three.txt"
    for path in (up, elsewhere / "three.txt"):
        config = project(models(f"a\tpath:{path.parent}"), documents(f"one\t{path}"))
        assert [(d.path, d.text) for d in config.documents] == [(str(path), "three")]
        assert config.models[0].source == f"path:{path.parent}"


def test_a_bad_document_is_left_out_with_its_reason(left_out, complaint):
    table = documents("one\ta.txt", "two\tgone.txt", "three\tempty.txt", "four\tlatin.txt")
    files = {"empty.txt": "", "latin.txt": b"caf\xe9"}
    found = left_out(texts=table, files=files)
    alone = table.replace("one\ta.txt\n", "# none that is good\n")
    assert complaint(texts=alone, files=files).splitlines() == found
    assert found == [
        "documents.tsv line 3: document 'two': gone.txt does not exist; correct the path.",
        "documents.tsv line 4: document 'three': empty.txt is empty; add text or remove it.",
        "documents.tsv line 5: latin.txt: not UTF-8 at byte 3; save the file as UTF-8.",
    ]


def test_rows_of_tables_become_documents_under_their_row_number(project):
    config = project(
        texts=documents("news\tn.jsonl\tbody", header="document\tpath\ttext_column"),
        files={"n.jsonl": '{"body": "x"}\n{"body": "y"}\n'},
    )
    assert [d.name for d in config.documents] == ["news-000000", "news-000001"]


@pytest.mark.parametrize("content", ["", "model\tsource\n", "# nothing\n"])
def test_an_empty_table_is_an_error(complaint, content):
    assert "models.tsv: has no rows; add a header line" in complaint(content)


def test_a_missing_table_is_an_error(complaint, tmp_path):
    message = complaint(models="gone.tsv")
    assert message == f"gone.tsv does not exist in {tmp_path}; create it or correct config."


@pytest.mark.parametrize("content", ["", "just words", "[1, 2]", "a: [", "a: \x00"])
def test_a_configuration_that_is_no_mapping_is_an_error(tmp_path, content):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(
        SinkscopeError, match=r"mine\.yaml(: is not a YAML mapping| line 1: )"
    ) as caught:
        read_config(tmp_path / "mine.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: 1\nb: 2\n\na: 3\n", "line 4: the key 'a' is there already, in line 1; correct it."),
        ("a:\n  b: 2\n  b: 2\n", "line 3: the key 'b' is there already, in line 2; correct it."),
        ("- x\n", ": is not a YAML mapping; write `key: value` lines."),
        ("a: 1\nb: [1,\n", "line 3: expected the node content"),
        ("a: 1\n\tb: 2\n", "line 2: found character '\\t' that cannot start any token"),
        ("a: " + "[" * 5_000, "is not a YAML mapping (maximum recursion depth"),
        (b"a: caf\xe9", "not UTF-8; save the file as UTF-8."),
    ],
)
def test_yaml_errors_name_the_line(tmp_path, content, sentence):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SinkscopeError) as caught:
        read_config(path)
    assert str(caught.value).startswith(str(path))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SinkscopeError, match=r"mine\.yaml: No such file.*name an existing file"):
        read_config(tmp_path / "mine.yaml")


def test_a_table_that_is_not_utf8_is_an_error(complaint):
    assert "models.tsv: not UTF-8; save the table" in complaint(b"model\tsource\ncaf\xe9\thub:x\n")


def test_a_row_with_too_many_fields_is_an_error(complaint):
    message = complaint(models("a\thub:x\textra"))
    assert message.startswith("models.tsv line 2: 3 fields, but the header has 2")


def test_a_stray_quotation_mark_is_part_of_a_name_or_path(complaint, left_out):
    assert "documents.tsv line 2" in complaint(texts=documents('"one\ta.txt', "two\tb.txt"))
    (reason,) = left_out(texts=documents('one\t"a.txt', "two\tb.txt"))
    assert reason.startswith("documents.tsv line 2: document 'one': \"a.txt does not exist")


def test_a_head_of_no_model_is_an_error(complaint, project):
    message = complaint(head_maps=["other/0/1"])
    assert message.startswith("config: head_maps names 'other/0/1', which is not a model")
    assert project(head_maps=["first/0/1"]).settings.head_maps == ("first/0/1",)


GROUPED = models("a\thub:x\tstudies,big\t2\t9000", "b\thub:y\tbig", "c\thub:z",
                 header="model\tsource\tgroups\tn_gpus\tmem_mb")  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "names"),
    [([], "abc"), (["studies"], "a"), (["big"], "ab"), (["big", "studies"], "ab")],
)
def test_groups_pick_rows_of_the_table_of_models(project, groups, names):
    config = project(GROUPED, groups=groups)
    assert "".join(row.model for row in config.models) == names


def test_an_unknown_group_is_named_with_those_that_there_are(complaint):
    message = complaint(GROUPED, groups=["small"])
    assert "groups names 'small', but models.tsv has no such group" in message
    assert message.endswith("groups are studies, big.")


def test_what_a_job_asks_for_is_no_part_of_what_results_depend_on(project):
    row = project(GROUPED).model("a")
    assert (row.n_gpus, row.mem_mb) == (2, 9000)
    assert "mem_mb" not in row.identity()
    assert row.identity()["n_gpus"] == 2


@pytest.mark.parametrize(
    ("column", "value"), [("n_gpus", "0"), ("n_gpus", "two"), ("mem_mb", "-1")]
)
def test_what_a_job_asks_for_is_a_whole_number(complaint, column, value):
    message = complaint(models(f"a\thub:x\t{value}", header=f"model\tsource\t{column}"))
    assert f"models.tsv line 2: {column} is " in message


def test_the_published_grid_is_sound():
    mapping = read_config(ROOT / "config" / "published.yaml")
    assert [row.model for row in load(mapping, ROOT).models] == [
        "distilbert", "bert-base", "roberta-large", "opt-125m", "gpt2-large", "falcon-rw-1b",
        "llama-2-7b",
    ]  # fmt: skip
    everything = load(mapping | {"groups": []}, ROOT).models
    assert {row.source.partition(":")[0] for row in everything} == {"hub"}
    assert len(everything) > 15
