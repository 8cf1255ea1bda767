"""The continuous optimum: cells against sampling and SciPy, slots against the grid and by hand."""

import signal
import threading
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from scipy.optimize import minimize

from problems import CASES, EXPECTED, badly_scaled, beside, random_problem
from semopt import Actions, Status, _core, solve
from semopt.backends import packing
from semopt.model import evaluate
from semopt.problem import Grid
from semopt.scenario import Scenario
from tolerances import GAP, ROUNDING


def cell(problem, user, channel, offloaders, gap=GAP):
    """Solve one cell: see csrc/global/branch.h."""
    gain = float(problem.gain[user, channel]) if offloaders else 1.0
    return _core.cell_optimum(
        packing.scenario(problem), user, int(problem.task[user]), gain, offloaders, gap
    )


def score(one, actions):
    """Return the QoE of actions (B, 3), (power, frequency, extraction); -inf if infeasible."""
    power, frequency, extraction = actions.T[..., None]
    outcome = evaluate(one, Actions(np.zeros(power.shape, int), power, frequency, extraction))
    return np.where(outcome.violations == 0, outcome.qoe, -inf)[:, 0]


def sampled_best(rng, problem, user, channel, offloaders):
    """Return the best QoE that sampling and local searches find in a cell."""
    one, users, tasks = beside(problem, user, channel, offloaders), problem.users, problem.tasks
    top = min(float(tasks.extraction_max[problem.task[user]]), 1 - 2.0**-53)
    low = np.array([users.power_min[user], users.frequency_min[user], users.extraction_min[user]])
    high = np.array([users.power_max[user], users.frequency_max[user], top])
    raw = np.linspace(low, high, 200)
    raw[:, 2] = 1.0
    best = score(one, raw).max()
    if low[2] > top:
        return best
    ends = np.array(np.meshgrid(*([0.0, 0.5, 1.0],) * 3)).reshape(3, -1).T
    shares = np.concatenate([ends, rng.random((1000, 3)) ** rng.choice([0.3, 1, 3], (1000, 1))])
    actions = low + shares * (high - low)
    values = score(one, actions)
    for start in np.argsort(-values)[:2]:
        best = max(best, values[start])
        if values[start] == -inf:
            break
        found = minimize(
            lambda share: -float(score(one, low + np.clip(share, 0, 1)[None] * (high - low))[0]),
            shares[start],
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 200},
        )
        best = max(best, -found.fun)
    return best


@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract:RuntimeWarning")
def test_cell_is_no_worse_than_sampling_and_local_search():
    rng = np.random.default_rng(1)
    feasible = 0
    for trial in range(30):
        users, channels = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        problem = random_problem(rng, users, channels, own_figures=trial % 3 == 0)
        user, channel = int(rng.integers(users)), int(rng.integers(channels))
        m = int(rng.integers(1, min(users, channels) + 1))
        found = cell(problem, user, channel, m)
        known = sampled_best(rng, problem, user, channel, m)
        assert found["done"]
        assert known <= found["upper"] + ROUNDING
        assert known <= found["value"] + GAP
        if found["value"] > -inf:
            feasible += 1
            action = np.array([[found["power"], found["frequency"], found["extraction"]]])
            again = score(beside(problem, user, channel, m), action)[0]
            assert abs(again - found["value"]) <= ROUNDING
            assert found["value"] <= found["upper"] <= found["value"] + GAP
    assert feasible > 10


def test_cell_does_not_lose_by_a_stronger_channel():
    problem = random_problem(np.random.default_rng(2), 2, 6)
    values = [cell(problem, 0, k, 2)["upper"] for k in np.argsort(problem.gain[0])]
    assert all(weak <= strong + GAP for weak, strong in pairwise(values))


