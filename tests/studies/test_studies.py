"""The programs of the studies, as a user starts them."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")


def run(name, *arguments):
    command = [sys.executable, "-m", f"semopt.studies.{name}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [(), ("out", "paper-mappo")])
def test_policies_names_its_rows(arguments):
    ended = run("policies", *arguments)
    assert ended.returncode == 1
    assert "contended-8-long" in ended.stderr


def test_information_is_about_two_users():
    ended = run("information", "contended-4")
    assert (ended.returncode, "two users" in ended.stderr) == (1, True)


def test_information_is_worth_nothing_where_all_slots_are_alike(monkeypatch):
    from semopt import Scenario
    from semopt.studies import information

    monkeypatch.setattr(information, "DRAWS", 3)
    scenario = Scenario.load("contended")
    gain, task = scenario.draw(information.REPLIES, 0)
    gain[:], task[:] = gain[0], task[0]
    assert information.loss(scenario.template(), 0, gain, task) == pytest.approx(0.0, abs=1e-12)
