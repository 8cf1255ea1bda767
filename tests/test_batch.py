"""Many slots: the batch against slot-by-slot solves, and its independence of threads."""

from dataclasses import replace
from math import isclose

import numpy as np
import pytest

from semopt import Scenario, Solver, Status, solve, solve_batch
from tolerances import OBJECTIVE


@pytest.fixture(scope="module")
def tight():
    """Return a scenario's arrays in which some slots are infeasible, and slots of it."""
    scenario = Scenario.load("paper")
    problem = scenario.template()
    tasks = replace(problem.tasks, accuracy_min=np.full(3, 0.5))
    users = replace(problem.users, energy_max=np.full(2, 0.025))
    return replace(problem, tasks=tasks, users=users), *scenario.draw(60, 3)


@pytest.mark.parametrize("method", ["exact", "local", "semantic-unaware", "reference"])
def test_batch_is_slot_by_slot(tight, method):
    problem, gain, task = tight
    batch = solve_batch(problem, gain, task, method)
    single = [solve(problem.with_slot(g, t), method) for g, t in zip(gain, task, strict=True)]
    for s, (one, from_batch) in enumerate(zip(single, batch.results(), strict=True)):
        assert from_batch.status is one.status
        if one.actions is None:
            assert np.isnan(batch.objective[s])
        else:
            assert isclose(batch.objective[s], one.objective, rel_tol=OBJECTIVE)
            assert isclose(from_batch.recompute(), one.objective, rel_tol=OBJECTIVE)
            assert not from_batch.violations()
    feasible = [one for one in single if one.actions is not None]
    mean = batch.mean()
    assert isclose(mean["infeasible_share"], 1 - len(feasible) / len(single))
    if feasible:
        values = [one.objective / 2 for one in feasible]
        assert isclose(mean["qoe"], np.mean(values), rel_tol=OBJECTIVE)


def test_some_slots_are_infeasible_and_some_are_not(tight):
    share = solve_batch(*tight).mean()["infeasible_share"]
    assert 0 < share < 1


def test_threads_and_splits_change_nothing():
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(700, 5)
    one = solve_batch(scenario, gain, task, threads=1)
    many = solve_batch(scenario, gain, task, threads=7)
    late = solve_batch(scenario, gain[500:], task[500:], threads=2)
    assert (one.objective == many.objective).all()
    assert (one.actions.channel == many.actions.channel).all()
    assert (one.objective[500:] == late.objective).all()


def test_draws_are_those_of_the_seed():
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(20, 1)
    assert (scenario.draw(5, 1)[0] == gain[:5]).all()
    assert (scenario.draw(5, 1, first=15)[1] == task[15:]).all()
    assert (scenario.draw(20, 2)[0] != gain).any()
    assert ((gain > 0.1) & (gain < 1.0)).all()


def test_warm_solver_agrees_and_counts_its_decisions():
    scenario = Scenario.load("contended-4")
    solver = Solver(scenario)
    gain, task = scenario.draw(30, 0)
    assert np.isnan(solver.decision_times()["p50_us"])
    for g, t in zip(gain, task, strict=True):
        decision = solver.decide(g, t)
        want = solve(scenario.problem(g, t))
        if want.status is Status.OPTIMAL:
            assert isclose(decision.objective, want.objective, rel_tol=OBJECTIVE)
            assert (decision.actions.channel == want.actions.channel).all()
        else:
            assert decision.objective == -np.inf
    times = solver.decision_times()
    assert times["decisions"] == 30
    assert 0 < times["p50_us"] <= times["p99_us"]


@pytest.mark.parametrize(
    ("gain", "task", "words"),
    [
        (np.ones((3, 3, 2)), np.zeros((3, 2), int), "gain has shape"),
        (np.full((3, 2, 2), -1.0), np.zeros((3, 2), int), "must be a number above 0"),
        (np.full((3, 2, 2), np.nan), np.zeros((3, 2), int), "must be a number above 0"),
        (np.ones((3, 2, 2)), np.zeros((3, 1), int), "tasks: integers of shape"),
        (np.ones((3, 2, 2)), np.zeros((3, 2)), "tasks: integers"),
        (np.ones((3, 2, 2)), np.full((3, 2), 3), "tasks: indices from 0 to 2"),
    ],
)
def test_bad_slots_are_named(gain, task, words):
    with pytest.raises(ValueError, match=words):
        solve_batch(Scenario.load("paper"), gain, task)
