"""One step with batteries by hand, and against a loop over users."""

from dataclasses import replace
from math import inf, isnan

import numpy as np
import pytest

from problems import random_actions, random_problem, random_slots
from semopt import Actions, Scenario
from semopt.battery import skip_unpaid, step
from semopt.model import costs, evaluate
from semopt.solvers.queue import solve_queue
from tolerances import OBJECTIVE

TINY = Scenario.load("tiny").problem()
AT_HOME = Actions(np.array([-1, -1]), np.zeros(2), np.full(2, 1e9), np.ones(2))
NOBODY, FIRST = np.zeros(2, bool), np.array([0, -1])


def test_what_costs_all_that_is_left_is_played_and_what_costs_more_is_not():
    energy = evaluate(TINY, AT_HOME).energy
    left = energy * [1.0, 0.999]
    played = step(TINY, AT_HOME, NOBODY, left)
    assert played.skipped.tolist() == [False, True]
    assert played.outcome.qoe == pytest.approx([0.5, 0.0])
    assert played.outcome.energy.tolist() == played.spent.tolist() == [energy[0], 0.0]
    assert played.left.tolist() == [0.0, left[1]]
    assert isnan(played.outcome.latency[1])
    assert isnan(played.outcome.accuracy[1])
    assert played.outcome.violations.tolist() == [0, 0]


def test_a_task_skipped_after_the_fact_keeps_its_place_and_one_skipped_by_choice_has_none():
    both = Actions(np.array([0, 1]), np.full(2, 0.1), np.full(2, 1e9), np.ones(2))
    alone = replace(both, channel=np.array([0, -1]))
    broke = step(TINY, both, NOBODY, np.array([inf, 0.0]))
    assert broke.skipped.tolist() == [False, True]
    assert broke.outcome.latency[0] == evaluate(TINY, both).latency[0]
    chosen = step(TINY, both, np.array([False, True]), np.full(2, inf))
    assert chosen.outcome.latency[0] == evaluate(TINY, alone).latency[0]
    assert chosen.outcome.latency[0] < broke.outcome.latency[0]
    assert chosen.left.tolist() == [inf, inf]


def test_nobody_offloads_within_the_batteries_what_it_cannot_pay_for():
    both = Actions(np.array([0, 1]), np.full(2, 0.1), np.full(2, 1e9), np.ones(2))
    beside, alone = evaluate(TINY, both).energy, evaluate(TINY, replace(both, channel=FIRST)).energy
    assert alone[0] > beside[0]  # the server takes a quarter of the energy for each of two
    for left, skipped in (
        (beside, [False, False]),
        ([inf, 0.0], [False, True]),
        ([alone[0], 0.0], [False, True]),
        ([beside[0], 0.0], [True, True]),  # alone it cannot pay either
        ([0.0, inf], [True, False]),
    ):
        found = skip_unpaid(TINY, both, NOBODY, np.array(left))
        assert found.tolist() == skipped
        played = step(TINY, both, found, np.array(left))
        assert played.skipped.tolist() == skipped  # nothing is skipped after the fact
    at_home = skip_unpaid(TINY, AT_HOME, np.array([True, False]), np.zeros(2))
    assert at_home.tolist() == [True, False]  # who stays at home concerns nobody else


def test_what_is_offloaded_beyond_the_batteries_may_pass_the_bound():
    """A user that cannot pay halves another's server energy: no decision within them does that."""
    scenario = Scenario.load("battery")
    gain, task = scenario.draw(10, 0)
    problem = scenario.template()
    problem = replace(problem, users=replace(problem.users, battery=np.array([0.11, 0.005])))
    bound = solve_queue(problem, gain, task).upper_bound
    users, nobody, value = problem.users, np.zeros(2, bool), {True: 0.0, False: 0.0}
    for within in value:
        left = problem.users.battery
        for now in zip(gain, task, strict=True):
            channel = np.argmax(now[0][0])
            actions = Actions(
                np.array([channel, 1 - channel]), users.power_max, users.frequency_min, np.ones(2)
            )
            skipped = skip_unpaid(problem, actions, nobody, left, *now) if within else nobody
            played = step(problem, actions, skipped, left, *now)
            value[within], left = value[within] + played.outcome.qoe.sum(), played.left
    assert value[True] <= bound
    assert value[False] > value[True]


def test_actions_of_a_chosen_skip_say_nothing():
    empty = Actions(np.array([-1, -1]), np.zeros(2), np.array([1e9, np.nan]), np.ones(2))
    played = step(TINY, empty, np.array([False, True]), np.ones(2))
    assert played.outcome.qoe == pytest.approx([0.5, 0.0])
    assert played.spent[1] == 0.0
    assert isnan(empty.frequency[1])


@pytest.mark.parametrize("pays", ["task", "device"])
def test_queues_are_those_of_a_loop_over_slots_and_users(pays):
    rng, after_the_fact = np.random.default_rng(3), 0
    for _ in range(20):
        problem = random_problem(rng, 3, 2)
        gain, task = random_slots(rng, problem, 8, extreme=False)
        actions = random_actions(rng, problem, 8)
        chosen = rng.random((8, 3)) < 0.2
        battery = np.where(rng.random(3) < 0.2, inf, rng.uniform(0.0, 0.2, 3))
        left, want = battery, battery.tolist()
        for t in range(8):
            got = step(problem, actions.take(t), chosen[t], left, gain[t], task[t], pays)
            left = got.left
            here = problem.with_slot(gain[t], task[t])
            channel = np.where(chosen[t], -1, actions.channel[t])
            playing = replace(actions.take(t), channel=channel)
            outcome, (of, _) = evaluate(here, playing), costs(here, playing)
            for n in range(3):
                energy = outcome.energy[n]
                if pays == "device":
                    energy -= of.server_energy[n]
                skip = chosen[t, n] or energy > want[n] * (1 + 1e-9)
                after_the_fact += skip and not chosen[t, n]
                assert got.skipped[n] == skip
                assert got.outcome.qoe[n] == pytest.approx(0.0 if skip else outcome.qoe[n])
                want[n] -= 0.0 if skip else energy
                assert left[n] == pytest.approx(max(want[n], 0.0), abs=OBJECTIVE)
    assert after_the_fact > 20


def test_the_scenario_says_what_a_battery_pays_for():
    scenario = Scenario.load("contended").replace({"user.battery_mj": 40.0})
    gain, task = scenario.draw(1, 0)
    sent = Actions(np.array([[0, 1]]), np.full((1, 2), 0.1), np.full((1, 2), 1e9), np.ones((1, 2)))
    spent = {}
    for pays in ("task", "device"):
        problem = scenario.replace({"queue.battery_pays": pays}).template()
        played = step(problem, sent, np.zeros((1, 2), bool), np.ones((1, 2)), gain, task)
        spent[pays] = played.spent[0]
    system, kinds = (
        scenario.system,
        [scenario.tasks[n] for n in np.array([*scenario.tasks])[task[0]]],
    )
    for n, kind in enumerate(kinds):  # raw: 100 mW for as long as its data takes, no computing
        rate = system.bandwidth_mhz * np.log2(1 + gain[0, n, n] * 100.0 / system.noise_mw)
        assert spent["device"][n] == pytest.approx(1e-4 * kind.data_kbit / rate)
        assert spent["task"][n] > spent["device"][n]
