"""What a queue's answer says on a terminal: no more and no less than is true of it."""

import re

import pytest
from typer.testing import CliRunner

from semopt.cli import app


def told(*arguments):
    out = CliRunner().invoke(app, list(map(str, arguments)))
    assert out.exit_code == 0, out
    return " ".join(out.stdout.split())


def test_a_queue_without_batteries_says_nothing_of_them_but_its_seed():
    words = told("solve", "tiny", "--queue")
    assert "tiny: exact, 10 slots, seed 0" in words
    assert "battery" not in words
    assert "10 slots, seed 3" in told("solve", "battery", "--queue", "--seed", 3)


@pytest.mark.parametrize(
    "arguments",
    [("battery", "--queue", "--seed", 0), ("tiny", "--method", "global")],
)
def test_a_wide_gap_is_no_proven_optimum(arguments):
    words = told("solve", *arguments, "--gap", 0.5)
    assert "proven optimum" not in words
    assert "optimal: within the gap that is allowed, 0." in words
    assert "below the bound" in words
    assert "optimal: the decision is a proven optimum" in told("solve", *arguments, "--gap", 1e-5)


def test_one_queue_is_one_and_an_interval_has_the_digits_of_its_mean():
    pytest.importorskip("torch", reason="evaluate needs the extra learn")
    scored = "evaluate", "equal-split", "--scenario", "battery", "--slots"
    assert "battery: 1 queue of 10, seed 0" in told(*scored, 10)
    assert re.search(r" equal-split 0\.\d{4} 0\.\d{4} 0\.\d{4}-0\.\d{4} ", told(*scored, 50))