def degenerate_problems():
    """Give named problems at the edges of what is allowed."""
    rng = np.random.default_rng(3)
    base = random_problem(rng, 3, 3, own_figures=False)
    users, system, tasks = base.users, base.system, base.tasks
    flat = tuple(
        replace(t, table=np.full_like(t.table, 0.7), raw=np.full_like(t.raw, 0.7))
        for t in tasks.accuracy
    )
    steps = tuple(
        replace(t, table=np.where(t.snr_db >= 2.0, 0.8, 0.6) + 0 * t.table, raw=t.raw)
        for t in tasks.accuracy
    )
    wide = random_problem(rng, 2, 5)
    yield "one user", random_problem(rng, 1, 1)
    yield "one channel", random_problem(rng, 4, 1)
    yield "more channels", wide
    yield "no channel", base.without_channels()
    yield "no semantic mode", base.without_semantic()
    yield (
        "zero slopes",
        replace(
            base, system=replace(system, slope_latency=0.0, slope_energy=0.0, slope_accuracy=0.0)
        ),
    )
    yield "steep slopes", replace(base, system=replace(system, slope_latency=1e5, slope_energy=1e5))
    yield "flat tables", replace(base, tasks=replace(tasks, accuracy=flat))
    yield "steps in tables", replace(base, tasks=replace(tasks, accuracy=steps))
    yield "equal powers", replace(base, users=replace(users, power_max=users.power_min))
    yield (
        "equal frequencies",
        replace(base, users=replace(users, frequency_max=users.frequency_min)),
    )
    yield (
        "no variable at all",
        replace(
            base,
            users=replace(
                users,
                power_max=users.power_min,
                frequency_max=users.frequency_min,
                extraction_min=np.full(3, 0.6),
            ),
            tasks=replace(tasks, extraction_max=np.full(3, 0.6)),
        ),
    )
    yield (
        "wide powers",
        replace(
            base,
            users=replace(users, power_min=users.power_min * 1e-6, power_max=users.power_max * 1e3),
        ),
    )
    yield (
        "no energy of computing",
        replace(base, users=replace(users, energy_coefficient=np.zeros(3))),
    )
    yield "no extraction work", replace(base, tasks=replace(tasks, extract_flop=np.zeros(3)))
    yield "equal channels", replace(base, gain=np.full((3, 3), 0.5))
    yield (
        "one weight",
        replace(
            base,
            users=replace(
                users,
                weight_latency=np.zeros(3),
                weight_energy=np.ones(3),
                weight_accuracy=np.zeros(3),
            ),
        ),
    )
    yield "own semantic figures", random_problem(rng, 3, 2, own_figures=True)


DEGENERATE = dict(degenerate_problems())


@pytest.mark.parametrize("name", DEGENERATE)
def test_edges_are_solved_and_no_worse_than_the_grid(name):
    problem = DEGENERATE[name]
    grid = solve(replace(problem, grid=Grid(7, 5, 6)), "exact")
    result = solve(problem, "global")
    assert result.status is (Status.INFEASIBLE if result.actions is None else Status.OPTIMAL)
    if grid.actions is not None:
        assert result.objective >= grid.objective - GAP
    if result.actions is not None:
        assert result.violations() == []
        assert not result.outcome().violations.any()
        assert abs(result.recompute() - result.objective) <= ROUNDING
        assert -ROUNDING <= result.upper_bound - result.objective <= GAP


def test_the_gap_is_a_millionth_unless_told_otherwise():
    result = solve(random_problem(np.random.default_rng(0)), "global")
    assert result.details["gap"] == 1e-6
    assert result.upper_bound - result.objective <= 1e-6


@pytest.mark.parametrize("gap", [1e-3, GAP, 1e-9])
def test_random_slots_are_solved_to_the_gap(gap):
    statuses = set()
    for seed in range(120):
        rng = np.random.default_rng(seed)
        users, channels = (int(n) for n in rng.integers(1, 6, 2))
        problem = random_problem(rng, users, channels, own_figures=seed % 3 == 0)
        result = solve(problem, "global", gap=gap)
        statuses.add(result.status)
        grid = solve(problem, "exact")
        if result.status is Status.INFEASIBLE:
            assert grid.status is Status.INFEASIBLE
            assert result.infeasibility.users or result.infeasibility.joint
            continue
        assert result.status is Status.OPTIMAL
        assert result.upper_bound - result.objective <= gap
        assert not result.outcome().violations.any()
        assert abs(result.recompute() - result.objective) <= ROUNDING
        if grid.actions is not None:
            assert grid.objective <= result.objective + gap
    assert statuses == {Status.OPTIMAL, Status.INFEASIBLE}


