"""What people read on a terminal: names as they were written, whole figures at any width."""

import pytest

from semopt.console import Console, count, figure, slim_table, visible

NAMES = ["sweep[lr=5e-4]", "sweep[/best]", "[/]", "[bold]x[/bold]", ":smile:", "a\\[b]"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_printed_as_they_are(name, capsys):
    table = slim_table(name)
    table.add_column(name)
    table.add_row(name)
    Console().print(table)
    Console().print(f"{name}: done")
    words = [line.strip() for line in capsys.readouterr().out.splitlines() if "─" not in line]
    assert [line for line in words if line] == [name, name, name, f"{name}: done"]


def test_what_a_terminal_would_obey_is_shown(capsys):
    Console().print("a\x1b[31mb\rc\u202ed\x9b2Je\ud800f\tg\nh")
    shown = capsys.readouterr().out
    assert shown.split("g\n")[0].rstrip() == "a\\x1b[31mb\\rc\\u202ed\\x9b2Je\\ud800f"
    assert visible("straße\n\t≤µ█") == "straße\n\t≤µ█"


@pytest.mark.parametrize("columns", ["0", "1", "20", "-5", "²", "99999999999999", "x", ""])
def test_tables_are_whole_at_any_width(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    table = slim_table("title")
    for heading in range(11):
        table.add_column(f"name{heading}", no_wrap=True)
    table.add_row(*["123456"] * 11)
    Console().print(table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].split() == ["123456"] * 11 or lines[-2].count("123456") == 11


def test_a_wide_terminal_is_used(monkeypatch):
    monkeypatch.setenv("COLUMNS", "133")
    assert Console().width == 133


def test_numbers_of_many_digits_stay_short():
    assert count(999_999_999_999_999) == "999,999,999,999,999"
    assert count(10**279) == "about 1.00e+279"
    assert count(12**5000) == "about 8.06e+5395"  # 5000 log10(12) = 5395.9062
    assert figure(1234.5678, 2) == "1234.57"
    assert figure(-1e30, 2) == "-1e+30"
