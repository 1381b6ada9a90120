"""Options of the command line that cannot be."""

import pytest
from typer.testing import CliRunner

from sinkscope.api.request import as_unicode
from sinkscope.cli import app
from sinkscope.errors import SinkscopeError


@pytest.mark.parametrize(
    "options",
    [
        ["rehearse", "--tflops", "0"],
        ["rehearse", "--tflops", "nan"],
        ["rehearse", "--gpu-gib", "0"],
        ["rehearse", "--gpu-gib", "inf"],
        ["rehearse", "--tokens", str(10**20)],
    ],
)
def test_a_number_out_of_range_names_its_option(tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 2
    assert f"Invalid value for '{options[-2]}'" in " ".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_a_text_of_the_command_line_that_is_not_utf8_is_an_error():
    with pytest.raises(
        SinkscopeError, match="--text is not UTF-8 at character 3; save it in a file"
    ):
        as_unicode(b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert as_unicode("caf\u00e9") == "caf\u00e9"


def test_the_version_is_printed():
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, "sinkscope 0.1.0\n")


def test_a_shell_completes_commands():
    asked = {
        "_SINKSCOPE_COMPLETE": "complete_bash",
        "COMP_WORDS": "sinkscope reh",
        "COMP_CWORD": "1",
    }
    done = CliRunner().invoke(app, [], prog_name="sinkscope", env=asked)
    assert done.stdout.split() == ["rehearse"]
