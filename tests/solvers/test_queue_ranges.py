"""Queues with continuous variables against fine grids, SciPy, theorems and sampled actions."""

from dataclasses import replace
from itertools import product
from math import inf

import numpy as np
import pytest
from scipy.optimize import minimize

from problems import random_problem, random_slots
from semopt import Actions, Scenario, solve
from semopt.battery import counted
from semopt.grid import local_actions, offload_actions
from semopt.model import evaluate, violations
from semopt.problem import Grid
from semopt.solvers.continuous import GlobalBatch, Tolls
from semopt.solvers.queue import solve_queue
from semopt.solvers.queue.continuous import PricedSlots
from tolerances import CASES, GAP

CLOSE = 1e-4  # QoE: the gap asked for


def random_queue(seed, users, channels, slots, share=(0.1, 0.7), grid=None):
    """Return a random scenario, gains, tasks, and batteries as shares of what is spent without."""
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, users, channels, grid=grid or Grid(3, 3, 3))
    gain, task = random_slots(rng, problem, slots, extreme=False)
    free = solve_queue(problem, gain, task).spent.sum(axis=0)
    battery = np.maximum(free * rng.uniform(*share, users), 1e-4)
    return with_battery(problem, battery), gain, task


def with_battery(problem, battery):
    return replace(problem, users=replace(problem.users, battery=np.asarray(battery)))


SHAPES = [(1, 1, 2), (1, 2, 4), (1, 1, 6), (2, 1, 2), (2, 2, 3), (3, 2, 2)]


@pytest.mark.parametrize("pays", ["task", "device"])
@pytest.mark.parametrize(("users", "channels", "slots"), SHAPES)
def test_cases_close_the_gap_and_no_finer_grid_beats_them(users, channels, slots, pays):
    for seed in range(3):
        problem, gain, task = random_queue([seed, users, slots], users, channels, slots)
        result = solve_queue(problem, gain, task, "global", gap=CLOSE, battery_pays=pays)
        assert result.status.word == "optimal"
        assert not result.violations()
        assert result.objective <= result.upper_bound <= result.objective + CLOSE + CASES
        finer = replace(problem, grid=Grid(9, 7, 9))
        on = solve_queue(finer, gain, task, gap=CLOSE, battery_pays=pays)
        assert on.objective <= result.upper_bound + CASES
        assert on.upper_bound >= result.objective - 0.05 * slots * users  # nor is it far below


def front(problem, gain, task):
    """Return QoE and energy of a lone user's efficient actions, skip among them, QoE rising."""
    slot = problem.with_slot(gain, task)
    rows = [local_actions(slot, 0), *(offload_actions(slot, 0, k) for k in range(gain.shape[1]))]
    actions = Actions.concatenate(rows)
    outcome = evaluate(slot, actions.take(np.s_[:, None]))
    fine = ~violations(slot, outcome).any(axis=1)
    qoe, energy = np.r_[0.0, outcome.qoe[fine, 0]], np.r_[0.0, outcome.energy[fine, 0]]
    order = np.lexsort((-qoe, energy))
    qoe, energy = qoe[order], energy[order]
    best = np.r_[True, qoe[1:] > np.maximum.accumulate(qoe)[:-1]]
    return qoe[best], energy[best]


def test_a_lone_user_spends_its_battery_as_a_fine_grid_does():
    for seed in range(4):
        problem, gain, task = random_queue(seed, 1, 1, 3, grid=Grid(40, 30, 30))
        value, spent = np.zeros(1), np.zeros(1)
        for slot in zip(gain, task, strict=True):
            more, energy = front(problem, *slot)
            value = (value[:, None] + more).ravel()
            spent = (spent[:, None] + energy).ravel()
            kept = spent <= problem.users.battery[0]
            order = np.lexsort((-value[kept], spent[kept]))
            value, spent = value[kept][order], spent[kept][order]
            best = np.r_[True, value[1:] > np.maximum.accumulate(value)[:-1]]
            value, spent = value[best], spent[best]
        result = solve_queue(problem, gain, task, "global", gap=CLOSE)
        assert result.status.word == "optimal"
        assert value.max() - CLOSE <= result.objective <= value.max() + 0.02
        assert result.upper_bound >= value.max() - CASES


def test_scipy_finds_nothing_better_in_any_modes():
    rng, near = np.random.default_rng(3), 0
    for seed in range(2):
        problem, gain, task = random_queue(seed, 1, 1, 2)
        result = solve_queue(problem, gain, task, "global", gap=CLOSE)
        best = 0.0
        for modes in product(("skip", "local", "raw", "semantic"), repeat=2):
            best = max(best, best_levels(problem, gain, task, modes, rng))
        assert result.upper_bound >= best - CASES
        near += abs(result.objective - best) < 1e-3
    assert near == 2


