"""Slots of 200 users on 200 sub-channels: every method keeps its time limit and heeds Ctrl-C."""

import signal
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from problems import random_problem
from semopt import Scenario, Status, solve, solve_batch
from semopt.backends import packing
from semopt.solvers import LADDER, ladder

USERS = 200
SEARCHES = "exact", "global", "relaxation"  # that take long


@pytest.fixture(scope="module")
def large():
    """Return a slot in which every decision is feasible."""
    problem = random_problem(np.random.default_rng(5), USERS, USERS)
    system = replace(problem.system, latency_max=inf)
    users = replace(problem.users, energy_max=np.full(USERS, inf))
    tasks = replace(problem.tasks, accuracy_min=np.zeros(3))
    return replace(problem, system=system, users=users, tasks=tasks)


@pytest.fixture(scope="module")
def lacking(large):
    """Return a slot in which all must offload, on half as many sub-channels."""
    least = np.full(3, 1e-3)
    tasks = replace(large.tasks, local_accuracy=np.zeros(3), accuracy_min=least)
    return replace(large, tasks=tasks, gain=large.gain[:, : USERS // 2])


@pytest.mark.parametrize("method", SEARCHES)
def test_a_limit_gives_the_best_so_far_and_a_bound(large, method):
    result = solve(large, method, time_limit=0.3)
    assert result.status in (Status.LIMIT_REACHED, Status.OPTIMAL)
    if result.status is Status.LIMIT_REACHED:
        assert result.details["stopped"] == "time limit"
    assert solve(large, "local").objective <= result.upper_bound <= USERS * (1 + 1e-9)
    if result.actions is not None:
        assert result.objective <= result.upper_bound
        assert not result.violations()


def test_too_many_joint_actions_are_refused_with_a_limit_too(large):
    with pytest.raises(ValueError, match=r"exhaustive: .* joint actions.* use method 'exact'"):
        solve(large, "exhaustive", time_limit=0.3)


@pytest.mark.parametrize("method", SEARCHES)
def test_an_infeasible_slot_is_not_named_feasible_for_want_of_time(lacking, method):
    result = solve(lacking, method, time_limit=0.3)
    assert result.actions is None
    assert result.status in (Status.LIMIT_REACHED, Status.INFEASIBLE)
    if result.status is Status.INFEASIBLE:
        joint = result.infeasibility.joint
        assert len(joint) == USERS // 2 + 1 or result.infeasibility.unfinished


def test_the_ladder_says_why_a_method_does_not_apply(large):
    gain = np.broadcast_to(1.0, (USERS, 2000))  # 800,200 pieces of the relaxation
    wide = replace(large, gain=gain)
    answers = ladder(wide, time_limit=0.3)
    assert tuple(answers) == LADDER
    assert "800200 pieces" in answers["relaxation"]
    assert "GB" in answers["relaxation"]


@pytest.mark.parametrize("method", ["global", "relaxation"])
def test_ctrl_c_is_told(large, method, monkeypatch):
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    pressed = []

    def press(*begun):
        """Press Ctrl-C in a moment, in the search that begins now and goes on for long."""
        if not pressed:
            signal.setitimer(signal.ITIMER_REAL, 5e-3)
        pressed.append(begun)

    pack = packing.scenario
    if method == "global":
        monkeypatch.setattr(packing, "scenario", lambda p: [pack(p), press()][0])
    try:
        result = solve(large, method, **({"progress": press} if method == "relaxation" else {}))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert pressed
    assert result.status is Status.LIMIT_REACHED
    assert result.details["stopped"] == "interrupted"
    assert result.upper_bound <= USERS * (1 + 1e-9)


def test_reasons_of_a_batch_keep_to_its_time(lacking):
    gain, task = np.stack([lacking.gain] * 20), np.stack([lacking.task] * 20)
    batch = solve_batch(lacking, gain, task, time_limit=0.3)
    entries = batch.to_json(0)["slots"]
    assert len(entries) == 20
    words = {entry["status"] for entry in entries}
    assert words <= {"infeasible", "limit_reached"}
    for entry in entries:
        if entry["status"] == "infeasible":
            joint = entry["infeasible"]["joint"]
            assert len(joint) == USERS // 2 + 1 or "time limit" in entry["infeasible"]["unfinished"]


@pytest.mark.parametrize("limit", [np.int64(60), np.float32(60), 60])
@pytest.mark.parametrize("method", ["exact", "exhaustive", "global", "relaxation"])
def test_a_limit_may_be_any_number_of_seconds(method, limit):
    problem = Scenario.load("tiny").problem()
    assert "stopped" not in solve(problem, method, time_limit=limit).details
