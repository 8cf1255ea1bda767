"""Whole queues with batteries evaluated: figures by hand, references, a user's own code."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import Actions, Scenario, evaluate, solve_queue
from semopt.battery import step
from semopt.cli import app, entry
from semopt.learn import queues
from semopt.learn.plugged import queue_policy
from semopt.methods import QUEUE_POLICIES
from semopt.online import make
from semopt.online.play import play
from tolerances import OBJECTIVE, SUMS

BATTERY = Scenario.load("battery")
SHORT = BATTERY.replace({"queue.length": 4, "user.battery_mj": 45.0})


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr("semopt.online.training.SLOTS", 80)
    monkeypatch.setattr(queues, "TIMED", 4)
    monkeypatch.setattr(queues, "LONGEST", 60.0)  # no time decides what is found


def slowest(gain, task, left, tasks_left):
    """All local at the lowest frequency; who has a text skips it."""
    ones = np.ones(task.shape)
    return Actions(np.full(task.shape, -1), 0.0 * ones, 0.55e9 * ones, ones), task == 0


slowest.observation = "plain"


def half(seen):
    """Shares of ranges: the second quarter of the modes, raw."""
    return np.full((*seen.shape[:2], 6), 0.4)


# ----------------------------------------------------------------------- figures


def test_figures_are_those_of_the_queues_played_and_solved_alone():
    scored = evaluate(["equal-split", "greedy"], SHORT, 24, seed=5)
    gain, task = SHORT.draw(24, 5)
    gain, task = gain.reshape(6, 4, 2, 2), task.reshape(6, 4, 2)
    best, values, greedy = np.empty(6), np.empty(6), np.empty(6)
    skips, left = [], []
    split, base = make("equal-split", SHORT), make("greedy", SHORT)
    for q in range(6):
        best[q] = solve_queue(SHORT, gain[q], task[q]).upper_bound / 8
        one = play(split.problem, split, gain[q : q + 1], task[q : q + 1])
        values[q], greedy[q] = (
            one.qoe.sum() / 8,
            play(base.problem, base, gain[q : q + 1], task[q : q + 1]).qoe.sum() / 8,
        )
        skips.append(one.skipped)
        left.append(one.left * 1e3)
    assert scored.optimum == pytest.approx(best, rel=SUMS)
    assert scored.qoe["equal-split"] == pytest.approx(values, rel=SUMS)
    score = scored.scores["equal-split"]
    assert score.qoe == pytest.approx(values.mean())
    assert score.reference_qoe == pytest.approx(best.mean())
    assert score.ratio == pytest.approx((values / best).mean())
    wanted = (values.mean() - greedy.mean()) / (best.mean() - greedy.mean())
    assert score.closure == pytest.approx(wanted)
    assert scored.scores["greedy"].closure == pytest.approx(0.0)
    assert score.skipped_share == pytest.approx(np.mean(skips))
    assert score.energy_left_mj == pytest.approx(np.mean(left))
    assert (scored.queues, scored.length, scored.slots) == (6, 4, 24)
    low, high = scored.interval("equal-split")
    assert low <= (best - values).mean() <= high
    assert scored.closed.all()
    assert "On all queues a decision" in " ".join(str(scored).split())


def test_a_task_that_breaks_a_limit_scores_nothing_and_its_energy_is_gone():
    tight = SHORT.replace({"system.latency_max_ms": 3.0})
    problem = tight.template()
    gain, task = tight.draw(4, 0)
    played = play(problem, queue_policy(slowest, tight), gain[None], task[None])
    assert played.infeasible[task[None] != 0].all()  # 4.8 MFLOP at least take 4.4 ms
    assert (played.qoe == 0.0).all()
    assert (played.left < problem.users.battery).all()
    scored = evaluate([slowest], tight, 80)
    share = (tight.draw(80, 0)[1] != 0).mean()  # of all but texts
    assert scored.scores["slowest"].infeasible_share == pytest.approx(share)
    assert "of its tasks break a limit" in str(scored)


def test_the_reference_says_whether_it_is_closed_and_of_which_levels(monkeypatch):
    monkeypatch.setattr(queues, "LONGEST", 1e-9)
    scored = evaluate("equal-split", SHORT, 24)
    assert scored.to_json()["closed_queues"] < 6
    assert scored.to_json()["reference_levels"] == "grid"
    assert "it is a bound alone" in " ".join(str(scored).split())
    monkeypatch.undo()
    free = evaluate([slowest], SHORT, 8).to_json()
    assert (free["reference"], free["reference_levels"]) == ("hindsight", "continuous")


def test_where_no_battery_pays_for_anything_all_is_reached():
    scored = evaluate(list(QUEUE_POLICIES), SHORT.replace({"user.battery_mj": 1e-3}), 8)
    for score in scored.scores.values():
        assert (score.qoe, score.ratio, score.closure, score.skipped_share) == (0.0, 1.0, None, 1.0)
    document = json.dumps(scored.to_json(), allow_nan=False)
    assert json.loads(document)["methods"]["dp"]["latency_ms"] is None
    assert "nan" not in str(scored)


@pytest.mark.parametrize("name", ["battery", "battery-4"])
def test_presets_punish_greedy_users_and_not_by_tasks_that_none_could_do(name):
    scenario = Scenario.load(name)
    gain, task = scenario.draw(100, 2)
    greedy = make("greedy", scenario)
    lots = gain.reshape(10, 10, *gain.shape[1:]), task.reshape(10, 10, -1)
    best = [solve_queue(scenario, *queue, time_limit=60.0) for queue in zip(*lots, strict=True)]
    reached = play(greedy.problem, greedy, *lots).value
    assert np.mean([b.objective / b.task.size for b in best]) - reached.mean() > 0.1
    assert np.mean([b.skipped for b in best]) < 0.02


# ----------------------------------------------------------------------- a user's own code


def test_own_code_is_played_by_the_rules_of_a_battery():
    gain, task = SHORT.draw(8, 1)
    problem = SHORT.template()
    policy = queue_policy(slowest, SHORT)
    played = play(problem, policy, gain.reshape(2, 4, 2, 2), task.reshape(2, 4, 2))
    left = np.tile(problem.users.battery, (2, 1))
    for t in range(4):
        now = gain.reshape(2, 4, 2, 2)[:, t], task.reshape(2, 4, 2)[:, t]
        actions, skipped = slowest(*now, left, 4 - t)
        wanted = step(problem, actions, skipped, left, *now)
        left = wanted.left
        assert np.array_equal(played.skipped[:, t], wanted.skipped)
        assert played.qoe[:, t] == pytest.approx(wanted.outcome.qoe)
    assert np.array_equal(played.left, left)


def test_who_offloads_beyond_its_battery_is_told_that_the_bound_is_not_one_for_it(capsys):
    def spending(gain, task, left, tasks_left):
        ones = np.ones(task.shape)
        channel = np.broadcast_to([0, 1], task.shape).copy()
        return Actions(channel, 0.1 * ones, 0.55e9 * ones, ones), np.zeros(task.shape, bool)

    spending.observation = "plain"
    scored = evaluate([spending, "dp"], SHORT, 24)
    gain, task = SHORT.draw(24, 0)
    one = play(SHORT.template(), spending, gain.reshape(6, 4, 2, 2), task.reshape(6, 4, 2))
    name = next(name for name in scored.scores if name != "dp")
    assert scored.scores[name].unpaid_share == one.skipped.mean() > 0.1  # all of it is offloaded
    assert scored.scores["dp"].unpaid_share == 0.0
    scored.show()
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("of its tasks are offloaded though the battery cannot pay") == 1
    assert scored.to_json()["methods"][name]["unpaid_share"] == one.skipped.mean()


def test_own_code_may_see_what_environments_show_and_answer_in_shares():
    seen = []

    def watch(observation):
        seen.append(observation.copy())
        return half(observation)

    watch.observation = "own"
    evaluate([watch, half], SHORT, 8)
    shares = seen[0][..., -2:]  # of the energy and the tasks left, standardised
    assert np.ptp(shares) > 0 or (shares == shares.flat[0]).all()
    first, last = seen[0][0, 0, -1], seen[3][0, 0, -1]
    assert (first - last) * 12**-0.5 == pytest.approx(3 / 4, rel=1e-6)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda actions, task: (actions, task), "booleans of shape"),
        (lambda actions, task: (actions, task[0] == 0), "booleans of shape"),
        (lambda actions, task: None, "returned a NoneType"),
        (lambda actions, task: 1 / 0, "raised: ZeroDivisionError"),
    ],
)
def test_what_own_code_may_not_say(answer, message):
    def policy(gain, task, left, tasks_left):
        return answer(slowest(gain, task, left, tasks_left)[0], task)

    policy.observation = "plain"
    with pytest.raises(ValueError, match=message):
        evaluate([policy], SHORT, 8)


def test_plain_observations_are_of_queues_alone():
    with pytest.raises(ValueError, match="observation = 'plain': 'own' or 'shared'"):
        evaluate([slowest], "contended", 5)


def test_refined_levels_are_those_of_policies_that_tell_what_energy_is_worth():
    def home(gain, task, left, tasks_left):
        return Actions.local(np.full(task.shape, 0.55e9)), np.zeros(task.shape, bool)

    home.observation = "plain"
    scores = evaluate([home, "price"], "battery", 50, refine=True)
    assert list(scores.qoe) == ["home", "price", "price refined"]
    assert scores.levels == "continuous"
    assert (scores.qoe["price refined"] <= scores.optimum + OBJECTIVE).all()
    assert (scores.qoe["price refined"] != scores.qoe["price"]).any()
    with pytest.raises(ValueError, match="home does not tell what energy is worth to it"):
        evaluate(home, "battery", 10, refine=True)


# ----------------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exact", "--scenario", "battery"], "'exact' decides no queues with batteries: greedy"),
        (["dp", "--scenario", "battery", "--slots", "15"], "a queue of scenario battery has 10"),
        (["dp", "--scenario", "battery", "--slots", "5"], "a queue of scenario battery has 10"),
        (["dp"], "dp: no user of scenario paper has a battery: set user.battery_mj"),
    ],
)
def test_what_cannot_be_evaluated_is_one_sentence(capsys, arguments, message):
    assert entry.run(["evaluate", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slots": 0}, "slots = 0: must be a whole number of at least 1"),
        ({"slots": "10"}, "slots = '10': must be a whole number"),
        ({"seed": -1}, "seed = -1: must be a whole number of at least 0"),
        ({"reference": "exact"}, "reference = 'exact': of queues with batteries it is 'hindsight'"),
    ],
)
def test_arguments_that_are_none_of_an_evaluation(changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate("greedy", SHORT, **changes)


def test_the_command_writes_every_score(tmp_path):
    file = tmp_path / "scores.json"
    command = ["evaluate", *QUEUE_POLICIES, "--scenario", "battery", "--slots", "50"]
    shown = CliRunner().invoke(app, [*command, "--json", str(file)])
    assert shown.exit_code == 0, shown.output
    document = json.loads(file.read_text())
    assert (document["queues"], document["length"], document["reference"]) == (5, 10, "hindsight")
    assert list(document["methods"]) == list(QUEUE_POLICIES)
    for score in document["methods"].values():
        assert score["qoe"] <= score["reference_qoe"] + 1e-9
    lines = [line for line in shown.output.splitlines() if line.strip().startswith("dp")]
    assert f"{document['methods']['dp']['qoe']:.4f}" in lines[0]


def test_what_is_finished_is_given_on_ctrl_c(monkeypatch, capsys, tmp_path):
    solved, file = [], tmp_path / "scores.json"

    def cut(*arguments):
        if len(solved) == 3:
            raise KeyboardInterrupt
        solved.append(reference(*arguments))
        return solved[-1]

    reference = queues.reference
    monkeypatch.setattr(queues, "reference", cut)
    monkeypatch.setattr(queues, "CELLS", 1)  # a queue at a time
    command = ["evaluate", "greedy", "--scenario", "battery", "--slots", "50", "--json", str(file)]
    assert entry.run(command) == 130
    assert "3 of 5 queues are finished and given" in capsys.readouterr().err
    assert json.loads(file.read_text())["queues"] == 3
