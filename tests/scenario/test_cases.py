"""The acceptance cases: files and the facts about them that an independent program found."""

import pytest

from problems import CASES, EXPECTED
from semopt.scenario import Scenario, ScenarioError


@pytest.mark.parametrize("name", EXPECTED["cases"])
def test_joint_actions_are_counted_exactly(name):
    problem = Scenario.load(CASES / name).problem()
    assert str(problem.joint_actions()) == EXPECTED["cases"][name]["joint_actions"]


@pytest.mark.parametrize("name", EXPECTED["cases"])
def test_file_survives_being_written_and_read(name):
    scenario = Scenario.load(CASES / name)
    assert Scenario.parse(scenario.to_toml()).to_dict() == scenario.to_dict()


@pytest.mark.parametrize("name", EXPECTED["bad"])
def test_message_names_what_is_wrong(name):
    with pytest.raises(ScenarioError) as caught:
        Scenario.load(CASES / "bad" / name)
    message = str(caught.value).lower()
    assert [word for word in EXPECTED["bad"][name] if word.lower() not in message] == []
