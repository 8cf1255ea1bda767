"""Reasons of infeasibility, on slots made infeasible in a known way."""

from dataclasses import replace
from itertools import permutations
from math import inf

import numpy as np
import pytest

from problems import random_problem
from semopt import Actions, Result, Scenario, Status, _core, solve
from semopt.backends import packing
from semopt.grid import local_actions, offload_actions
from semopt.limits import tightened
from semopt.model import evaluate
from semopt.problem import Grid
from semopt.solvers.cells import best_local, best_offloads, score
from semopt.solvers.infeasibility import infeasible, time_left
from tolerances import LAST_DIGIT

BITS = {1: "latency", 2: "energy", 4: "accuracy"}  # of `violations`


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


def test_each_limit_that_the_reference_breaks_is_named():
    """At 1 GHz the text of `tiny` takes 3 ms and 30 mJ, its image twice as much."""
    problem = Scenario.load("tiny").problem()
    problem = replace(
        problem,
        system=replace(problem.system, latency_max=5e-3),
        users=replace(problem.users, energy_max=np.array([0.031, 0.059])),
    )
    result = solve(problem, "reference")
    assert result.status is Status.INFEASIBLE
    assert result.actions is None
    assert result.infeasibility.users == {1: {"local": ("latency", "energy")}}


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


def served_together(problem, users):
    """Tell by enumeration whether these users have feasible actions when others do as they like."""
    count, channels = problem.gain.shape
    for m in range(min(count, channels) + 1):
        offloads = [best_offloads(problem, n, m)[0] > -inf if m else None for n in range(count)]
        for seats in permutations([*range(channels), *[-1] * (count - m)], count):
            if sum(k >= 0 for k in seats) != m:
                continue
            if all(
                (best_local(problem, n)[0] > -inf if seats[n] < 0 else offloads[n][seats[n]])
                for n in users
            ):
                return True
    return False


def crowded(rng, users, channels):
    """Return a problem in which some users must offload and some channels are too weak for them."""
    problem = random_problem(rng, users, channels, grid=Grid(2, 2, 2))
    tasks = replace(
        problem.tasks,
        local_accuracy=rng.choice([0.1, 0.9], 3, p=[0.7, 0.3]),
        accuracy_min=np.full(3, 0.2),
    )
    system = replace(problem.system, latency_max=float(rng.uniform(4e-3, 2e-2)))
    free = replace(problem.users, energy_max=np.full(users, inf))
    return replace(problem, tasks=tasks, system=system, users=free)


def test_joint_sets_cannot_be_served_and_any_part_of_them_can():
    joint = alone = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        problem = crowded(rng, 3, int(rng.integers(1, 4)))
        reason = solve(problem).infeasibility
        if reason is None:
            continue
        for user in reason.users:
            alone += 1
            assert not served_together(problem, [user])
        if reason.users:
            assert all(served_together(problem, [n]) for n in set(range(3)) - set(reason.users))
            continue
        joint += 1
        assert not served_together(problem, reason.joint)
        for user in reason.joint:
            assert served_together(problem, [n for n in reason.joint if n != user])
    assert joint > 5
    assert alone > 5


def test_limits_named_are_those_that_each_action_breaks():
    """By the reference model: where actions have limits in common, those are named."""
    checked = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, 2, 2, grid=Grid(3, 3, 3))
        tight = replace(problem.system, latency_max=float(rng.uniform(5e-4, 4e-3)))
        problem = replace(problem, system=tight)
        reason = solve(problem).infeasibility
        for user, modes in reason.users.items() if reason else ():
            broken = {"local": [score(problem, user, local_actions(problem, user), 0).violations]}
            best = offload_actions(problem, user, int(problem.gain[user].argmax()))
            raw = best.extraction == 1.0
            for m in (1, 2):
                flags = score(problem, user, best, m).violations
                broken.setdefault("raw", []).append(flags[raw])
                if not raw.all():
                    broken.setdefault("semantic", []).append(flags[~raw])
            assert set(modes) == set(broken)
            for mode, limits in modes.items():
                flags = np.concatenate(broken[mode])
                assert flags.all()
                shared = np.bitwise_and.reduce(flags)
                if shared:
                    assert set(limits) == {name for bit, name in BITS.items() if shared & bit}
                else:
                    assert len(limits) > 1
                checked += 1
    assert checked > 20


def test_without_kernels_the_model_gives_the_same_reasons(monkeypatch):
    problems = [crowded(np.random.default_rng(seed), 3, 1 + seed % 3) for seed in range(12)]
    problems += [random_problem(np.random.default_rng(seed), 2, 2) for seed in range(12)]
    problems = [
        replace(p, system=replace(p.system, latency_max=2e-3), grid=Grid(2, 2, 3)) for p in problems
    ]
    reasons = [solve(problem, backend="numpy").infeasibility for problem in problems]
    monkeypatch.setattr("semopt.backends.packing.knows", lambda problem: False)
    monkeypatch.setattr(
        "semopt._core.feasible_channels", lambda *given: pytest.fail("a kernel was asked")
    )
    assert reasons == [solve(problem, backend="numpy").infeasibility for problem in problems]
    assert {bool(reason.users) for reason in reasons if reason} == {True, False}


