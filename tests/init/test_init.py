"""`sinkscope init`: what it writes, and that it overwrites nothing."""

import pytest
from typer.testing import CliRunner

from sinkscope.cli import app
from sinkscope.config import load, read_config
from sinkscope.errors import SinkscopeError
from sinkscope.init.cli import write_project
from sinkscope.shipped import SHIPPED


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_init_writes_a_project_whose_configuration_is_sound(tmp_path):
    folder = tmp_path / "studies" / "mine"
    done = CliRunner().invoke(app, ["init", str(folder)])
    assert done.exit_code == 0
    assert {str(path) for path in contents(folder)} < set(done.stdout.splitlines())
    config = load(read_config(folder / "config/config.yaml"), folder)
    assert [row.source for row in config.models] == ["zoo:gpt2", "zoo:bert"]
    assert [document.name for document in config.documents] == ["lighthouse", "bread"]
    assert config.entries == config.documents  # none is refused


def test_the_sample_documents_have_the_form_of_the_corpus(tmp_path):
    write_project(tmp_path)
    for path in (tmp_path / "texts").iterdir():
        text = path.read_text(encoding="ascii")
        assert text.startswith("Z ")
        assert "z" not in text[2:].lower()
        assert text.endswith(".\n")


@pytest.mark.parametrize("name", ["default", "slurm"])
def test_a_project_has_the_profiles_of_a_clone(tmp_path, name):
    write_project(tmp_path)
    profile = f"profiles/{name}/profile.yaml"
    assert (tmp_path / profile).read_bytes() == (SHIPPED / "workflow" / profile).read_bytes()


def test_init_twice_is_refused(tmp_path):
    write_project(tmp_path)
    (tmp_path / "config/models.tsv").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(
        SinkscopeError, match=r"^init: .*README\.md exists and is not overwritten; "
    ):
        write_project(tmp_path)
    assert contents(tmp_path) == before


def test_one_file_that_is_there_stops_all(tmp_path):
    (tmp_path / "profiles/slurm").mkdir(parents=True)
    mine = tmp_path / "profiles/slurm/profile.yaml"
    mine.symlink_to("nowhere")  # writing would make the file that it leads to
    with pytest.raises(SinkscopeError, match=r"profiles/slurm/profile\.yaml exists"):
        write_project(tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_one_is_named(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkscopeError, match=r"init: .*/file is not a folder; name another one"):
        write_project(tmp_path / name)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "config").write_text("")
    with pytest.raises(SinkscopeError, match=r"init: .*/config is not a folder"):
        write_project(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def test_braces_in_the_folder_are_refused(tmp_path):
    with pytest.raises(SinkscopeError, match=r"'.*\{x\}' has braces"):
        write_project(tmp_path / "{x}")
    assert list(tmp_path.iterdir()) == []
