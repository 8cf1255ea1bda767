"""Policies of the user's own: whatever such code does is one sentence, and exit code 2."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from semopt.learn import evaluate
from semopt.learn.plugged import plugged
from semopt.scenario import Scenario

PAPER = Scenario.load("paper")

CODE = """
import sys
import numpy as np
from semopt.model import Actions
{above}

def f(seen):
    S, N = seen.shape[:2]
    good = np.zeros((S, N, 6), np.float32)
    one, none = np.ones((S, N)), np.full((S, N), -1)
    {body}
"""

LOCAL = "return Actions(none, 0 * one, 0.7e9 * one, one)"

FAULTS = {
    # what it returns
    "return None": "returned a NoneType",
    "return 'x'": "returned a str",
    "return 1.0": r"of shape \(\)",
    "return {}": "returned a dict",
    "return [[1], [2, 3]]": "a list that it returned is no array: ValueError",
    "return good[..., :-1]": r"of shape \(\d, 2, 5\): .* \(\d, 2, 6\), .* paper \(2 users, 2 sub",
    "return good[:-1]": r"of shape \(\d, 2, 6\)",
    "return good.astype(str)": "returned <U32 of shape",
    "return good.astype(bool)": "returned bool",
    "return good.astype(complex)": "returned complex128",
    "return good.astype(object)": "returned object",
    "good[-1, 0, 3] = np.nan; return good": "nan as entry 3 of user 0 in slot",
    "good[0, 1, 2] = np.inf; return good": "inf as entry 2 of user 1 in slot 0",
    "good[0, 1, 2] = 1.001; return good": r"1\.001\d* as entry 2 of user 1",
    "return -1 - good": "-1.0 as entry 0 of user 0 in slot 0",
    "return np.ma.masked_equal(good, 0)": "masked entries",
    # what Actions hold
    "return Actions(None, None, None, None)": r"channel has shape \(\) of object",
    "return Actions(none, one, one, one[:-1])": r"extraction has shape",
    "return Actions(none, 'much', one, one)": "power has shape",
    "return Actions(none * 1.0, one, 7e8 * one, one)": "channel must hold integers",
    "return Actions(0 * none, 0.1 * one, 1e9 * one, 0.5 * one)": "users 0 and 1 share sub-channel",
    "return Actions(none + 3, 0.1 * one, 1e9 * one, 0.5 * one)": "integers from -1 .local. to 1",
    "return Actions(none - 1, 0.1 * one, 1e9 * one, 0.5 * one)": "integers from -1 .local. to 1",
    "return Actions(none.astype('u8'), one, 7e8 * one, one)": "integers from -1 .local. to 1",
    "return Actions(none, one, np.nan * one, one)": "frequency of user 0 in slot 0 is nan",
    "return Actions(none, one, 1e12 * one, one)": "1e.12 Hz: must be from 5.5e.08 to 1e.09 Hz",
    "none[:, 1] = 0; return Actions(none, 0.2 * one, 7e8 * one, one)": "0.2 W: .* 0.01 to 0.1 W$",
    "none[:, 1] = 0; return Actions(none, 0.1 * one, 7e8 * one, 1.5 * one)": "user 1 .* is 1.5:",
    "none[:, 0] = 1; return Actions(none, 0.1 * one, 7e8 * one, 0.1 * one)": "0.1: .* 0.3 to 1$",
    # what it does instead
    "raise KeyError('weights')": "raised: KeyError in line 11: 'weights'",
    "raise RuntimeError('one\\ntwo')": "RuntimeError in line 11: one$",
    "raise RuntimeError": "RuntimeError in line 11: no reason given",
    "1 / 0": "ZeroDivisionError in line 11: division by zero",
    "f(seen)": "RecursionError",
    "sys.exit(0)": "ended Python: SystemExit in line 11: 0",
    "sys.exit('bye')": "SystemExit in line 11: bye",
    "raise GeneratorExit('x')": "GeneratorExit in line 11: x",
    "raise Broken('x')": "Broken in line 11: no reason given",
    "return torch": "NameError",
    "import asyncio; return asyncio.sleep(0, good)": "is async: a function that returns decisions",
    "seen[99]": "IndexError",
}


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """Write a policy's file; return its name for the command line."""
    monkeypatch.chdir(tmp_path)

    def write(body, above=""):
        above = above or "class Broken(Exception): __str__ = None"
        (tmp_path / "mypol.py").write_text(CODE.format(above=above, body=body))
        return "./mypol.py:f"

    return write


