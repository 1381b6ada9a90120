"""What a log says while a job works on its documents."""

import pytest

from sinkscope.extract import progress


@pytest.fixture
def clock(monkeypatch):
    """Seconds of the clock, to be set."""
    seconds = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    return seconds


def test_a_log_has_the_speed_of_each_tenth_and_the_time_left(clock, capsys):
    advance = progress.logged("m", 40)
    for number in range(40):
        clock[0] += 0.5 if number < 4 else 0.25
        advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "m: 4 of 40 documents, 2.0 per second, 0:00:18 left"
    assert lines[1] == "m: 8 of 40 documents, 4.0 per second, 0:00:08 left"
    assert lines[-1] == "m: 40 of 40 documents, 4.0 per second"


def test_few_documents_have_a_line_each_and_finished_ones_take_no_time(clock, capsys):
    with progress.progress("m", 1) as advance:
        advance()
    assert capsys.readouterr().err.startswith("m: 1 of 1 document, ")


def test_a_terminal_shows_a_bar(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.progress("m", 3) as advance:
        for _ in range(3):
            advance()
    assert "3/3" in capsys.readouterr().err