@pytest.mark.parametrize("name", EXPECTED["cases"])
def test_case_reaches_the_known_continuous_value(name):
    known = EXPECTED["cases"][name]["continuous_at_least"]
    result = solve(Scenario.load(CASES / name).problem(), "global")
    if known is not None:
        assert result.status is Status.OPTIMAL
        assert result.objective >= known - GAP
        assert result.upper_bound >= known - ROUNDING


@pytest.mark.parametrize("limit", ["latency", "energy", "accuracy"])
def test_a_limit_that_just_binds_leaves_its_one_action(limit):
    """The best latency (energy, accuracy) of a cell as the limit: a corner of the box remains."""
    base = random_problem(np.random.default_rng(4), 1, 1)
    kind, users = int(base.task[0]), base.users
    loose = replace(
        base,
        system=replace(base.system, latency_max=1.0),
        users=replace(users, energy_max=np.array([inf])),
        tasks=replace(base.tasks, accuracy_min=np.zeros(3), server_raw_flop=base.tasks.server_flop),
    )
    corner = {
        "latency": (users.power_max[0], 1.0),
        "energy": (users.power_min[0], 1.0),
        "accuracy": (users.power_max[0], 1.0),
    }[limit]
    raw = Actions(
        np.array([0]), np.array([corner[0]]), users.frequency_min[:1], np.array([corner[1]])
    )
    outcome = evaluate(loose, raw)
    slack = 1 + 1e-15  # the twins may differ in the last digit
    far = 1e3 * loose.tasks.local_flop  # local and semantic modes are out of reach
    tasks = replace(loose.tasks, local_flop=far, extract_flop=np.full(3, 1e12))
    if limit == "latency":
        bound = replace(
            loose,
            tasks=tasks,
            system=replace(loose.system, latency_max=float(outcome.latency[0]) * slack),
        )
    elif limit == "energy":
        bound = replace(loose, tasks=tasks, users=replace(users, energy_max=outcome.energy * slack))
    else:
        least = np.zeros(3)
        least[kind] = outcome.accuracy[0]
        lower = np.minimum(loose.tasks.local_accuracy, outcome.accuracy[0] - 0.1)
        bound = replace(
            loose,
            tasks=replace(tasks, accuracy_min=least, local_accuracy=lower),
            system=replace(loose.system, latency_max=1e3),
        )
    result = solve(bound, "global")
    assert result.status is Status.OPTIMAL
    assert result.violations() == []
    assert result.upper_bound - result.objective <= GAP
    if limit != "accuracy":  # which several powers reach where the table is flat
        assert result.actions.power[0] == corner[0]


@pytest.mark.parametrize("clock", [0.6e9, 0.7123456789e9, 0.9e9])
def test_two_limits_that_leave_one_clock_are_met_there(clock):
    """The deadline forbids every slower clock, the energy limit every faster one."""
    base = random_problem(np.random.default_rng(4), 1, 1).without_channels()
    users = replace(base.users, frequency_min=np.array([0.5e9]), frequency_max=np.array([1e9]))
    base = replace(base, users=users, tasks=replace(base.tasks, accuracy_min=np.zeros(3)))
    one = Actions(np.array([-1]), np.zeros(1), np.array([clock]), np.ones(1))
    free = replace(base, system=replace(base.system, latency_max=1.0))
    outcome = evaluate(replace(free, users=replace(users, energy_max=np.array([inf]))), one)
    tight = replace(
        base,
        system=replace(base.system, latency_max=float(outcome.latency[0]) * (1 + 1e-15)),
        users=replace(users, energy_max=outcome.energy * (1 + 1e-15)),
    )
    result = solve(tight, "global", time_limit=10.0)
    assert result.status is Status.OPTIMAL
    assert result.actions.frequency[0] == pytest.approx(clock, rel=ROUNDING)


