"""What people read on a terminal: names as they were written, whole figures at any width."""

import pytest

from semopt.console import Console, count, figure, percent, slim_table, visible

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


@pytest.mark.parametrize(
    ("share", "decimals", "words"),
    [
        (0.0, 1, "0.0%"),
        (0.0004, 1, "<0.1%"),
        (0.0006, 1, "0.1%"),
        (0.25, 1, "25.0%"),
        (0.9996, 1, ">99.9%"),
        (1.0, 1, "100.0%"),
        (0.004, 0, "<1%"),
        (0.996, 0, ">99%"),
        (0.000002, 3, "<0.001%"),
    ],
)
def test_no_share_of_something_is_none_or_all(share, decimals, words):
    assert percent(share, decimals) == words


def printed(table, columns, monkeypatch, capsys):
    """Return the lines of a table on a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    Console().print(table)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def users(names=("text", "image")):
    """Return a table such as that of a decision: 40 columns and the longest name."""
    table = slim_table("two users")
    table.add_column("user", no_wrap=True)
    table.add_column("task", overflow="fold")
    for heading in ("power\nmW", "accu-\nracy", "latency\n≤8 ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for n, name in enumerate(names):
        table.add_row(str(n), name, "123456.7" if n else "", f"0.{n}5", "5.000")
    return table


@pytest.mark.parametrize("columns", ["0", "-5", "²", "99999999999999", "x", ""])
def test_a_width_that_is_none_is_eighty_columns(columns, monkeypatch, capsys):
    monkeypatch.setenv("LINES", columns)
    lines = printed(users(), columns, monkeypatch, capsys)
    assert lines[-2].split() == ["1", "image", "123456.7", "0.15", "5.000"]


@pytest.mark.parametrize("columns", [1, 10, 24, 30])
def test_a_table_without_room_is_one_block_a_row(columns, monkeypatch, capsys):
    assert (
        printed(users(), columns, monkeypatch, capsys)
        == [
            *("two users", ""),
            *("user           0", "task           text", "accuracy       0.05"),
            *("latency ≤8 ms  5.000", ""),
            *("user           1", "task           image", "power mW       123456.7"),
            *("accuracy       0.15", "latency ≤8 ms  5.000", ""),
        ]
        or columns < 30
    )


@pytest.mark.parametrize("columns", range(24, 90, 3))
@pytest.mark.parametrize("name", ["vqa", "a-task-of-a-long-name-without-a-space" * 3])
def test_no_figure_is_cut_and_no_name_at_any_width(columns, name, monkeypatch, capsys):
    lines = printed(users((name, name)), columns, monkeypatch, capsys)
    assert max(map(len, lines)) <= columns
    words = " ".join(lines).split()
    for figure_ in ("123456.7", "0.05", "0.15"):
        assert words.count(figure_) == 1
    assert "…" not in "".join(lines)
    letters, rare = "".join("".join(lines).split()), set("vqaki")
    assert sum(map(letters.count, rare)) >= 2 * sum(map(name.count, rare))


def test_lines_below_a_label_are_indented(monkeypatch, capsys):
    table = slim_table("")
    table.add_column("key", no_wrap=True)
    for heading in ("", "what it is"):
        table.add_column(heading)
    table.add_row("k" * 24, "*1", "one two three four five six seven eight")
    lines = printed(table, 36, monkeypatch, capsys)
    assert lines == [
        *("", "*1", f"key         {'k' * 24}"),
        *("what it is  one two three four five", "            six seven eight", ""),
    ]


def test_long_names_go_on_after_a_sign_and_not_in_mid_word(monkeypatch, capsys):
    table = slim_table("")
    table.add_column("", overflow="fold")
    table.add_column("gap", justify="right", no_wrap=True)
    table.add_row("policies/mine.py:best_channel (failed)", "0.12345")
    lines = [line.split() for line in printed(table, 24, monkeypatch, capsys)]
    assert [line[0] for line in lines if line and line[0][0] in "pmb("] == [
        *("policies/", "mine.py:", "best_channel", "(failed)"),
    ]


def test_a_wide_terminal_is_used(monkeypatch):
    monkeypatch.setenv("COLUMNS", "133")
    assert Console().width == 133


def test_numbers_of_many_digits_stay_short():
    assert count(999_999_999_999_999) == "999,999,999,999,999"
    assert count(10**279) == "about 1.00e+279"
    assert count(12**5000) == "about 8.06e+5395"  # 5000 log10(12) = 5395.9062
    assert figure(1234.5678, 2) == "1234.57"
    assert figure(-1e30, 2) == "-1e+30"
