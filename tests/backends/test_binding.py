"""Limits that bind to the last digit: every method on an instruction set calculates alike."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from binding import binding_slot, binding_slots, joint_actions
from problems import random_problem
from semopt import Actions, Scenario, Status, backends, model, solve
from semopt import evaluate as score
from semopt.problem import AccuracyTable, Grid, Problem, System, Tasks, Users
from semopt.solvers.matching import ExactBatch
from tolerances import ROUNDING, STEEP

WEIGHTS = {"latency": 0.25, "energy": 0.25, "accuracy": 0.5}  # whose sums are exact


def best_of_all(problem, evaluate, slack):
    """Return the best objective of all joint actions, -inf where all break a limit."""
    best = -inf
    for actions in joint_actions(problem):
        outcome = evaluate(problem, actions)
        kept = (model.violations(problem, outcome, slack=slack) == 0).all(axis=-1)
        if not kept.any():
            continue
        qoe = outcome.qoe[kept]
        score = qoe.min(axis=1) if problem.objective == "min" else qoe.cumsum(axis=1)[:, -1]
        best = max(best, float(score.max()))
    return best


def on_cpu(problem, actions):
    return backends.evaluate(problem, actions, backend="cpu")


def assert_solvers_agree(problem):
    """Assert that exact and exhaustive find the same to the last digit; return the objective."""
    exact = float(ExactBatch(problem).solve(problem.gain[None], problem.task[None])[1][0])
    tables = backends.tabulate(problem, backend="cpu", threads=1)
    every = backends.search(tables, 0, tables.space.size, backend="cpu", threads=1)
    assert exact == (every.value[0] if len(every.value) else -inf)
    return exact


def assert_all_agree(problem):
    objective = assert_solvers_agree(problem)
    assert objective == best_of_all(problem, on_cpu, 1.0)
    # The model's own digits may be others: what it finds with a little less and more room.
    assert objective >= best_of_all(problem, model.evaluate, 1 - 1e-12) - STEEP
    assert objective <= best_of_all(problem, model.evaluate, 1 + 1e-12) + STEEP
    for result in (solve(problem), solve(problem, "exhaustive", backend="cpu", threads=1)):
        assert result.status is (Status.OPTIMAL if objective > -inf else Status.INFEASIBLE)
        if result.actions is None:
            assert not result.infeasibility.limit  # nothing limits the server's energy
            assert result.infeasibility.users or result.infeasibility.joint
        else:
            assert result.objective == objective
            assert not result.broken()


def fuzz(seed, families, thorough):
    """Compare ten slots of each family, every `thorough`-th of them by plain enumeration too."""
    count, infeasible = 0, 0
    for i in range(families):
        for problem in binding_slots(np.random.default_rng([seed, i]), 10):
            infeasible += assert_solvers_agree(problem) == -inf
            if count % thorough == 0:
                assert_all_agree(problem)
            count += 1
    assert 0.1 < infeasible / count < 0.7
    return count, infeasible


def test_exact_exhaustive_and_plain_enumeration_agree_to_the_last_digit(instruction_set):
    fuzz(0, families=80, thorough=9)


@pytest.mark.long
def test_a_hundred_thousand_slots_agree_to_the_last_digit(instruction_set):
    fuzz(1, families=10_000, thorough=51)


def one_raw_action(gain, bits, noise, **limits):
    """Return one user and sub-channel, whose only offloaded action is raw at 0.1 W."""
    one = np.ones(1)
    table = AccuracyTable(
        np.array([0.5, 1.0]), np.array([-30.0, 50.0]), np.full((2, 2), [0.8, 0.9]), [0.8, 0.9]
    )
    return Problem(
        System(
            bandwidth=2e6,
            noise=noise,
            server_frequency=3e9,
            server_flop_per_cycle=4.0,
            server_energy_coefficient=5e-27,
            compress_exponent=0.7,
            extract_exponent=0.5,
            latency_max=limits.get("latency_max", 1.0),
            slope_latency=1e3,
            slope_energy=300.0,
            slope_accuracy=20.0,
        ),
        Users(
            flop_per_cycle=2 * one,
            energy_coefficient=1e-26 * one,
            frequency_min=1e9 * one,
            frequency_max=1e9 * one,
            reference_frequency=0.7e9 * one,
            power_min=0.1 * one,
            power_max=0.1 * one,
            extraction_min=one,
            energy_max=limits.get("energy_max", inf) * one,
            weight_latency=one / 3,
            weight_energy=one / 3,
            weight_accuracy=one / 3,
        ),
        Tasks(
            names=("a",),
            bits=bits * one,
            semantic_bits=bits * one,
            local_flop=1e12 * one,
            extract_flop=one,
            server_flop=0 * one,
            server_raw_flop=0 * one,
            local_accuracy=0.5 * one,
            accuracy_min=0 * one,
            extraction_max=one,
            accuracy=(replace(table, raw=np.array([0.8, 0.9])),),
        ),
        Grid(1, 1, 1),
        np.full((1, 1), gain),
        np.zeros(1, np.int64),
    )


@pytest.mark.parametrize(
    "slot",
    [
        (0.9, 11_000, 1e-3, {"energy_max": 8.451403745942532e-05}),
        (0.77, 38_000, 0.1, {"latency_max": 0.023065268290939373}),
    ],
)
def test_reported_slots_are_one_answer(slot, instruction_set):
    *figures, limits = slot
    problem = one_raw_action(*figures, **limits)
    exact, every = solve(problem), solve(problem, "exhaustive", backend="cpu")
    assert exact.status is every.status
    assert exact.objective == every.objective or exact.actions is every.actions is None
    # An ulp of the limit decides, not more.
    for room, status in ((1 - 1e-12, Status.INFEASIBLE), (1 + 1e-12, Status.OPTIMAL)):
        wider = one_raw_action(*figures, **{name: x * room for name, x in limits.items()})
        assert solve(wider).status is solve(wider, "exhaustive").status is status


def test_an_action_that_just_meets_its_limits_is_found(instruction_set):
    """Half of the products bits (power / rate) round to above the energy of the one action."""
    rng = np.random.default_rng(6)
    for _ in range(40):
        figures = rng.uniform(0.1, 2), float(rng.integers(10_000, 40_000)), rng.uniform(1e-3, 0.1)
        action = Actions(np.zeros(1, int), np.full(1, 0.1), np.full(1, 1e9), np.ones(1))
        found = on_cpu(one_raw_action(*figures), action)
        limits = {"latency_max": float(found.latency[0]), "energy_max": float(found.energy[0])}
        result = solve(one_raw_action(*figures, **limits))
        assert result.status is Status.OPTIMAL
        assert result.objective == found.qoe[0]
        for name, limit in limits.items():
            less = one_raw_action(*figures, **(limits | {name: float(np.nextafter(limit, 0))}))
            assert solve(less).status is Status.INFEASIBLE


def test_equal_sums_and_ties_go_to_the_lowest_index(instruction_set):
    # Two users that are alike on sub-channels that are alike: of the equal decisions that in which
    # the first stays at home, or the first takes the first sub-channel.
    rng = np.random.default_rng(0)
    compared = 0
    for i in range(60):
        problem = binding_slot(np.random.default_rng([3, i]))
        users = problem.gain.shape[0]
        if users == 1 or problem.objective == "min":
            continue
        alike = replace(
            problem,
            users=replace(
                problem.users,
                **{name: np.full(users, figure[0]) for name, figure in vars(problem.users).items()},
            ),
            gain=np.full(problem.gain.shape, rng.uniform(0.1, 2)),
            task=np.zeros(users, np.int64),
        )
        exact, every = solve(alike), solve(alike, "exhaustive", backend="cpu")
        assert exact.objective == every.objective or exact.actions is every.actions is None
        if exact.actions is not None:
            np.testing.assert_array_equal(exact.actions.channel, every.actions.channel)
            compared += 1
    assert compared > 5


def test_assignments_that_differ_in_their_rounding_alone_are_told_apart(instruction_set):
    """Accuracy is linear in dB, and the dB of a user and of a sub-channel add up: all is equal."""
    base = one_raw_action(1.0, 1e4, 1e-2)
    three = {name: np.repeat(x, 3) for name, x in vars(base.users).items()}
    nothing = {"weight_latency": np.zeros(3), "weight_energy": np.zeros(3)}
    users = Users(**(three | nothing | {"weight_accuracy": np.ones(3)}))
    system = replace(base.system, slope_accuracy=1e-3)
    for seed in range(40):
        rng = np.random.default_rng([7, seed])
        gain = np.outer(rng.uniform(0.1, 2, 3), rng.uniform(0.1, 2, 3))
        task = np.zeros(3, np.int64)
        assert_solvers_agree(replace(base, users=users, system=system, gain=gain, task=task))


def test_of_equal_decisions_of_any_number_of_offloaders_the_first_is_chosen():
    """Without slopes all are worth the same; one slot ties at one offloader and at two."""
    for seed in range(275, 295):
        rng = np.random.default_rng([8, seed])
        problem = random_problem(rng, 3, 3, grid=Grid(1, 1, 2))
        alike = {f"weight_{name}": np.full(3, x) for name, x in WEIGHTS.items()}
        level = replace(problem.system, slope_latency=0.0, slope_energy=0.0, slope_accuracy=0.0)
        problem = replace(
            problem,
            system=replace(level, latency_max=0.05),
            users=replace(problem.users, energy_max=rng.uniform(0.02, 0.12, 3), **alike),
            tasks=replace(problem.tasks, local_flop=problem.tasks.local_flop * [1e3, 1.0, 1.0]),
        )
        exact, every = solve(problem), solve(problem, "exhaustive", backend="cpu", threads=1)
        if every.actions is None:
            assert exact.actions is None
        else:
            np.testing.assert_array_equal(exact.actions.channel, every.actions.channel)


def test_more_users_agree_but_for_the_rounding_of_their_sum(instruction_set):
    for i in range(40):
        rng = np.random.default_rng([4, i])
        problem = binding_slot(rng)
        users, channels = (int(n) for n in rng.integers(4, 6, 2))
        rows = rng.integers(0, problem.gain.shape[0], users)
        problem = replace(
            problem,
            users=replace(
                problem.users, **{name: x[rows] for name, x in vars(problem.users).items()}
            ),
            gain=problem.gain[rows][:, rng.integers(0, problem.gain.shape[1], channels)],
            task=problem.task[rows],
            grid=Grid(1, 1, int(rng.integers(1, 3))),
        )
        exact, every = solve(problem), solve(problem, "exhaustive", backend="cpu")
        assert exact.status is every.status
        if exact.actions is None:
            assert exact.objective is nan or np.isnan(exact.objective)
        else:
            assert abs(exact.objective - every.objective) <= users * 2.0**-52


def test_a_flat_table_at_its_own_limit_is_kept_by_everyone_who_judges():
    document = Scenario.load("paper").to_dict()
    for task in document["tasks"].values():
        shape = np.shape(task["accuracy"]["table"])
        task["accuracy"] = task["accuracy"] | {"table": np.full(shape, 0.9).tolist()}
        task.update(local_accuracy=0.5, accuracy_min=0.9)
    document["system"] |= {"channels": 3, "latency_max_ms": 500.0}
    document.pop("slot", None)
    document["channel"] = {"model": "shadowed", "mean_gain": 0.31, "shadowing_db": 6.9}
    scenario = Scenario.from_dict(document | {"assumed": {}})
    found = score(["exact", "constant"], scenario, slots=60, reference="exact")
    assert found.infeasible_slots == 0
    exact, constant = found.scores["exact"], found.scores["constant"]
    assert exact.infeasible_share == constant.infeasible_share == 0
    assert abs(exact.ratio - 1) < ROUNDING
    assert abs(exact.ratio_worst - 1) < ROUNDING
    assert 0 < constant.ratio <= 1 + ROUNDING
    gain, task = scenario.draw(20, 1)
    for solved in (solve(scenario.problem(g, t)) for g, t in zip(gain, task, strict=True)):
        assert not solved.broken()


def test_of_equal_actions_the_first_is_chosen(instruction_set):
    # Without slopes all actions are worth the same: what limits leave is told apart by order alone.
    others = 0
    for i in range(150):
        problem = binding_slot(np.random.default_rng([5, i])).only(0)
        level = replace(problem.system, slope_latency=0.0, slope_energy=0.0, slope_accuracy=0.0)
        far = problem.tasks.bits * 1e9
        tasks = replace(problem.tasks, local_flop=far) if i % 3 else problem.tasks
        problem = replace(problem, system=level, tasks=tasks, grid=Grid(4, 2, 4))
        exact, every = solve(problem), solve(problem, "exhaustive", backend="cpu")
        if exact.actions is None:
            continue
        for name in ("channel", "power", "frequency", "extraction"):
            assert getattr(exact.actions, name) == getattr(every.actions, name)
        others += exact.actions.extraction[0] < 1
    assert others > 0
