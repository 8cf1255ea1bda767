"""What observations permit: against plain enumeration, and where nothing can be lost."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from semopt import Scenario, model, solve
from semopt.backends import decode
from semopt.cli import entry
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.information.cell import InformationCell, best_with
from semopt.studies.information.question import Question
from semopt.studies.work import DONE, work
from tolerances import ROUNDING, SUMS

CONTENDED = Scenario.load("contended-4").replace(
    {"grid.power": 3, "grid.frequency": 3, "grid.extraction": 3}
)


def test_the_best_with_so_many_offloaders_is_that_of_enumeration():
    rng = np.random.default_rng(0)
    for users, channels in ((1, 1), (2, 3), (3, 2), (3, 3)):
        local, offload = rng.random(users), rng.random((users, channels))
        for count in range(min(users, channels) + 1):
            places = [*range(channels), *[-1] * users]
            totals = [
                sum(local[u] if k < 0 else offload[u, k] for u, k in enumerate(chosen))
                for chosen in permutations(places, users)
                if sum(k >= 0 for k in chosen) == count
            ]
            assert best_with(local, offload, count) == pytest.approx(max(totals), rel=ROUNDING)


@pytest.mark.parametrize(("users", "channels"), [(2, 2), (3, 2), (2, 4), (4, 4)])
def test_what_is_informed_is_the_optimum_and_one_reply_hides_nothing(users, channels):
    """With one draw of the others the slot is known: both values are its grid optimum."""
    scenario = CONTENDED.replace(users=users, channels=channels)
    gain, task = scenario.draw(1, 3)
    best = solve(scenario.problem(gain[0], task[0])).objective / users
    for user in range(users):
        cell = InformationCell(scenario.to_dict(), user, 3, 1, 1)
        assert cell.worth(cell.drawn(), 0) == pytest.approx((best, best), rel=SUMS)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_blind_user_takes_the_best_action_by_plain_enumeration(channels):
    """Every joint action of two slots scored by the model, grouped by the blind user's action."""
    scenario = CONTENDED.replace(users=2, channels=channels)
    gain, task = scenario.draw(2, 1)
    best_replies = []
    for j in (0, 1):
        both = np.stack([gain[0, 0], gain[j, 1]]), np.array([task[0, 0], task[j, 1]])
        slot = scenario.problem(*both)
        best = {}
        for index in range(slot.joint_actions()):
            actions = decode(slot, index)
            outcome = model.evaluate(slot, actions)
            value = float(np.where(outcome.violations == 0, outcome.qoe, 0.0).sum()) / 2
            levels = actions.power[0], actions.frequency[0], actions.extraction[0]
            action = (actions.channel[0] >= 0, *levels)
            best[action] = max(value, best.get(action, 0.0))
        best_replies.append(best)
    blind = max(np.mean([best[action] for best in best_replies]) for action in best_replies[0])
    informed = np.mean([max(best.values()) for best in best_replies])
    cell = InformationCell(scenario.to_dict(), 0, 1, 1, 2)
    assert cell.worth(cell.drawn(), 0) == pytest.approx((informed, blind), rel=SUMS)


def test_a_study_says_what_is_lost_and_its_rows_hold(tmp_path, capsys):
    scenario, asked = CONTENDED.replace(users=2, channels=2), "--scenario 'my site.toml'"
    question, store = Question([scenario], 6, 5, 20, asked), Store(tmp_path)
    store.begin()
    cells = question.parts()["information"]
    assert {work(str(tmp_path), cell) for cell in cells} == {DONE}
    (row,) = question.rows(store)
    assert row.users == 2
    assert row.constant < row.optimum
    assert 0 <= row.loss <= row.added
    assert row.closed == pytest.approx(1 - row.loss / (row.optimum - row.constant))
    assert all(checked.holds for checked in audit(tmp_path, 8))
    question.show(store)
    assert f"{row.loss:.5f}" in capsys.readouterr().out
    store.file(cells[0]).unlink()
    assert question.rows(store)[0].users == 1
    assert question.report(store).notes == ["1 of 4 cells are not there yet."]
    store.fail(cells[0], "its worker was killed")
    words = f"{scenario.name} (1 of 2 users failed)"
    assert question.report(store).tables[0].texts()[0][0] == words
    assert question.report(store).figures[0].title.startswith(words)
    store.file(cells[1]).unlink()
    question.show(store)
    assert f"{scenario.name} (failed)" in " ".join(capsys.readouterr().out.split())
    assert f"information {asked} --draws 6 --replies 5" in question.report(store).command


def test_four_observations_have_no_interval_and_the_study_says_so(tmp_path, capsys):
    question, store = Question([CONTENDED], 4, 5, 20, ""), Store(tmp_path)
    store.begin()
    for cell in question.parts()["information"]:
        work(str(tmp_path), cell)
    question.show(store)
    why = "fewer than 5 observations have no interval"
    assert why in " ".join(capsys.readouterr().out.split())
    assert question.report(store).figures[0].notes == [f"No interval: {why}."]


def test_scenarios_whose_users_are_not_apart_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for changes in ({"qoe.objective": "min"}, {"users": 1}, {"system.server_energy_max_mj": 9.0}):
        Path("own.toml").write_text(CONTENDED.replace(changes).to_toml())
        assert entry.run(["study", "information", "--scenario", "own.toml"]) == 2
        words = "couples the users" if "system.server_energy_max_mj" in changes else "two or more"
        assert words in capsys.readouterr().err
    assert not Path("study").exists()
