"""Explanations against exact solves of problems in which the other mode is the only one."""

from dataclasses import replace
from math import inf, isclose

import numpy as np
import pytest

from binding import enumerate_best
from problems import random_problem
from semopt import solve
from semopt.actions import mode_of
from semopt.problem import Grid
from semopt.result import Status
from semopt.solvers.cells import score
from semopt.solvers.explanation import alternatives_of, explain
from tolerances import OBJECTIVE


def without_other_modes(problem, user, mode):
    """Return the problem in which `user`'s other modes break a limit, others unchanged."""
    # Of its own kind of task, so that task parameters are its own.
    kinds = len(problem.tasks.names)
    tasks = problem.tasks
    grown = {
        name: np.append(getattr(tasks, name), getattr(tasks, name)[problem.task[user]])
        for name in vars(tasks)
        if name not in ("names", "accuracy")
    }
    if mode != "raw":
        grown["server_raw_flop"][kinds] = 1e12
    if mode != "semantic":
        grown["server_flop"][kinds] = 1e12
    if mode != "local":
        grown["accuracy_min"][kinds] = max(grown["accuracy_min"][kinds], 1e-300)
    names = (*tasks.names, "own")
    tables = (*tasks.accuracy, tasks.accuracy[problem.task[user]])
    task = problem.task.copy()
    task[user] = kinds
    return replace(problem, tasks=replace(tasks, names=names, accuracy=tables, **grown), task=task)


def test_loss_is_that_of_the_problem_without_the_other_modes():
    rng = np.random.default_rng(8)
    checked = 0
    for _ in range(30):
        problem = random_problem(rng, 3, 2, grid=Grid(2, 2, 3))
        result = solve(problem)
        if result.actions is None:
            continue
        for user in range(3):
            for option in explain(result, user)[user]:
                assert option.mode != mode_of(result.actions, user)
                assert option.loss >= -OBJECTIVE
                narrowed = without_other_modes(problem, user, option.mode)
                want = enumerate_best(narrowed)[0]
                if want == -inf:
                    assert option.objective == -inf
                elif mode_of(solve(narrowed).actions, user) == option.mode:
                    assert isclose(option.objective, want, rel_tol=OBJECTIVE)
                    checked += 1
    assert checked > 5


def test_an_alternative_is_what_its_user_does_and_gets_then():
    """By the reference model, beside as many offloaders as the alternative says."""
    rng, seen = np.random.default_rng(8), set()
    for _ in range(30):
        problem = random_problem(rng, 3, 2, grid=Grid(2, 2, 3))
        result = solve(problem)
        for user, options in explain(result).items() if result.actions is not None else ():
            for option in options:
                if option.user_action is None:
                    continue
                action = option.user_action.take(None)
                assert mode_of(action, 0) == option.mode
                found = score(problem, user, action, option.offloaders)
                assert not found.violations.any()
                assert isclose(found.qoe[0], option.user_qoe, rel_tol=OBJECTIVE)
                seen.add((option.mode, option.offloaders))
    assert seen >= {("raw", 1), ("raw", 2), ("semantic", 1), ("semantic", 2), ("local", 1)}


def test_time_limit_leaves_the_users_that_are_done():
    result = solve(random_problem(np.random.default_rng(5), 3, 2, grid=Grid(2, 2, 3)))
    told = []
    every, stopped = alternatives_of(result, [2, 0], progress=told.append)
    assert [options[0].user for options in every] == [2, 0]
    assert (stopped, told) == ("", [1, 2])
    assert every[1] == explain(result, 0)[0]
    assert alternatives_of(result, range(3), time_limit=1e-9) == ([], "time limit")


def test_faults_are_named():
    problem = random_problem(np.random.default_rng(2))
    with pytest.raises(ValueError, match="user = 7: must be a whole number from 0 to 1"):
        explain(solve(problem), 7)
    with pytest.raises(ValueError, match=r"qoe\.objective"):
        explain(replace(problem, objective="min"))


def test_only_an_optimum_of_the_grid_has_alternatives():
    problem = random_problem(np.random.default_rng(8), 3, 2, grid=Grid(2, 2, 3))
    stopped = replace(solve(problem), status=Status.LIMIT_REACHED)
    for result in (stopped, solve(problem, "local"), solve(problem, "relaxation")):
        with pytest.raises(
            ValueError, match=f"one of {result.method} that is {result.status.word}"
        ):
            explain(result, 0)
    searched = solve(problem, "exhaustive")
    assert [option.mode for option in explain(searched, 0)[0]] == [
        option.mode for option in explain(problem)[0]
    ]
