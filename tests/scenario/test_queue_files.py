"""Queues and batteries in scenario files: what they hold, and which faults are named."""

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import Scenario
from semopt.cli.entry import app
from semopt.scenario import ScenarioError


def document(slots=0, **queue):
    """Return `tiny` with a battery, and so many pinned slots in place of the one that it pins."""
    file = Scenario.load("tiny").to_dict()
    file["user"]["battery_mj"] = 150.0
    if slots:
        file["queue"] = {"slots": [file.pop("slot")] * slots}
        del file["assumed"]["slot"]
    return file | {"queue": file.get("queue", {}) | queue}


def faults(file):
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(file)
    return refused.value.faults


def test_a_battery_is_of_all_users_or_of_one():
    file = document()
    assert Scenario.from_dict(file).template().users.battery.tolist() == [0.15, 0.15]
    del file["user"]["battery_mj"]
    file["users"] = [{}, {"battery_mj": 20.0}]
    assert Scenario.from_dict(file).template().users.battery.tolist() == [np.inf, 0.02]
    assert Scenario.load("tiny").template().users.battery.tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan"), "full"])
def test_a_battery_that_is_none_is_refused(value):
    file = document()
    file["user"]["battery_mj"] = value
    assert [path for path, _ in faults(file)] == ["user.battery_mj"]


def test_a_pinned_queue_comes_back_from_its_file():
    file = document(slots=3)
    scenario = Scenario.from_dict(file)
    gain, task = scenario.draw_queue()
    slot = Scenario.load("tiny").problem()
    assert (scenario.users, scenario.channels) == slot.gain.shape
    assert np.array_equal(gain, np.stack([slot.gain] * 3))
    assert np.array_equal(task, np.stack([slot.task] * 3))
    again = Scenario.parse(scenario.to_toml())
    assert again.to_dict() == scenario.to_dict()
    assert np.array_equal(again.draw_queue()[0], gain)


def test_a_queue_is_drawn_where_none_is_pinned_or_a_seed_asks_for_it():
    scenario = Scenario.load("contended")
    for seed, first in ((None, 0), (0, 0), (3, 3)):
        gain, task = scenario.draw_queue(seed)
        wanted = scenario.draw(10, first)
        assert np.array_equal(gain, wanted[0])
        assert np.array_equal(task, wanted[1])
    tasks = scenario.replace({"queue.tasks": [["text", "image"]] * 4})
    assert tasks.draw_queue()[1].shape == (4, 2)
    longer = scenario.to_dict() | {"queue": {"length": 12}}
    assert Scenario.from_dict(longer).draw_queue(3)[0].shape[0] == 12


def test_faults_of_a_queue_are_named_where_they_stand():
    file = document(slots=3, length=4, battery_pays="phone")
    file["queue"]["slots"][1] = {"tasks": ["txt", "image"], "gain": [[0.5, 0.5], [0.5]]}
    words = dict(faults(file))
    assert words.keys() == {
        "queue.length",
        "queue.battery_pays",
        "queue.slots[1].tasks[0]",
        "queue.slots[1].gain[1]",
    }
    assert "the number of [[queue.slots]]" in words["queue.length"]
    assert "did you mean text?" in words["queue.slots[1].tasks[0]"]
    file = document(slots=2)
    file["queue"]["slots"][1] = {"tasks": ["text"], "gain": [[0.5, 0.5]]}
    assert {path for path, _ in faults(file)} == {
        "queue.slots[1].tasks",
        "queue.slots[1].gain",
    }


def test_who_takes_slots_one_by_one_says_so(tmp_path):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(Scenario.from_dict(document()).to_toml())
    plain = CliRunner().invoke(app, ["solve", "tiny", "--json", "-"])
    ended = CliRunner().invoke(app, ["solve", str(scenario), "--json", "-"])
    assert ended.exit_code == 0
    assert "user.battery_mj is not counted" in ended.stderr
    assert '"objective": 1.' in ended.stdout
    assert "battery" not in plain.stderr
