"""`sinkscope diff`: what it prints and how it exits."""

import subprocess
import sys

import polars as pl
import pytest
from typer.testing import CliRunner

from sinkscope.catalogue import all_tables
from sinkscope.cli import app
from sinkscope.tables.contract import write_table

COUNTS = {
    "model": ["m", "m", "m"],
    "token": ["[SEP]", "[/]", "[bold]x[/bold]"],
    "key_class": ["sep", "punctuation", "word"],
    "count": [3, 2, 1],
    "share": [0.5, 1 / 3, 1 / 6],
    "n_ties": [0, 0, 0],
    "n_tied": [0, 0, 0],
}
MASS = {
    "model": "m",
    "document": ["d", "e"],
    "layer": 0,
    "key_set": "sinks",
    "n_keys": 1,
    "mass": [0.1, 0.2],
    "strict_mass": [0.1, None],
    "uniform_mass": 0.1,
    "times_uniform": 2.0,
}


def write_named(frame, name, folder):
    write_table(frame, name, all_tables()[name], folder)


def diff(*arguments):
    return CliRunner().invoke(app, ["diff", *map(str, arguments)])


def told(done):
    """What is said after the two folders."""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A: ")
    assert lines[1].startswith("B: ")
    return lines[2:]


@pytest.fixture
def a(tmp_path):
    """A run's folder with two tables."""
    return write(tmp_path / "a")


@pytest.fixture
def b(tmp_path):
    return tmp_path / "b"


def write(run, counts=COUNTS, mass=MASS):
    folder = run / "results/tables"
    write_named(pl.LazyFrame(counts), "max_attention_tokens", folder)
    write_named(pl.DataFrame(mass).lazy(), "sink_mass", folder)
    return run


def test_equal_tables(a, b):
    write(b)
    done = diff(a, b)
    assert (done.exit_code, told(done)) == (0, ["2 tables are equal (5 rows)."])
    assert told(diff(a, b, "--tolerance", "0.5")) == ["2 tables are equal within 0.5 (5 rows)."]


def test_values_that_differ_are_shown_exactly_and_tokens_as_they_are(a, b):
    write(b, COUNTS | {"count": [3, 2, 9], "share": [0.5, 1 / 3 + 1e-16, 1 / 6 + 1e-16]})
    done = diff(a, b)
    row = "model 'm', token"
    assert (done.exit_code, told(done)) == (1, [
        "max_attention_tokens: 3 values",
        f"  {row} '[/]', key_class 'punctuation': share 0.3333333333333333 in A, "
        "0.3333333333333334 in B",
        f"  {row} '[bold]x[/bold]', key_class 'word': count 1 in A, 9 in B",
        f"  {row} '[bold]x[/bold]', key_class 'word': share 0.16666666666666666 in A, "
        "0.16666666666666677 in B",
        "2 tables, 1 differs: 3 values",
    ])  # fmt: skip
    assert told(diff(a, b, "--tolerance", "1e-9"))[-1] == "2 tables, 1 differs: 1 value"


def test_rows_and_null(a, b):
    write(b, mass=MASS | {"document": ["d", "f"], "strict_mass": [None, None]})
    done = diff(a, b)
    row = "layer 0, key_set 'sinks'"
    assert (done.exit_code, told(done)) == (1, [
        "sink_mass: 1 value, 2 rows",
        f"  model 'm', document 'e', {row}: only in A",
        f"  model 'm', document 'f', {row}: only in B",
        f"  model 'm', document 'd', {row}: strict_mass 0.1 in A, null in B",
        "2 tables, 1 differs: 1 value, 2 rows",
    ])  # fmt: skip


def test_columns(a, b):
    write(b)
    path = b / "results/tables/sink_mass.parquet"
    frame = pl.read_parquet(path).drop("strict_mass").with_columns(pl.col("mass").cast(pl.Float32))
    frame.with_columns(new=pl.lit("x")).write_parquet(path)
    done = diff(a, b)
    assert (done.exit_code, told(done)) == (1, [
        "sink_mass: 3 columns",
        "  column mass: Float64 in A, Float32 in B",
        "  column strict_mass: only in A",
        "  column new: only in B",
        "2 tables, 1 differs: 3 columns",
    ])  # fmt: skip


def test_a_table_of_one_folder(a, b):
    write(b)
    (b / "results/tables/sink_mass.parquet").rename(b / "results/tables/heads.parquet")
    done = diff(a, b)
    assert (done.exit_code, told(done)) == (1, [
        "heads: only in B",
        "sink_mass: only in A",
        "3 tables, 2 differ: 2 tables in one folder only",
    ])  # fmt: skip


def test_an_unknown_table_is_matched_by_position_and_says_so(a, b):
    write(b)
    for run, values in ((a, [1, 2, 3]), (b, [1, 7])):
        pl.DataFrame({"x": values}).write_parquet(run / "results/tables/own.parquet")
    done = diff(a, b)
    assert (done.exit_code, told(done)) == (1, [
        "own: 1 value, 1 row",
        "  not a table of Sinkscope: rows are matched by position",
        "  row 2: only in A",
        "  row 1: x 2 in A, 7 in B",
        "3 tables, 1 differs: 1 value, 1 row",
    ])  # fmt: skip
    assert told(diff(a, a)) == [
        "own: equal",
        "  not a table of Sinkscope: rows are matched by position",
        "3 tables are equal (8 rows).",
    ]