@pytest.mark.parametrize("method", ["exact", "global"])
def test_thirty_two_users_on_thirty_one_channels_need_one_more(method):
    problem = relaxed(32, 31)
    tasks = replace(problem.tasks, local_accuracy=np.zeros(3), accuracy_min=np.full(3, 1e-3))
    result = solve(replace(problem, tasks=tasks), method)
    assert result.infeasibility.joint == tuple(range(32))
    assert result.infeasibility.unfinished == ""
    assert "explanation" not in result.details


@pytest.mark.parametrize("continuous", [False, True])
def test_an_explanation_without_time_names_everybody_and_says_so(continuous):
    problem = relaxed(3, 1)
    tasks = replace(problem.tasks, local_accuracy=np.zeros(3), accuracy_min=np.full(3, 0.2))
    problem = replace(problem, tasks=tasks)
    result = infeasible(
        Result(problem, "exact", "cpu", Status.INFEASIBLE), continuous=continuous, seconds=0.0
    )
    assert result.infeasibility.joint == (0, 1, 2)
    assert "time limit" in result.details["explanation"]
    assert "stopped" not in result.details
    enough = infeasible(result, continuous=continuous)
    assert len(enough.infeasibility.joint) == 2


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("mode", [1, 2])
def test_a_mode_is_not_answered_by_the_other(mode, continuous):
    problem = relaxed(1, 1)
    tasks = problem.tasks
    slow = {"bits": tasks.bits * 1e9} if mode == 2 else {"extract_flop": np.full(3, 1e18)}
    own = replace(tasks, semantic_bits=tasks.bits, **slow)
    arguments = packing.scenario(replace(problem, tasks=own)), problem.gain, problem.task, [0], [1]
    for asked, channels in ((mode, 1), (3 - mode, 0), (3, 1)):
        assert _core.feasible_channels(*arguments, asked, continuous, inf) == ([[channels]], "")


def test_what_rounding_errors_hide_is_not_called_infeasible():
    """The deadline allows the clock f and faster ones, the energy only clocks below it."""
    problem = relaxed(1, 1)
    clock = np.array([0.7e9])
    range_ = {"frequency_min": 0.9 * clock, "frequency_max": 1.1 * clock}
    problem = replace(problem, users=replace(problem.users, **range_))
    local = Actions(np.array([-1]), np.zeros(1), clock, np.ones(1))
    found = evaluate(problem, local)
    for share, reason in ((1 - 1e-12, "rounding errors"), (0.99, "")):
        tight = replace(
            problem,
            system=replace(problem.system, latency_max=float(found.latency[0])),
            users=replace(problem.users, energy_max=found.energy * share),
        )
        counts, unfinished = _core.feasible_channels(
            packing.scenario(tight), tight.gain, tight.task, [0], [0], 3, True, inf
        )
        assert (counts, unfinished) == ([[int(reason != "")]], reason)


def test_who_is_feasible_beside_another_offloader_alone_is_not_blamed():
    """Alone on the server a task takes too much of its energy, which falls as m^-2."""
    problem = relaxed(3, 3)
    system, tasks = problem.system, problem.tasks
    seconds = tasks.server_flop / (system.server_flop_per_cycle * system.server_frequency)
    alone = system.server_energy_coefficient * seconds * system.server_frequency**3
    users = replace(problem.users, energy_max=np.array([*(0.5 * alone[:2]), np.inf]))
    least = np.array([0.2, 0.2, 1.0])  # which no table reaches
    tasks = replace(tasks, local_accuracy=np.zeros(3), accuracy_min=least)
    problem = replace(problem, users=users, tasks=tasks)
    for method in ("exact", "global"):
        reason = solve(problem, method).infeasibility
        assert set(reason.users) == {2}
        assert set(reason.users[2].values()) == {("accuracy",)}
    fair = replace(problem, tasks=replace(tasks, accuracy_min=np.array([0.2, 0.2, 0.0])))
    assert (solve(fair).actions.channel[:2] >= 0).all()


def test_an_explanation_gets_what_is_left_of_a_limit_and_10_s_without(monkeypatch):
    monkeypatch.setattr("semopt.solvers.infeasibility.perf_counter", lambda: 7.0)
    assert time_left(6.0, None) == 10.0
    assert time_left(6.0, 3.5) == 2.5
    assert time_left(6.0, 1.05) == time_left(6.0, 0.5) == 0.1


def test_tighter_limits_are_tighter_by_more_than_roundings():
    problem = replace(relaxed(), users=replace(relaxed().users, energy_max=np.array([1, 2, inf])))
    problem = replace(problem, tasks=replace(problem.tasks, accuracy_min=np.full(3, 0.5)))
    tight = tightened(problem, 1e-12)
    assert tight.system.latency_max / 10.0 == pytest.approx(1 - 1e-12, abs=LAST_DIGIT)
    assert tight.users.energy_max == pytest.approx([1 - 1e-12, 2 - 2e-12, inf], abs=LAST_DIGIT)
    assert tight.tasks.accuracy_min == pytest.approx(np.full(3, 0.5 + 0.5e-12), abs=LAST_DIGIT)