def test_extraction_of_a_semantic_task_stays_below_one():
    """At extraction 1 semantic mode would be best, were it allowed: raw mode needs more bits."""
    base = random_problem(np.random.default_rng(6), 1, 1)
    tasks = replace(
        base.tasks,
        semantic_bits=base.tasks.bits * 0.1,
        extract_flop=np.zeros(3),
        accuracy_min=np.zeros(3),
    )
    problem = replace(
        base,
        tasks=tasks,
        users=replace(base.users, extraction_min=np.array([0.3]), energy_max=np.array([inf])),
        system=replace(base.system, slope_accuracy=50.0, compress_exponent=0.0, latency_max=1.0),
    )
    found = cell(problem, 0, 0, 1)
    assert found["done"]
    assert found["extraction"] < 1.0


def test_time_limit_gives_a_valid_bound():
    problem = random_problem(np.random.default_rng(7), 5, 5)
    best = solve(problem, "global")
    cut = solve(problem, "global", time_limit=1e-9)
    assert cut.status is Status.LIMIT_REACHED
    assert cut.details["stopped"] == "time limit"
    assert cut.upper_bound >= best.objective
    if cut.actions is not None:
        assert cut.violations() == []
        assert cut.objective <= best.upper_bound


def test_time_limit_leaves_at_least_the_best_local_decision():
    """No time for a bound of any cell, nor for the grid: yet a decision, and what QoE can be."""
    problem = Scenario.load("large").template()
    problem = replace(problem, gain=np.full(problem.gain.shape, 0.5))
    cut = solve(problem, "global", time_limit=1e-9)
    assert cut.status is Status.LIMIT_REACHED
    assert cut.objective >= solve(problem, "local").objective - ROUNDING
    assert cut.upper_bound <= len(problem.task) + 1e-9
    assert cut.details["boxes"] <= 2 * len(problem.task)


@pytest.mark.parametrize("slope", [1.0, 1e3, 1e30])
@pytest.mark.parametrize("seconds", [None, 1e-9])
def test_no_decision_is_below_the_reference(slope, seconds):
    """At home at the reference frequency, half a point each, where limits forbid the grid."""
    for seed in range(10):
        base = random_problem(np.random.default_rng([26, seed]), 3, 2, grid=Grid(2, 2, 2))
        clock = base.users.reference_frequency
        nothing = np.zeros(3)
        home = evaluate(base, Actions(np.full(3, -1), nothing, clock, nothing + 1.0))
        users = replace(
            base.users,
            frequency_min=clock / 50,
            frequency_max=clock * 50,
            energy_max=home.energy * 1.1,
        )
        system = replace(
            base.system,
            latency_max=float(home.latency.max()) * 1.1,
            slope_latency=1e3 * slope,
            slope_energy=1e3 * slope,
            slope_accuracy=50.0 * slope,
        )
        tasks = replace(base.tasks, accuracy_min=np.zeros(3))
        problem = replace(base, users=users, system=system, tasks=tasks)
        assert solve(problem, "local").status is Status.INFEASIBLE
        assert solve(problem, "global", time_limit=seconds).objective >= 1.5 - ROUNDING


def test_a_bound_by_the_weights_alone_is_rounded_up():
    problem = random_problem(np.random.default_rng(7), 5, 5)
    below = 0
    for seed in range(10):
        weight = np.random.default_rng(seed).dirichlet(np.ones(3), 5).T
        names = ("weight_latency", "weight_energy", "weight_accuracy")
        users = replace(problem.users, **dict(zip(names, weight, strict=True)))
        cut = solve(replace(problem, users=users), "global", time_limit=1e-9)
        exact = sum(map(Fraction, weight.ravel().tolist()))
        assert exact <= cut.upper_bound <= exact + ROUNDING
        below += Fraction(float(weight.sum(axis=0).cumsum()[-1])) < exact
    assert below > 0  # sums of doubles, in that order, are no bounds


LONG_ENOUGH = 100.0  # s, for what must end by itself within seconds


def ends(problem, **options):
    """Solve what must end without the help of a time limit."""
    result = solve(problem, "global", time_limit=LONG_ENOUGH, **options)
    assert result.details.get("stopped") in (None, "rounding errors")
    return result


@pytest.mark.parametrize("name", ["global-never-ends-1", "global-never-ends-2"])
def test_reported_slots_end_with_a_decision_and_a_bound(name):
    problem = Scenario.load(CASES / "reported" / f"{name}.toml").problem()
    result = ends(problem)
    assert solve(problem, "exact").objective <= result.objective <= result.upper_bound
    assert result.upper_bound <= len(problem.task)
    assert result.upper_bound - result.objective <= 1e-5
    assert result.violations() == []


