"""How far a command is, as a terminal shows it."""

import io

import pytest

from semopt.report.progress import progress


def test_no_bar_is_drawn_where_nobody_watches(capsys):
    with progress("work", 3) as show:
        show(2)
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """Standard error of a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_terminal_is_told_the_title(term, monkeypatch):
    terminal = Terminal()
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr", terminal)
    with progress("sweep[/best]", 4) as show:
        show(1)
    assert "sweep[/best]" in terminal.getvalue()


def test_a_terminal_without_a_cursor_is_told_in_lines(monkeypatch):
    terminal, clock = Terminal(), iter([0.0, 1.0, 6.0, 7.0, 12.0])
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("semopt.report.progress.monotonic", lambda: next(clock))
    with progress("work", 8) as show:
        for done in (1, 2, 3, 4):
            show(done)
    assert terminal.getvalue().splitlines() == [
        "work ...",
        "work: 25%, about 18 s left",
        "work: 50%, about 12 s left",
    ]
