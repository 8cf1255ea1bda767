"""What the manual lists is all that there is: a row that comes without its line fails here."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import semopt
from semopt import Status, model
from semopt.channel import LAWS
from semopt.cli.entry import app
from semopt.env import FEATURES
from semopt.learn.scores import Score
from semopt.methods import ALGORITHMS, METHODS, QUEUE_POLICIES
from semopt.readings import Readings
from semopt.report.manual import read

ROOT = Path(semopt.__file__).parents[1]
CODE = re.compile(r"`([^`\n]+)`")


def section(page, heading):
    """Return the text of a page below a heading, up to the next one."""
    return re.split(r"\n## ", read(page).text.partition(f"\n## {heading}\n")[2])[0]


def rows(text):
    """Return the cells of the rows of tables, their headings aside."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    heads = {i for i, line in enumerate(lines) if re.match(r"\| -", line)}
    body = [line for i, line in enumerate(lines) if not {i, i + 1} & heads]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body]


@pytest.mark.parametrize(
    ("page", "heading", "names"),
    [
        ("methods", "Which one to take", METHODS),
        ("methods", "How a solve ends", [status.word for status in Status]),
        ("channels", "Laws", LAWS),
        ("learning", "Which algorithm", ALGORITHMS),
        ("queues", "Online policies", QUEUE_POLICIES),
        (
            "policies",
            "How it is scored",
            [f.name for f in fields(Score) if f.name != "reference_qoe"],
        ),
    ],
)
def test_a_table_has_every_name_and_no_other(page, heading, names):
    first = [name for cells in rows(section(page, heading)) for name in CODE.findall(cells[0])]
    assert sorted(first) == sorted(names)


def test_every_reading_is_told_from_the_paper():
    told = CODE.findall(section("model", "What differs from the paper, and why"))
    assert {f.name for f in fields(Readings)} <= set(told)


def test_every_equation_has_a_place_that_exists():
    equations, places = set(), 0
    for paper, _, where in rows(section("model", "Which equation stands where")):
        for first, last in re.findall(r"\((\d+)[a-z]?\)(?:-\((\d+)[a-z]?\))?", paper):
            equations |= {*range(int(first), int(last or first) + 1)}
        file = re.search(r"`(semopt/[\w/]+\.py)`", where)
        for name in CODE.findall(where) if paper.startswith("(") else ():
            owner, _, part = name.rpartition(".")
            if re.fullmatch(r"\w+(\.\w+)?", name) and file:
                assert re.search(rf"\b{part}\b", (ROOT / file[1]).read_text()), name
            elif re.fullmatch(r"\w+(\.\w+)?", name) and "semopt." not in where:
                home = getattr(model, owner, None) or getattr(semopt, owner) if owner else model
                assert hasattr(home, part) or part in home.__annotations__, name
                places += 1
    assert equations == {*range(1, 30)}
    assert places > 15


def test_the_page_on_python_has_every_public_name():
    text = read("python").text
    assert [name for name in semopt.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_the_page_on_commands_has_every_command():
    named = set(re.findall(r"`(?:semopt )?(\w+)`", section("commands", "Which command")))
    groups = {group.name for group in app.registered_groups}
    assert {command.name for command in app.registered_commands} | groups <= named


def test_the_page_on_environments_has_every_feature():
    assert set(FEATURES) <= set(CODE.findall(read("environments").text))