@pytest.mark.parametrize("gain", [5e-324, 1e-300, 1e300, 1e308])
def test_gains_at_the_ends_of_floating_point_end(gain):
    base = random_problem(np.random.default_rng(16), 2, 2)
    problem = replace(base, gain=np.full((2, 2), gain))
    result = ends(problem)
    grid = solve(problem, "exact")
    if result.status is not Status.INFEASIBLE:
        assert not result.objective < grid.objective
        assert result.upper_bound <= 2.0 + ROUNDING
    else:
        assert grid.status is Status.INFEASIBLE


def test_badly_scaled_slots_end_between_the_grid_and_what_qoe_can_be():
    for seed in range(150):
        rng = np.random.default_rng(seed)
        users, channels = (int(n) for n in rng.integers(1, 4, 2))
        problem = badly_scaled(rng, users, channels)
        grid, result = solve(problem, "exact"), ends(problem)
        if result.status is Status.INFEASIBLE:
            assert grid.status is Status.INFEASIBLE
            continue
        assert result.upper_bound <= users + ROUNDING
        if grid.actions is not None:
            assert grid.objective <= result.objective + GAP
        if result.actions is not None:
            assert result.objective <= result.upper_bound
            assert result.violations() == []
        if result.status is Status.OPTIMAL:
            assert result.upper_bound - result.objective <= GAP


def test_a_limit_on_accuracy_that_binds_between_knots_is_solved_to_the_gap():
    """Prices of accuracy lose to its plane there, whatever the ranges of the costs."""
    rng = np.random.default_rng(59)
    problem = random_problem(rng, *(int(n) for n in rng.integers(1, 4, 2)))
    result = ends(problem)
    assert result.status is Status.OPTIMAL
    assert result.upper_bound - result.objective <= GAP


def test_hardly_a_badly_scaled_slot_is_left_to_rounding_errors():
    """What is left are limits that one action meets to the last digit, and steps as near."""
    left = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        problem = badly_scaled(rng, *(int(n) for n in rng.integers(1, 4, 2)))
        left += ends(problem).status is Status.LIMIT_REACHED
    assert left <= 7


def test_a_step_at_home_costs_nothing_where_accuracy_is_the_references():
    """At home accuracy is what it is compared with, to the last digit: the score is its middle."""
    base = random_problem(np.random.default_rng(27), 1, 1).without_channels()
    users = replace(
        base.users,
        weight_latency=np.zeros(1),
        weight_energy=np.zeros(1),
        weight_accuracy=np.ones(1),
        energy_max=np.array([inf]),
    )
    system = replace(base.system, slope_accuracy=1e30, latency_max=1.0)
    tasks = replace(base.tasks, accuracy_min=np.zeros(3))
    result = ends(replace(base, users=users, system=system, tasks=tasks))
    assert result.status is Status.OPTIMAL
    assert result.objective == 0.5
    assert result.upper_bound == pytest.approx(0.5, abs=GAP)


def test_clocks_of_forty_decades_are_solved_to_the_gap():
    """The best clock lies near the reference, as SciPy finds it there."""
    base = random_problem(np.random.default_rng(28), 1, 1).without_channels()
    users = replace(
        base.users,
        frequency_min=np.array([1e-11]),
        frequency_max=np.array([1e29]),
        energy_max=np.array([inf]),
    )
    system = replace(
        base.system, slope_latency=3000.0, slope_energy=1000.0, slope_accuracy=1.0, latency_max=1e40
    )
    tasks = replace(base.tasks, accuracy_min=np.zeros(3))
    problem = replace(base, users=users, system=system, tasks=tasks)

    def loss(decades):
        action = Actions(np.array([-1]), np.zeros(1), 10.0 ** np.atleast_1d(decades), np.ones(1))
        return -float(evaluate(problem, action).qoe[0])

    start = min(np.linspace(5, 15, 1001), key=loss)
    known = -minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9}).fun
    result = ends(problem)
    assert result.status is Status.OPTIMAL
    assert known - ROUNDING <= result.upper_bound <= known + 2 * GAP


