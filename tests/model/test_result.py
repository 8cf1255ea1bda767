"""A result from nothing known to fully defined: what a user may see of it, and what he may not.

The slot is that of `tiny`: at the reference frequency of 1 GHz a local task scores 0.5 and takes 3
ms (text) or 6 ms (image), at 0.5 GHz twice as long, where 8 ms are the limit.
"""

import json
from dataclasses import replace
from math import inf, isnan, nan

import numpy as np
import pytest

from problems import random_actions, random_problem
from semopt import Actions, Result, Scenario, Status
from semopt.result import Infeasibility, as_written
from tolerances import LAST_DIGIT, ROUNDING

PROBLEM = Scenario.load("tiny").problem()
HALF = Actions(np.array([-1, -1]), np.zeros(2), np.full(2, 1e9), np.ones(2))  # 0.5 each
SLOW = replace(HALF, frequency=np.array([1e9, 0.5e9]))  # user 1 takes 12 ms
ALWAYS = {
    *("schema", "method", "backend", "status", "objective", "upper_bound", "gap", "seconds"),
    *("joint_actions", "readings", "problem", "users"),
}
BLAME = Infeasibility(users={1: {"local": ("energy",), "raw": ("latency", "energy")}})
STATES = {  # fields beside problem, method and backend -> value, bound, gap, keys beside ALWAYS
    "nothing known": ({"status": Status.LIMIT_REACHED}, nan, inf, inf, set()),
    "cut without a bound": (
        {
            "status": Status.LIMIT_REACHED,
            "actions": HALF,
            "objective": 1.0,
            "details": {"stopped": "x"},
        },
        *(1.0, inf, inf, {"details"}),
    ),
    "a bound alone": (
        {"status": Status.BOUND_ONLY, "upper_bound": 1.5, "continuous_bound": 1.5},
        *(nan, 1.5, inf, {"continuous_bound"}),
    ),
    "a decision alone": (
        {"status": Status.FEASIBLE, "actions": HALF, "objective": 1.0},
        1.0,
        inf,
        inf,
        set(),
    ),
    "cut": (
        {"status": Status.LIMIT_REACHED, "actions": HALF, "objective": 1.0, "upper_bound": 1.25},
        *(1.0, 1.25, 0.25, set()),
    ),
    "optimal": (
        {"status": Status.OPTIMAL, "actions": HALF, "objective": 1.0, "upper_bound": 1.0},
        *(1.0, 1.0, 0.0, set()),
    ),
    "infeasible, unexplained": ({"status": Status.INFEASIBLE}, nan, inf, inf, set()),
    "infeasible": (
        {"status": Status.INFEASIBLE, "infeasibility": BLAME},
        nan,
        inf,
        inf,
        {"infeasible"},
    ),
    "all of it": (
        {
            "status": Status.OPTIMAL,
            "actions": HALF,
            "objective": 1.0,
            "upper_bound": 1.0,
            "continuous_bound": 1.125,
            "seconds": 0.5,
            "details": {"gap": 1e-6},
        },
        *(1.0, 1.0, 0.0, {"continuous_bound", "details"}),
    ),
}


def same(found, want):
    return found == pytest.approx(want, abs=ROUNDING, nan_ok=True)


@pytest.mark.parametrize("state", STATES)
def test_value_bound_gap_and_file(state):
    fields, value, bound, gap, more = STATES[state]
    result = Result(PROBLEM, "exact", "cpu", **fields)
    assert same(result.recompute(), value)
    assert same(result.gap(), gap)
    assert result.bound() == bound
    assert result.broken() == result.violations() == []
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert set(document) == ALWAYS | more
    for key, number in (("objective", value), ("upper_bound", bound), ("gap", gap)):
        told = document[key]
        assert told is None if isnan(number) or number == inf else same(told, number), key
    assert document["status"] == fields["status"].word
    assert document["joint_actions"] == 46
    users = document["users"]
    assert len(users) == (2 if "actions" in fields else 0)
    assert [user["feasible"] for user in users] == [True] * len(users)
    if users:
        assert same([user["latency_ms"] for user in users], [3.0, 6.0])
        assert same([user["qoe"] for user in users], [0.5, 0.5])


@pytest.mark.parametrize("state", STATES)
def test_what_it_shows_is_one_line_without_what_is_not_known(state):
    fields, value, bound, _, _ = STATES[state]
    shown = repr(Result(PROBLEM, "exact", "cpu", **fields))
    assert shown.startswith(f"<Result of exact on cpu: {fields['status'].word}")
    assert "\n" not in shown
    assert len(shown) < 100
    assert ("value 1" in shown) == (value == 1.0)
    assert (f"bound {bound:g}" in shown) == (bound < inf)
    assert "nan" not in shown
    assert "inf " not in shown