@pytest.mark.parametrize("body", FAULTS)
def test_every_fault_is_one_sentence(policy, body):
    with pytest.raises(ValueError, match=FAULTS[body]) as error:
        evaluate.evaluate([policy(body)], PAPER, 3)
    assert str(error.value).startswith("./mypol.py:f")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("above", "message"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError in line 5: No"),
        ("import sys; sys.exit(3)", "ended Python: SystemExit in line 5: 3"),
        ("raise OSError('no weights')", "cannot be imported: OSError in line 5: no weights"),
        ("def g(:", r"cannot be imported: SyntaxError: invalid syntax \(mypol.py, line 5\)"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(policy, above, message):
    with pytest.raises(ValueError, match=message):
        evaluate.evaluate([policy(LOCAL, above)], PAPER, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere.py:f", "there is no file nowhere.py"),
        ("nowhere.at.all:f", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("./mypol.py:g", r"\./mypol\.py:g: \./mypol\.py has no function g; it has "),
        ("./mypol.py:np", "is no function: module"),
        ("./mypol.txt:f", "there is no file mypol.txt"),
        ("/:f", "there is no file /"),
        (":f", "is no checkpoint folder"),
        ("mypol:", "is no checkpoint folder"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(policy, name, message):
    policy(LOCAL)
    with pytest.raises(ValueError, match=message):
        evaluate.evaluate([name], PAPER, 3)


def test_ctrl_c_in_a_policy_is_no_fault_of_it(policy):
    with pytest.raises(KeyboardInterrupt):
        evaluate.evaluate([policy("raise KeyboardInterrupt")], PAPER, 3)


@pytest.mark.parametrize("name", ["./mypol.py:f", "mypol.py:f", "{folder}/mypol.py:f"])
def test_a_file_by_its_place_decides_as_a_module_does(policy, tmp_path, name):
    (tmp_path / "beside_mypol.py").write_text("FREQUENCY = 0.7e9\n")
    policy("return Actions(none, 0 * one, FREQUENCY * one, one)", "from beside_mypol import *")
    gain, task = PAPER.draw(4, 0)
    actions = plugged(name.format(folder=tmp_path), PAPER)(gain, task)
    assert (actions.channel == -1).all()
    assert (actions.frequency == 0.7e9).all()


@pytest.mark.parametrize("kind", ["list", "f4", "torch"])
def test_actions_may_hold_whatever_numpy_reads(policy, kind):
    how = {
        "list": "return Actions(none.tolist(), (0 * one).tolist(), (7e8 * one).tolist(), "
        "one.tolist())",
        "f4": "return Actions(none.astype('i1'), 0 * one, (7e8 * one).astype('f4'), one)",
        "torch": "import torch; t = torch.from_numpy; "
        "return Actions(t(none), t(0 * one), t(7e8 * one), t(one))",
    }
    gain, task = PAPER.draw(4, 0)
    actions = plugged(policy(how[kind]), PAPER)(gain, task)
    assert actions.frequency.dtype == np.float64
    assert (actions.frequency == 7e8).all()


def test_what_does_not_matter_in_a_mode_is_not_judged(policy):
    """A raw task has no frequency of its own; a local one neither power nor extraction."""
    gain, task = PAPER.draw(4, 0)
    raw = "none[:, 0] = 1; return Actions(none, 0.1 * one, 7e8 * (none < 0), one)"
    assert (plugged(policy(raw), PAPER)(gain, task).channel == [1, -1]).all()
    local = "return Actions(none, 99 * one, 7e8 * one, 0.001 * one)"
    assert (plugged(policy(local), PAPER)(gain, task).channel == -1).all()


@pytest.mark.parametrize("value", ["'all'", "None", "np.ones(3)", "7"])
def test_an_unknown_observation_is_named(policy, tmp_path, value):
    name = policy(LOCAL)
    with (tmp_path / "mypol.py").open("a") as file:
        file.write(f"\nf.observation = {value}\n")
    with pytest.raises(ValueError, match=r"mypol\.py:f\.observation = .*: 'own' or 'shared'"):
        evaluate.evaluate([name], PAPER, 3)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "semopt", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )


def test_the_scenario_that_is_taken_is_named_unless_it_was_given(policy):
    name = policy(LOCAL)
    asked = [(), ("--scenario", "paper")]
    notes = [command("evaluate", name, "--slots", "2", *words).stderr for words in asked]
    assert ["no --scenario is given: paper is taken" in note for note in notes] == [True, False]
    methods = command("evaluate", "local", "--slots", "2")
    assert "is taken" not in methods.stderr


def test_on_the_command_line_it_is_exit_code_2_without_a_traceback(policy):
    done = command("evaluate", policy("sys.exit(0)"), "--slots", "2", "--json", "-")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ./mypol.py:f: ended Python")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_what_a_policy_prints_spoils_no_json(policy):
    name = policy("print('deciding'); " + LOCAL, "print('importing')")
    done = command("evaluate", name, "reference", "--slots", "2", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["methods"].keys() == {name, "reference"}
    assert "importing" in done.stderr
    assert "deciding" in done.stderr