def test_a_score_that_is_a_step_is_bounded_by_its_weight():
    """A slope of 1e32 magnifies a rounding error to anything: the bound stays what QoE can be."""
    base = random_problem(np.random.default_rng(17), 1, 1)
    system = replace(base.system, slope_latency=1e32, slope_energy=1e32, slope_accuracy=1e32)
    problem = replace(base, system=system, users=replace(base.users, energy_max=np.array([inf])))
    for m in (0, 1):
        found = cell(problem, 0, 0, m)
        if found["value"] > -inf:
            assert found["value"] - ROUNDING <= found["upper"] <= 1.0 + ROUNDING


def test_a_step_in_sight_is_proven_on_both_of_its_sides():
    """Latency counts alone, as a step: what is faster than the reference has QoE 1, else 0."""
    base = random_problem(np.random.default_rng(18), 1, 1).without_channels()
    users = replace(
        base.users,
        weight_latency=np.ones(1),
        weight_energy=np.zeros(1),
        weight_accuracy=np.zeros(1),
        frequency_min=np.array([0.5e9]),
        frequency_max=np.array([1e9]),
        energy_max=np.array([inf]),
    )
    system = replace(base.system, slope_latency=1e30, latency_max=1.0)
    tasks = replace(base.tasks, accuracy_min=np.zeros(3))
    for clock, value in ((0.7e9, 1.0), (1.1e9, 0.0)):
        own = replace(users, reference_frequency=np.array([clock]))
        result = ends(replace(base, users=own, system=system, tasks=tasks))
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(value, abs=ROUNDING)
        assert result.upper_bound == pytest.approx(value, abs=GAP)


def test_a_decision_is_nearer_to_the_best_of_its_cells_than_the_gap_asks_for():
    """A gap of 1% leaves room for it; the actions found are polished all the same."""
    for seed in range(12):
        problem = random_problem(np.random.default_rng([20, seed]), 3, 2)
        result = solve(problem, "global", gap=1e-2)
        if result.actions is None:
            continue
        channel = result.actions.channel
        m = int((channel >= 0).sum())
        best = [cell(problem, n, k, m if k >= 0 else 0)["upper"] for n, k in enumerate(channel)]
        assert sum(best) - result.objective <= 3e-5


def test_what_is_best_at_the_end_of_its_range_is_there_to_the_last_digit():
    """Latency alone counts: the fastest clock, and for raw tasks the highest power."""
    one, none = np.ones(1), np.zeros(1)
    for seed in range(10):
        base = random_problem(np.random.default_rng([25, seed]), 1, 1)
        users = replace(
            base.users,
            weight_latency=one,
            weight_energy=none,
            weight_accuracy=none,
            power_max=base.users.power_min * 7.3,
            frequency_max=base.users.frequency_min * 1.7,
            energy_max=one * inf,
        )
        system = replace(base.system, slope_latency=300.0, latency_max=1.0)
        tasks = replace(base.tasks, accuracy_min=np.zeros(3))
        problem = replace(base, users=users, system=system, tasks=tasks)
        for m in (0, 1):
            found = cell(problem, 0, 0, m)
            if found["extraction"] < 1 or not m:
                assert found["frequency"] == users.frequency_max[0]
            assert found["power"] == m * users.power_max[0]


def usual(seed):
    return random_problem(np.random.default_rng([21, seed]), 3, 3)


def steep(seed):
    system = replace(usual(seed).system, slope_latency=1e5, slope_energy=1e4, slope_accuracy=1e3)
    return replace(usual(seed), system=system)


def extreme(seed):
    return badly_scaled(np.random.default_rng([24, seed]), 2, 2)


@pytest.mark.parametrize(("draw", "most"), [(usual, 520), (steep, 830), (extreme, 11_000)])
def test_boxes_are_as_few_as_they_were(draw, most):
    """What a proof costs, counted once; a part that only saves work is missed here alone."""
    boxes = sum(solve(draw(seed), "global", time_limit=5.0).details["boxes"] for seed in range(15))
    assert 0 < boxes <= most


