"""Reasons of infeasibility, on slots made infeasible in a known way."""

from dataclasses import replace

import numpy as np

from problems import random_problem
from semopt import Status, solve
from semopt.problem import Grid


def relaxed(users=3, channels=3):
    """Return a problem without binding limits."""
    problem = random_problem(np.random.default_rng(4), users, channels, grid=Grid(3, 3, 3))
    wide = np.full(users, np.inf)
    return replace(
        problem,
        system=replace(problem.system, latency_max=10.0),
        users=replace(problem.users, energy_max=wide, extraction_min=np.full(users, 0.3)),
        tasks=replace(problem.tasks, accuracy_min=np.zeros(3)),
        task=np.arange(users) % 3,
    )


def test_a_user_whose_every_action_is_too_slow_is_named_with_its_limit():
    problem = relaxed()
    slow = replace(problem.tasks, local_flop=problem.tasks.local_flop * [1, 1e6, 1])
    slow = replace(slow, server_flop=slow.server_flop * [1, 1e6, 1])
    slow = replace(slow, server_raw_flop=slow.server_raw_flop * [1, 1e6, 1])
    result = solve(replace(problem, tasks=slow))
    assert result.status is Status.INFEASIBLE
    modes = {"local": ("latency",), "raw": ("latency",), "semantic": ("latency",)}
    assert result.infeasibility.users == {1: modes}
    assert result.infeasibility.to_json()[0]["limits"] == ["latency"]
    assert np.isnan(result.objective)


def test_each_mode_names_the_limit_that_it_breaks():
    problem = relaxed(1, 1)
    # Local execution is never accurate enough; offloading takes more energy than there is.
    tasks = replace(problem.tasks, local_accuracy=problem.tasks.local_accuracy * 0)
    tasks = replace(tasks, accuracy_min=np.full(3, 1e-6))
    broke = replace(problem.users, energy_max=np.array([1e-9]))
    result = solve(replace(problem, tasks=tasks, users=broke))
    assert result.infeasibility.users[0]["raw"] == ("energy",)
    assert set(result.infeasibility.users[0]["local"]) == {"accuracy", "energy"}


def test_users_that_fight_for_one_channel_are_a_smallest_joint_set():
    problem = relaxed(3, 1)
    # Users 0 and 2 cannot run locally; there is one sub-channel. User 1 is not to blame.
    tasks = replace(problem.tasks, local_accuracy=np.array([0.1, 0.9, 0.1]))
    tasks = replace(tasks, accuracy_min=np.full(3, 0.2))
    result = solve(replace(problem, tasks=tasks))
    assert result.infeasibility.joint == (0, 2)
    assert result.infeasibility.to_json() == {"joint": [0, 2]}


def test_a_restricted_method_says_that_its_own_problem_is_infeasible():
    problem = relaxed(2, 2)
    tasks = replace(problem.tasks, local_accuracy=np.zeros(3), accuracy_min=np.full(3, 0.2))
    problem = replace(problem, tasks=tasks)
    assert solve(problem).status is Status.OPTIMAL
    local = solve(problem, "local")
    assert local.status is Status.INFEASIBLE
    assert local.infeasibility.users[0] == {"local": ("accuracy",)}
