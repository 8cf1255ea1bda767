"""`semopt manual` and `semopt cite`, as people meet them on terminals and in pipes."""

import os
import pty
import re
import subprocess
import sys
from io import StringIO

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from semopt import __version__
from semopt.cli import app
from semopt.report.manual import PAGES, read
from semopt.report.manual_terminal import Shown


def run(*arguments, **environment):
    """Run a command whose output is piped, 80 columns wide."""
    return subprocess.run(
        [sys.executable, "-m", "semopt", *arguments],
        env=os.environ | {"COLUMNS": "80"} | environment,
        capture_output=True,
        check=False,
    )


def words_of(text):
    return " ".join(text.split())


def test_without_a_topic_all_pages_are_listed_with_a_sentence():
    shown = words_of(CliRunner().invoke(app, ["manual"]).stdout)
    places = [shown.index(f"{name} {read(name).sentence}") for name in PAGES]
    assert places == sorted(places)


def test_an_unknown_topic_is_one_sentence_with_names_that_are_near():
    done = run("manual", "strat")
    assert done.returncode == 2
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert re.fullmatch(
        r"error: topic 'strat': is not one of start, .*; did you mean start.*", line
    )
    far = run("manual", "zzz").stderr.decode()
    assert "is not one of start" in far
    assert "did you mean" not in far


@pytest.mark.parametrize("width", [30, 80])
@pytest.mark.parametrize("name", PAGES)
def test_pages_keep_within_the_width_and_are_whole(name, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = CliRunner().invoke(app, ["manual", name]).stdout
    assert max(map(cell_len, shown.splitlines())) <= width
    assert "\x1b" not in shown
    sentences = re.sub(r"```.*?```", "", read(name).text, flags=re.DOTALL)
    for span in re.findall(r"`([^`\n]+)`", sentences):
        for word in span.split():
            assert word in re.sub(r"\s", "", shown)


def test_a_block_keeps_its_lines_and_has_the_name_of_its_file_above():
    shown = CliRunner().invoke(app, ["manual", "start"], env={"COLUMNS": "80"}).stdout
    assert "policy.py:\n  import numpy as np\n" in shown
    assert " ─────" in shown


TABLE = """
| name | what it says |
| --- | --- |
| `a_long_name_of_code` | some words, and more words, and a few more |
| b | c |
"""


def shown_in(width):
    console = Console(width=width, color_system=None, file=StringIO())
    console.print(Shown(TABLE, coloured=False))
    return [line.rstrip() for line in console.file.getvalue().rstrip().splitlines()]


def test_a_table_breaks_between_words_and_becomes_blocks_where_these_have_no_room():
    assert shown_in(80)[-2:] == [
        "  `a_long_name_of_code`   some words, and more words, and a few more",
        "  b                       c",
    ]
    assert shown_in(40)[-5:] == [
        "  `a_long_name_of_code`   some words,",
        "                          and more",
        "                          words, and a",
        "                          few more",
        "  b                       c",
    ]
    assert shown_in(30)[-2:] == ["name          b", "what it says  c"]


def test_an_encoding_without_those_signs_gets_plain_ones():
    shown = run("manual", "start", PYTHONIOENCODING="ascii").stdout.decode("ascii")
    assert " -----" in shown
    assert "<=8 ms" in shown
    assert "J s^2" in run("manual", "model", PYTHONIOENCODING="ascii").stdout.decode("ascii")


def test_an_encoding_without_blocks_shows_batteries_in_plain_signs():
    shown = run("solve", "battery", "--queue", "--seed", "0", PYTHONIOENCODING="ascii").stdout
    assert b" #%*==--:.. " in shown  # a battery that empties
    assert b"?" not in shown


def on_terminal(*arguments, rows, **environment):
    """Return what a terminal of so many rows gets."""
    outer, inner = pty.openpty()
    sizes = {"COLUMNS": "80", "LINES": str(rows), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-m", "semopt", *arguments],
        env={k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "MANPAGER")}
        | sizes
        | environment,
        stdin=inner,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    parts = []
    while True:
        try:
            part = os.read(outer, 1 << 16)
        except OSError:  # so ends a terminal on Linux
            part = b""
        if not part:
            break
        parts.append(part)
    os.close(outer)
    assert process.wait() == 0
    return b"".join(parts).decode()


def test_a_terminal_pages_what_it_has_no_room_for():
    pager = {"PAGER": "sed s/^/paged:/"}
    assert "paged:" in on_terminal("manual", "start", rows=24, **pager)
    assert "paged:" not in on_terminal("manual", "start", rows=1000, **pager)
    assert "paged:" not in on_terminal("manual", rows=1000, **pager)


def test_a_terminal_without_colour_gets_none():
    assert "\x1b[1" in on_terminal("manual", "start", rows=1000)
    assert "\x1b" not in on_terminal("manual", "start", rows=1000, TERM="dumb")


# ------------------------------------------------------------------------------ how to cite


def cited(form):
    return CliRunner().invoke(app, ["cite", "--format", form]).stdout


def test_all_formats_name_both_works():
    for form in ("bibtex", "apa", "cff"):
        text = cited(form)
        assert "semopt: exact, certified and learned task offloading" in text
        assert __version__ in text
        assert "2407.11018" in text
        for family in ("Chen", "Luo", "Feng", "Sun"):
            assert family in text
    assert CliRunner().invoke(app, ["cite"]).stdout == cited("bibtex")


def test_bibtex_has_two_entries_whose_braces_close():
    entries = cited("bibtex").strip().split("\n\n")
    assert [re.match(r"@misc\{(\w+),", entry)[1] for entry in entries] == [
        "semopt",
        "chen2024online",
    ]
    for entry in entries:
        depth = [sum({"{": 1, "}": -1}.get(c, 0) for c in entry[:i]) for i in range(1, len(entry))]
        assert min(depth[8:]) > 0
        assert entry.count("{") == entry.count("}")


def test_cff_is_yaml_with_the_keys_that_its_format_requires():
    yaml = pytest.importorskip("yaml")
    values = yaml.safe_load(cited("cff"))
    assert {"cff-version", "message", "title", "authors"} <= values.keys()
    assert values["cff-version"] == "1.2.0"
    assert values["version"] == __version__
    (paper,) = values["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert [a["family-names"] for a in paper["authors"]] == ["Chen", "Luo", "Chen", "Feng", "Sun"]