@pytest.mark.parametrize("state", [s for s in STATES if "actions" not in STATES[s][0]])
def test_without_a_decision_there_is_no_outcome(state):
    result = Result(PROBLEM, "exact", "cpu", **STATES[state][0])
    with pytest.raises(ValueError, match=f"status {result.status.word} holds no decision"):
        result.outcome()


def test_a_solver_cannot_claim_more_than_its_decision_is_worth():
    lie = Result(PROBLEM, "exact", "cpu", Status.OPTIMAL, HALF, objective=1.9, upper_bound=1.9)
    assert same(lie.recompute(), 1.0)
    assert same(lie.gap(), 0.9)
    assert same(lie.to_json()["gap"], 0.9)
    fairest = replace(lie, problem=replace(PROBLEM, objective="min"))
    assert same(fairest.recompute(), 0.5)
    assert same(fairest.gap(), 1.4)


@pytest.mark.parametrize(
    ("actions", "faults"),
    [
        (SLOW, [(1, "latency")]),
        (replace(HALF, frequency=np.array([1e9, 1.1e9])), [(1, "frequency")]),
        (replace(SLOW, channel=np.array([-1, 1]), power=np.array([0.0, 0.1])), [(1, "power")]),
        (
            Actions(np.array([1, 1]), np.full(2, 0.01), np.full(2, 1e9), np.array([1.0, 0.25])),
            [(1, "extraction"), (0, "sub-channel"), (1, "sub-channel")],
        ),
    ],
    ids=["latency", "frequency", "power", "extraction and sub-channel"],
)
def test_each_limit_and_range_that_a_decision_breaks_is_named(actions, faults):
    result = Result(PROBLEM, "exact", "cpu", Status.FEASIBLE, actions)
    assert result.broken() == faults
    assert result.violations() == [f"user {n} breaks its {name} limit" for n, name in faults]
    blamed = {user for user, _ in faults}
    assert [user["feasible"] for user in result.users_json()] == [n not in blamed for n in (0, 1)]


def test_limits_of_a_user_a_task_and_all_together_are_named():
    away = Actions(np.array([0, -1]), np.array([0.01, 0.0]), np.full(2, 1e9), np.ones(2))
    limits = {
        "energy": replace(PROBLEM, users=replace(PROBLEM.users, energy_max=np.array([1.0, 0.059]))),
        "accuracy": replace(
            PROBLEM, tasks=replace(PROBLEM.tasks, accuracy_min=np.array([0.0, 0.7]))
        ),
        "server energy": replace(PROBLEM, system=replace(PROBLEM.system, server_energy_max=1e-9)),
    }
    blamed = {"energy": 1, "accuracy": 1, "server energy": 0}  # whoever stays takes no server
    for name, problem in limits.items():
        result = Result(problem, "exact", "cpu", Status.FEASIBLE, away)
        assert result.broken() == [(blamed[name], name)]


@pytest.mark.parametrize(
    ("reason", "entry"),
    [
        (
            BLAME,
            [
                {
                    "user": 1,
                    "limits": ["energy", "latency"],
                    "modes": {"local": ["energy"], "raw": ["latency", "energy"]},
                }
            ],
        ),
        (Infeasibility(joint=(0, 2)), {"joint": [0, 2]}),
        (
            Infeasibility(joint=(0, 1), limit="server_energy_max"),
            {"joint": [0, 1], "limit": "server_energy_max"},
        ),
        (Infeasibility(joint=(0,), unfinished="no time"), {"joint": [0], "unfinished": "no time"}),
        (Infeasibility(), {"joint": []}),
    ],
    ids=["users", "joint", "a limit on all", "unfinished", "nothing found"],
)
def test_a_reason_is_written_as_the_contract_has_it(reason, entry):
    result = Result(PROBLEM, "exact", "cpu", Status.INFEASIBLE, infeasibility=reason)
    assert result.to_json()["infeasible"] == entry


def test_actions_as_written_are_those_that_a_file_gives_back():
    rng = np.random.default_rng(0)
    moved = 0
    for _ in range(200):
        problem = random_problem(rng, 3, 3)
        actions = random_actions(rng, problem, 1).take(0)
        written = as_written(actions)
        moved += not np.array_equal(written.frequency, actions.frequency)
        entries = Result(problem, "global", "cpu", Status.FEASIBLE, written).users_json()
        assert [user["power_mw"] / 1e3 for user in entries] == written.power.tolist()
        assert [user["frequency_ghz"] * 1e9 for user in entries] == written.frequency.tolist()
        assert written.frequency == pytest.approx(actions.frequency, rel=LAST_DIGIT)
    assert moved > 0