def best_levels(problem, gain, task, modes, rng):
    """Return the best value that SLSQP finds with a lone user's modes, in 2 starts."""
    users, slots = problem.users, len(modes)
    ends = [
        (users.power_min[0], users.power_max[0]),
        (users.frequency_min[0] / 1e9, users.frequency_max[0] / 1e9),
        (users.extraction_min[0], max(np.nextafter(1.0, 0.0), users.extraction_min[0])),
    ] * slots
    played = np.array([mode != "skip" for mode in modes])
    if "semantic" in modes and users.extraction_min[0] == 1.0:
        return 0.0

    def outcome(x):
        power, frequency, extraction = x.reshape(slots, 3).T
        extraction = np.where(np.array(modes) == "raw", 1.0, extraction)
        channel = np.array([0 if mode in ("raw", "semantic") else -1 for mode in modes])
        one = Actions(channel, power, frequency * 1e9, extraction).take(np.s_[:, None])
        return evaluate(problem, one, gain, task)

    def slack(x):
        given = outcome(x)
        limits = [
            1.0 - given.latency[:, 0] / problem.system.latency_max,
            given.accuracy[:, 0] - problem.tasks.accuracy_min[task[:, 0]],
            1.0 - given.energy[:, 0] / min(users.energy_max[0], 1e3),
        ]
        each = np.concatenate([row[played] for row in limits])
        return np.r_[each, 1.0 - given.energy[played, 0].sum() / users.battery[0]]

    best = 0.0
    low, high = np.array(ends).T
    for _ in range(2):
        found = minimize(
            lambda x: -outcome(x).qoe[played, 0].sum(),
            rng.uniform(low, high),
            bounds=ends,
            constraints={"type": "ineq", "fun": slack},
            method="SLSQP",
        )
        x = np.clip(found.x, low, high)
        if slack(x).min() >= 0.0:
            best = max(best, outcome(x).qoe[played, 0].sum())
    return best


@pytest.mark.parametrize("pays", ["task", "device"])
def test_one_slot_is_p0_with_the_smaller_of_the_two_limits(pays):
    for seed in range(12):
        problem, gain, task = random_queue(seed, 2, 2, 1)
        free_server = replace(problem.system, server_energy_coefficient=1e-300)
        problem = replace(problem, system=free_server)  # then (7) is (9)
        users = problem.users
        slot = problem.with_slot(gain[0], task[0])
        limit = np.minimum(users.energy_max, users.battery)
        slot = replace(slot, users=replace(users, energy_max=limit))
        result = solve_queue(problem, gain, task, "global", gap=1e-5, battery_pays=pays)
        assert result.status.word == "optimal"
        best = solve(slot, "global")
        if best.actions is not None and not result.skipped.any():
            assert result.objective == pytest.approx(best.objective, abs=2e-5)


def test_what_the_server_takes_is_free_where_the_device_pays():
    scarcer = 0
    for seed in range(1, 5):
        problem, gain, task = random_queue(seed, 2, 2, 3)
        blind = replace(problem.system, slope_energy=0.0)  # no score tells what a server takes
        users = replace(problem.users, energy_max=np.full(2, inf))
        costly, free = (
            replace(problem, users=users, system=replace(blind, server_energy_coefficient=each))
            for each in (2e-26, 1e-300)
        )
        pairs = (costly, "device"), (free, "device"), (free, "task"), (costly, "task")
        results = [
            solve_queue(one, gain, task, "global", gap=CLOSE, battery_pays=pays)
            for one, pays in pairs
        ]
        values = [result.objective for result in results]
        assert values[:3] == pytest.approx([values[0]] * 3, abs=CLOSE)
        assert values[3] <= values[0] + CLOSE
        scarcer += values[3] < values[0] - 0.1
        assert not any(result.violations() for result in results)
    assert scarcer


@pytest.mark.parametrize("pays", ["task", "device"])
def test_no_action_within_the_ranges_of_a_case_beats_its_bound(pays):
    rng, within = np.random.default_rng(2), 0
    for seed in range(8):
        problem, gain, task = random_queue(seed, 2, 2, 3)
        scale = rng.uniform(0.2, 1.0, task.shape) * 0.03
        least = scale * rng.choice([0.0, 0.3, 0.8], task.shape)
        most = np.where(rng.random(task.shape) < 0.3, inf, scale)
        price = 10.0 ** rng.uniform(0, 2, 2)
        tolls = Tolls(price, least, most, pays == "device")
        _, value, upper, _ = GlobalBatch(problem, 1, GAP).solve_within(inf, gain, task, tolls)
        assert (upper - value <= GAP).all()
        users = problem.users
        for _ in range(400):
            channel = rng.permuted(np.tile([-1, 0, 1, -1], (3, 1)), axis=1)[:, :2]
            mu = rng.uniform(users.extraction_min, 1.0, task.shape)
            actions = Actions(
                channel,
                rng.uniform(users.power_min, users.power_max, task.shape),
                rng.uniform(users.frequency_min, users.frequency_max, task.shape),
                np.where(rng.random(task.shape) < 0.5, 1.0, mu),
            )
            given = evaluate(problem, actions, gain, task)
            energy = counted(problem, actions, given, gain, task, pays)
            kept = ~violations(problem, given, task).astype(bool)
            fits = (kept & (least <= energy) & (energy <= most)).all(axis=1)
            within += fits.sum()
            worth = (given.qoe - price * energy).sum(axis=1)
            assert (worth <= upper + CASES)[fits].all()
    assert within > 100


def test_a_limit_of_time_leaves_a_decision_and_a_bound_of_all_cases():
    scenario = Scenario.load("contended")
    gain, task = scenario.draw(10, 0)
    problem = with_battery(scenario.template(), [0.06, 0.08])
    bounds = []
    for seconds in (0.3, 3.0):
        result = solve_queue(problem, gain, task, "global", gap=1e-9, time_limit=seconds)
        assert result.status.word == "limit_reached"
        assert result.details["stopped"] == "time limit"
        assert not result.violations()
        bounds.append((result.objective, result.upper_bound))
    assert max(value for value, _ in bounds) <= min(upper for _, upper in bounds) + CASES


def test_ctrl_c_before_any_bound_leaves_a_decision_of_the_grid(monkeypatch):
    problem, gain, task = random_queue(4, 2, 2, 4)
    grid = solve_queue(problem, gain, task)

    def cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(PricedSlots, "best", cut)
    result = solve_queue(problem, gain, task, "global")
    assert result.interrupted
    assert not result.violations()
    assert result.objective >= grid.objective - grid.gap() - CLOSE * task.size