def test_a_key_that_is_not_in_both_tables(a, b):
    write(b)
    path = b / "results/tables/max_attention_tokens.parquet"
    pl.read_parquet(path).drop("token").write_parquet(path)
    assert told(diff(a, b))[:3] == [
        "max_attention_tokens: 1 column",
        "  rows are matched by position: model, token, key_class are not the same columns in A "
        "and B",
        "  column token: only in A",
    ]


def test_rows_with_one_key(a, b):
    write(a, COUNTS | {"token": ["x"] * 3, "key_class": ["word"] * 3})
    write(b, COUNTS | {"token": ["x"] * 3, "key_class": ["word"] * 3, "count": [3, 2, 4]})
    done = diff(a, b)
    assert (done.exit_code, told(done)) == (1, [
        "max_attention_tokens: 1 value",
        "  3 rows in A and 3 in B share their key with another row",
        "  model 'm', token 'x', key_class 'word': count 1 in A, 4 in B",
        "2 tables, 1 differs: 1 value",
    ])  # fmt: skip


def test_only_the_first_of_each_kind_are_shown(a, b):
    for run, shift in ((a, 0.0), (b, 0.25)):
        documents = [f"{i:04}" for i in range(2000)] + [f"{run.name}{i:02}" for i in range(7)]
        mass = [0.5 + shift] * 2007
        write(run, mass=MASS | {"document": documents, "mass": mass, "strict_mass": mass})
    lines = told(diff(a, b))
    assert lines[0] == "sink_mass: 4,000 values, 14 rows"
    assert [line.rsplit(": ")[-1] for line in lines[1:11]] == ["only in A"] * 7 + ["only in B"] * 3
    assert lines[11] == "  ... and 4 more rows"
    assert len(lines[12:]) == 10 + 2
    assert "document '0004'" in lines[21]
    more = "... and 3,990 more values; largest |a - b|: mass 0.25, strict_mass 0.25"
    assert lines[22] == f"  {more}"
    assert lines[23] == "2 tables, 1 differs: 4,000 values, 14 rows"


def test_control_characters_are_shown_and_not_sent(a, b):
    token = "\x1b[2J\u202e\x00"
    write(a, COUNTS | {"token": [token, "a", "b"]})
    write(b, COUNTS | {"token": [token, "a", "b"], "count": [0, 2, 1]})
    for run, value in ((a, 1), (b, 2)):
        pl.DataFrame({token: [value]}).write_parquet(run / "results/tables/\x1bown.parquet")
    done = diff(a, b)
    assert done.exit_code == 1
    assert r"token '\x1b[2J\u202e\x00'" in done.stdout
    assert "\u241bown: 1 value" in done.stdout
    assert "row 0: \u241b[2J<U+202E>\u2400 1 in A, 2 in B" in done.stdout
    assert all(character.isprintable() for character in done.stdout.replace("\n", ""))


@pytest.mark.parametrize("place", ["", "results", "results/tables"])
def test_the_folder_of_a_run_of_results_and_of_tables(a, b, place):
    write(b, COUNTS | {"count": [3, 2, 0]})
    done = diff(a, b / place)
    assert done.stdout.splitlines()[:2] == [f"A: {a}/results/tables", f"B: {b}/results/tables"]
    assert done.exit_code == 1


def test_files_that_are_no_tables_are_left_alone(a, b):
    write(b, COUNTS)
    folder = b / "results/tables"
    (folder / "own.parquet").mkdir()
    (folder / ".sink_mass.parquet.x.part").write_text("half of it")
    (folder / "max_attention_tokens.csv").write_text("not compared")
    assert diff(a, b).exit_code == 0


def problem(done):
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("sinkscope: ")
    return done.stderr


def test_a_folder_without_tables_is_a_problem(a, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty: has no tables (.parquet); give the folder" in problem(
        diff(a, tmp_path / "empty")
    )
    assert "none: is not a folder" in problem(diff(tmp_path / "none", a))
    assert diff(a, tmp_path / "none").stdout == ""


def test_a_damaged_table_is_a_problem(a, b):
    write(b)
    (b / "results/tables/sink_mass.parquet").write_bytes(b"PAR1")
    done = diff(a, b)
    assert "sink_mass.parquet: cannot be read as Parquet" in problem(done)


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf"])
def test_a_tolerance_is_a_finite_number(a, tolerance):
    done = diff(a, a, "--tolerance", tolerance)
    assert done.exit_code == 2
    assert "Invalid value for '--tolerance'" in " ".join(done.stderr.split())


def test_the_exit_status_of_the_program(a, b, tmp_path):
    write(b, COUNTS | {"count": [3, 2, 0]})
    program = [sys.executable, "-c", "from sinkscope.cli import main; main()", "diff", str(a)]
    found = [subprocess.run([*program, str(other)]).returncode for other in (a, b, tmp_path)]
    assert found == [0, 1, 2]


@pytest.mark.parametrize("name", all_tables())
def test_every_table_that_the_program_writes_has_its_key(tmp_path, name):
    """So that none of them is matched by position."""
    table = all_tables()[name]
    for run in "ab":
        write_table(pl.LazyFrame(schema=table.schema), name, table, tmp_path / run)
    assert told(diff(tmp_path / "a", tmp_path / "b")) == ["1 table is equal (0 rows)."]