def test_interrupt_gives_the_best_so_far():
    rng = np.random.default_rng(8)
    problem = random_problem(rng, 300, 300)
    problem = replace(
        problem,
        system=replace(
            problem.system,
            server_flop_per_cycle=800.0,
            slope_latency=1e3,
            slope_energy=300.0,
            slope_accuracy=20.0,
            latency_max=0.02,
        ),
        users=replace(problem.users, energy_max=np.full(300, inf)),
        tasks=replace(problem.tasks, accuracy_min=np.zeros(3)),
    )
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    # Started with SIGINT ignored, as a shell's background job is, Python installs no handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        result = solve(problem, "global", gap=1e-9)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.status is Status.LIMIT_REACHED
    assert result.details["stopped"] == "interrupted"
    assert result.objective <= result.upper_bound <= 300 + 1e-9
    assert result.violations() == []


def test_infeasible_user_is_named_with_its_limits():
    problem = random_problem(np.random.default_rng(9), 2, 2)
    users = replace(problem.users, energy_max=np.array([inf, 1e-12]))
    tasks = replace(problem.tasks, accuracy_min=np.zeros(3))
    system = replace(problem.system, latency_max=1.0)
    result = solve(replace(problem, users=users, tasks=tasks, system=system), "global")
    assert result.status is Status.INFEASIBLE
    assert set(result.infeasibility.users) == {1}
    assert set(result.infeasibility.users[1].values()) == {("energy",)}


def test_limits_that_fail_only_together_are_named_together():
    """At low frequency a local task is late, at high frequency it takes too much energy."""
    problem = random_problem(np.random.default_rng(10), 1, 1).without_channels()
    users, flop = problem.users, float(problem.tasks.local_flop[problem.task[0]])
    users = replace(users, frequency_min=np.array([0.5e9]), frequency_max=np.array([1e9]))
    time = flop / (float(users.flop_per_cycle[0]) * np.array([0.5e9, 1e9]))
    energy = 1e-26 * time * np.array([0.5e9, 1e9]) ** 3
    problem = replace(
        problem,
        users=replace(users, energy_max=energy[:1] * 1.1),
        system=replace(problem.system, latency_max=float(time[1]) * 1.1),
        tasks=replace(problem.tasks, accuracy_min=np.zeros(3)),
    )
    result = solve(problem, "global")
    assert result.infeasibility.users == {0: {"local": ("latency", "energy")}}


def test_users_that_cannot_be_served_together_are_named():
    """Two users whose local tasks fail, and one sub-channel."""
    problem = random_problem(np.random.default_rng(11), 3, 1)
    tasks = replace(problem.tasks, accuracy_min=np.zeros(3), local_flop=np.full(3, 5e6))
    fast = np.array([1e9, 1e9, 1e7])
    problem = replace(
        problem,
        tasks=tasks,
        users=replace(problem.users, flop_per_cycle=fast * 1e-9, energy_max=np.full(3, inf)),
        system=replace(problem.system, latency_max=0.05, server_flop_per_cycle=800.0),
        gain=np.full((3, 1), 2.0),
    )
    problem = replace(
        problem, users=replace(problem.users, flop_per_cycle=np.array([1e-3, 1e-3, 2.0]))
    )
    result = solve(problem.without_semantic(), "global")
    assert result.status is Status.INFEASIBLE
    assert result.infeasibility.joint == (0, 1)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"objective": "min"}, {}, "qoe.objective"),
        ({}, {"gap": 0.0}, "gap"),
        ({}, {"gap": float("nan")}, "gap"),
        ({}, {"gap": inf}, "gap"),
        ({}, {"gap": 0.99e-9}, "gap"),
        ({}, {"time_limit": 0.0}, "time_limit"),
        ({}, {"backend": "cuda"}, "backend"),
    ],
)
def test_what_global_cannot_do_is_refused_by_name(change, options, words):
    problem = replace(random_problem(np.random.default_rng(12), 1, 1), **change)
    with pytest.raises(ValueError, match=words):
        solve(problem, "global", **options)


def test_a_limit_on_the_server_is_refused_by_name():
    problem = random_problem(np.random.default_rng(12), 1, 1)
    limited = replace(problem, system=replace(problem.system, server_energy_max=1.0))
    with pytest.raises(ValueError, match="server_energy_max"):
        solve(limited, "global")
