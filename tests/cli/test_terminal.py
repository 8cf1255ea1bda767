"""What the terminal adds: quiet and verbose commands, and the words that shells complete."""

import logging
import os
import subprocess
import sys

import pytest

from semopt import cli

START = "import sys; sys.argv = ['semopt']; from semopt.cli import main; main()"


def completed(words, folder):
    """Return what bash is offered for the last word of a command."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    out = subprocess.run(
        [sys.executable, "-c", START],
        env=os.environ | asked | {"_SEMOPT_COMPLETE": "complete_bash"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stderr == ""
    return out.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("semopt solve cont", ["contended", "contended-4", "contended-8"]),
        ("semopt solve min", ["mine.toml"]),
        ("semopt solve fold", ["folder/"]),
        ("semopt solve folder/", ["folder/yours.toml"]),
        ("semopt scenario check min", ["mine.toml"]),
        ("semopt scenario new x.toml --from pap", ["paper"]),
        ("semopt solve --method ex", ["exhaustive", "exact"]),
        ("semopt solve --backend nu", ["numpy"]),
        ("semopt evaluate con", ["constant"]),
        ("semopt evaluate pol", ["policy", "policy.py"]),
        ("semopt study ga", ["gap"]),
        ("semopt train ma", ["mappo"]),
        ("semopt manual cit", ["cite"]),
        ("semopt solve no-such-", []),
    ],
)
def test_shells_complete_names(words, offered, tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("mine.toml", "mine.txt", "policy.py", "folder/yours.toml"):
        (tmp_path / name).touch()
    assert completed(words, tmp_path) == offered


@pytest.fixture
def _usual_logging():
    root, ours = logging.getLogger(), logging.getLogger("semopt")
    before = root.handlers[:], ours.level
    yield
    root.handlers[:], ours.level = before
    ours.setLevel(before[1])
    cli.run(["backends"])  # neither quiet nor verbose


NOTED = ["solve", "tiny", "--method", "mappo"]  # an old name, of which a note tells


@pytest.mark.usefixtures("_usual_logging")
@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_quiet_command_gives_its_answer_and_its_faults_alone(place, capsys):
    arguments = list(NOTED)
    arguments.insert(place, "--quiet")
    for typed, note in ((NOTED, True), (arguments, False)):
        assert cli.run(typed) == 2
        output = capsys.readouterr().err
        assert ("note: method 'mappo' is an old name" in output) is note
        assert "needs --checkpoint" in output
    assert cli.run(["--quiet", "solve", "tiny"]) == 0
    output = capsys.readouterr()
    assert "Total QoE 1.503385" in output.out
    assert output.err == ""


@pytest.mark.usefixtures("_usual_logging")
def test_a_verbose_command_logs_what_it_does(capsys):
    assert cli.run(["solve", "paper", "--slots", "20", "--verbose"]) == 0
    output = capsys.readouterr()
    assert "share offloaded" in output.out
    lines = output.err.splitlines()
    assert any("semopt.scenario.scenario: paper: <Scenario paper: 2 users" in x for x in lines)
    assert any("semopt.solvers.batch: <Batch of 20 slots by exact" in x for x in lines)
    assert any("drawing 20 slots: " in x for x in lines)
    assert cli.run(["solve", "--quiet", "--verbose"]) == 2
    assert "--quiet and --verbose: one of the two" in capsys.readouterr().err


def test_a_program_takes_the_records_it_asks_for(caplog):
    import semopt

    with caplog.at_level(logging.DEBUG, "semopt"):
        semopt.solve("tiny")
    assert "<Result of exact on cpu: optimal, value 1.50339" in caplog.text
    caplog.clear()
    semopt.solve("tiny")
    assert caplog.text == ""
