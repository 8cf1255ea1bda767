"""The relaxation: every row holds at every action, the bound is above what can be reached."""

from dataclasses import replace
from math import exp, inf, isclose

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems import random_problem
from semopt import Actions, Scenario, Status, evaluate
from semopt import solve as solve_by
from semopt.model import MODES
from semopt.problem import AccuracyTable, Grid, Problem
from semopt.solvers import linear
from semopt.solvers.linear import FREE, SPARE, Multipliers, block
from semopt.solvers.pieces import (
    LOCAL,
    QOE,
    RAW,
    Physics,
    all_pieces,
    envelope,
    families,
    propagate,
)
from semopt.solvers.relaxation import Relaxation, solve
from tolerances import DUALS, PRICES, ROUNDING

SHAPES = [(1, 1), (2, 2), (3, 2), (2, 3), (3, 3), (1, 3)]


def sigmoid(x):
    return 1 / (1 + exp(-x))


def drawn_problem(seed, **changes):
    users, channels = SHAPES[seed % len(SHAPES)]
    rng = np.random.default_rng(seed)
    return random_problem(rng, users, channels, own_figures=seed % 4 == 0, **changes)


def random_actions(problem, rng, count):
    """Draw joint actions (count, N) over the continuous ranges, their ends included."""
    users, tasks = problem.users, problem.tasks
    people, channels = problem.gain.shape
    channel = np.full((count, people), -1)
    for row in channel:
        m = rng.integers(0, min(people, channels) + 1)
        row[rng.permutation(people)[:m]] = rng.permutation(channels)[:m]

    def between(low, high):
        share = rng.uniform(-0.3, 1.3, (count, people)).clip(0, 1)
        return np.clip(low + (high - low) * share, low, high)

    top = tasks.extraction_max[problem.task]
    only_raw = (users.extraction_min >= 1) | (users.extraction_min > top)
    raw = only_raw | (rng.random((count, people)) < 0.4)
    extraction = np.where(raw, 1.0, between(users.extraction_min, np.minimum(top, 1 - 1e-9)))
    power = between(users.power_min, users.power_max)
    return Actions(channel, power, between(users.frequency_min, users.frequency_max), extraction)


def place(problem, pieces, actions, row, user):
    """Return the index of the piece in which an action of a user lies, -1 for none."""
    channel = actions.channel[row, user]
    mode = LOCAL if channel < 0 else RAW if actions.extraction[row, user] == 1 else 2
    found = (pieces.user == user) & (pieces.channel == channel) & (pieces.mode == mode)
    return int(np.flatnonzero(found)[0]) if found.any() else -1


def action_of(actions, row, user, mode, fewest_frequency):
    power = 1.0 if mode == LOCAL else actions.power[row, user]
    frequency = fewest_frequency if mode == RAW else actions.frequency[row, user]
    extraction = actions.extraction[row, user] if mode == 2 else 1.0
    return np.array([power, frequency, extraction])


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.floats(-60, 60),
    st.one_of(st.just(0.0), st.floats(1e-9, 100)),
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
)
def test_lines_lie_above_the_sigmoid_and_meet_its_envelope(low, width, shares):
    slope, level = envelope(np.array([low]), np.array([low + width]))
    assert (slope >= 0).all()
    for share in shares:
        x = low + width * share
        assert (slope * x + level).min() >= sigmoid(x) - ROUNDING
    # The envelope equals S at the ends; the lines do so but for their finite number.
    assert (slope * low + level).min() <= sigmoid(low) + 1e-9
    assert (slope * (low + width) + level).min() <= sigmoid(low + width) + 0.01


@pytest.mark.parametrize(("low", "high"), [(-8.0, -1.0), (-3.0, 5.0), (0.5, 6.0), (-30.0, 40.0)])
def test_lines_are_close_to_the_concave_envelope(low, high):
    slope, level = envelope(np.array([low]), np.array([high]))
    x = np.linspace(low, high, 4001)
    lines = (slope * x + level).min(axis=0)
    # Upper hull of the points, by the best secant from each side.
    y = 1 / (1 + np.exp(-x))
    hull = list(range(1))
    for i in range(1, len(x)):
        while len(hull) > 1 and (y[hull[-1]] - y[hull[-2]]) * (x[i] - x[hull[-1]]) <= (
            y[i] - y[hull[-1]]
        ) * (x[hull[-1]] - x[hull[-2]]):
            hull.pop()
        hull.append(i)
    assert (lines - np.interp(x, x[hull], y[hull])).max() < 0.006


def test_extreme_intervals_keep_the_lines_above():
    low, high = np.array([-1e20, -1e20, 0.0, -1e30]), np.array([1e20, 46.0, 1e20, -1e29])
    slope, level = envelope(low, high)
    for x in (-1e20, -40.0, 0.0, 46.0, 1e19):
        inside = (low <= x) & (x <= high)
        assert ((slope * x + level)[:, inside] >= sigmoid(max(x, -700.0)) - ROUNDING).all()


@pytest.mark.parametrize("seed", range(12))
def test_every_row_holds_at_every_action(seed):
    problem = drawn_problem(seed)
    rng = np.random.default_rng(seed)
    actions = random_actions(problem, rng, 16)
    outcome = evaluate(problem, actions)
    offloaders = (actions.channel >= 0).sum(axis=1)
    wide = replace(  # without limits, so that every action lies in a piece
        problem,
        system=replace(problem.system, latency_max=10.0),
        users=replace(problem.users, energy_max=problem.users.energy_max + inf),
        tasks=replace(problem.tasks, accuracy_min=problem.tasks.accuracy_min * 0),
    )
    slowest = problem.users.frequency_min
    seen = 0
    for m in np.unique(offloaders):
        spans = [(m, m), (max(m - 1, 0), m + 1)]
        for fewest, most in spans:
            pieces = all_pieces(wide)
            physics = Physics(wide, pieces, fewest, most)
            pieces.box[:, 3:] = physics.ranges(pieces.box)[1]
            rows, ends = families(physics, pieces.box)
            for row, user in np.ndindex(actions.channel.shape):
                if offloaders[row] != m:
                    continue
                j = place(wide, pieces, actions, row, user)
                mode = pieces.mode[j]
                own = action_of(actions, row, user, mode, slowest[user])
                exact = Physics(wide, pieces.take(np.array([j])), m, m)
                point, value = exact.ranges(np.stack([own, own])[:, :, None])
                value = value[0, :, 0]
                # The point is the reference model's.
                for found, name in zip(value, ("latency", "energy", "accuracy"), strict=True):
                    want = getattr(outcome, name)[row, user]
                    assert isclose(found, want, rel_tol=1e-9, abs_tol=1e-15)
                terms = exact.qoe(value[:, None])[:, 0]
                assert isclose(terms.sum(), outcome.qoe[row, user], rel_tol=ROUNDING)
                point = {name: x[0, 0] for name, x in point.items()} | {"weight": 1.0}
                point |= dict(zip(QOE, terms, strict=True))
                for form in rows:
                    parts = [c[:, j if c.shape[1] > 1 else 0] * point[n] for n, c in form.items()]
                    size = sum(np.abs(part) for part in parts)
                    assert (sum(parts) <= ROUNDING * size).all(), (seed, mode, list(form))
                part = block(rows, ends, mode, np.array([j]))
                x = np.array([point[name] for name in ("weight", *FREE[mode])])[:, None]
                unit = (x - part.start) / part.width
                assert (unit[1:] >= 0).all()
                assert (unit[1:] <= part.top[1:] + ROUNDING).all()
                assert (np.einsum("rvj,vj->rj", part.rows, unit) <= 0).all()
                seen += 1
    assert seen >= 32


@pytest.mark.parametrize("seed", range(40, 46))
def test_propagation_keeps_every_feasible_action(seed):
    problem = drawn_problem(seed)
    actions = random_actions(problem, np.random.default_rng(seed), 400)
    fine = (evaluate(problem, actions).violations == 0).all(axis=1)
    offloaders = (actions.channel >= 0).sum(axis=1)
    slowest = problem.users.frequency_min
    for row in np.flatnonzero(fine)[:40]:
        m = offloaders[row]
        pieces = propagate(problem, all_pieces(problem), m, m)
        for user in range(len(problem.task)):
            j = place(problem, pieces, actions, row, user)
            assert j >= 0
            own = action_of(actions, row, user, pieces.mode[j], slowest[user])
            assert (pieces.box[0, :3, j] <= own).all()
            assert (own <= pieces.box[1, :3, j]).all()


def best_known(problem, seed):
    """Return the best of the grid optimum and of random feasible actions, -inf without any."""
    actions = random_actions(problem, np.random.default_rng(seed), 2000)
    outcome = evaluate(problem, actions)
    fine = (outcome.violations == 0).all(axis=1)
    reduce = np.min if problem.objective == "min" else np.sum
    sampled = reduce(outcome.qoe[fine], axis=1).max() if fine.any() else -inf
    grid = solve_by(problem)
    return max(sampled, grid.objective if grid.actions is not None else -inf)


@pytest.mark.parametrize("objective", ["sum", "min"])
@pytest.mark.parametrize("seed", range(100, 112))
def test_no_decision_is_above_the_bound(seed, objective):
    problem = drawn_problem(seed, objective=objective, grid=Grid(7, 7, 7))
    known, result = best_known(problem, seed), solve(problem)
    if result.status is Status.INFEASIBLE:
        assert known == -inf
        assert result.infeasibility.users or result.infeasibility.joint
        return
    assert result.status is Status.BOUND_ONLY
    assert result.upper_bound == result.continuous_bound >= known
    assert result.actions is None
    if known > -inf:
        assert result.upper_bound <= known * 1.1


def test_settling_a_user_leaves_no_choice_out():
    # The best joint action here gives a user another sub-channel than the program's main one.
    problem = drawn_problem(164, objective="min", grid=Grid(7, 7, 7))
    assert best_known(problem, 164) <= solve(problem).upper_bound


@pytest.mark.parametrize(
    "changes",
    [
        {"slope_latency": 0.0, "slope_energy": 0.0, "slope_accuracy": 0.0},
        {"slope_latency": 1e6, "slope_energy": 1e6, "slope_accuracy": 1e5},
        {"slope_latency": 1e30, "slope_energy": 1e30, "slope_accuracy": 1e30},
        {"compress_exponent": 0.0, "extract_exponent": 0.0},
        {"compress_exponent": 20.0, "extract_exponent": 20.0},
        {"server_energy_coefficient": 0.0},
        {"latency_max": 1e30},
        {"noise": 1e-30},
        {"noise": 1e30},
    ],
    ids=str,
)
def test_degenerate_systems(changes):
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, **{"latency_max": 0.02} | changes))
    result, known = solve(problem), best_known(problem, 0)
    assert known > -inf
    assert known <= result.upper_bound <= len(problem.task)


def test_flat_tables_fixed_ranges_and_no_channels():
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, latency_max=0.02))
    users, tasks = problem.users, problem.tasks
    flat = tuple(
        replace(t, table=np.full_like(t.table, 0.7), raw=np.full_like(t.raw, 0.7))
        for t in tasks.accuracy
    )
    fixed = replace(users, power_min=users.power_max, frequency_min=users.frequency_max)
    for other in (
        replace(problem, tasks=replace(tasks, accuracy=flat)),
        replace(problem, users=fixed),
        replace(problem, users=fixed).without_semantic(),
        problem.without_channels(),
        problem.only(0),
    ):
        known, result = best_known(other, 1), solve(other)
        assert known <= result.upper_bound <= known * 1.02


def test_presets_are_bounded_within_two_per_cent():
    fine = Grid(60, 60, 60)
    for preset in ("paper", "text", "image", "vqa"):
        problem = replace(Scenario.load(preset).problem(), grid=fine)
        known, result = solve_by(problem).objective, solve(problem)
        assert known <= result.upper_bound <= 1.02 * known


def test_any_multipliers_prove_a_bound():
    rng = np.random.default_rng(6)
    compared = 0
    for seed in (101, 103, 105, 107):
        problem = drawn_problem(seed)
        known = best_known(problem, seed)
        users, channels = problem.gain.shape
        relaxation = Relaxation(users, channels)
        every = np.ones(users, dtype=bool)
        span = (0, min(users, channels))
        node = relaxation.relax(problem, all_pieces(problem), span, every, inf)
        if known == -inf:
            continue
        y = node.multipliers
        for _ in range(20):
            noise = [d * rng.uniform(0, 2, d.shape) + rng.exponential(0.1, d.shape) for d in y.rows]
            wrong = Multipliers(
                noise, y.user, y.channel + rng.exponential(1, channels), *rng.exponential(1, 3)
            )
            assert node.data.lagrangian(wrong) >= node.data.lagrangian(y) - DUALS
            compared += 1
        assert node.data.lagrangian(y) >= known
    assert compared > 20


def test_a_failing_solver_leaves_a_valid_bound(monkeypatch):
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, latency_max=0.02))

    def fail(*_, **__):
        raise cp.SolverError("no")

    monkeypatch.setattr(linear.cp.Problem, "solve", fail)
    users, channels = problem.gain.shape
    result = Relaxation(users, channels).solve(problem, programs=5)
    assert best_known(problem, 0) <= result.upper_bound <= users


TABLE = AccuracyTable.from_arrays([0.3, 1.0], [-10.0, 40.0], [[0.8, 0.8], [0.8, 0.8]])


def plain(**changes):
    """Return a slot small enough to work by hand: only latency counts unless changed.

    Local: 4e6 FLOP at 2 x 1e9 FLOP/s, 2 ms; the reference, 0.5e9 Hz, takes 4 ms. Raw: SNR
    1 x 0.3 / 0.1 = 3 gives 2 bit/s/Hz, 2e6 bit/s: 1000 bits take 0.5 ms; server 6e6 FLOP m of
    12e9 FLOP/s takes 0.5 ms for m = 1.
    """
    given = {
        "gain": [[1.0]],
        "bits": 1000.0,
        "local_flop": 4e6,
        "extract_flop": 1e9,
        "server_flop": 6e6,
        "local_accuracy": 0.8,
        "accuracy": TABLE,
        "latency_max": 0.01,
        "slope_latency": 1000.0,
        "slope_energy": 0.0,
        "slope_accuracy": 0.0,
        "bandwidth": 1e6,
        "noise": 0.1,
        "power_min": 0.1,
        "power_max": 0.3,
        "frequency_min": 0.5e9,
        "frequency_max": 1e9,
        "reference_frequency": 0.5e9,
        "weight_latency": 1.0,
        "weight_energy": 0.0,
        "weight_accuracy": 0.0,
    }
    return Problem.from_arrays(**(given | changes))


def test_hand_worked_values():
    # Raw at full power beats local at full speed: 1 ms against 2 ms, 4 ms being the offset.
    assert isclose(solve(plain()).upper_bound, sigmoid(3.0), rel_tol=DUALS)
    assert isclose(solve(plain().without_channels()).upper_bound, sigmoid(2.0), rel_tol=DUALS)
    # Two such users: both offload, each then has half the server, 1.5 ms.
    both = solve(plain(gain=[[1.0, 1.0], [1.0, 1.0]]))
    assert isclose(both.upper_bound, 2 * sigmoid(2.5), rel_tol=DUALS)
    assert both.details["offloaders"] == [2, 2]
    # Of two with one sub-channel, one stays at home.
    one = solve(plain(gain=[[1.0], [1.0]]))
    assert isclose(one.upper_bound, sigmoid(3.0) + sigmoid(2.0), rel_tol=DUALS)
    least = solve(plain(gain=[[1.0], [1.0]], objective="min"), gap=1e-7)
    assert isclose(least.upper_bound, sigmoid(2.0), rel_tol=DUALS)


def test_a_limit_on_the_servers_energy_binds():
    # Server energy of one raw task: 5e-27 x 0.5e-3 x (3e9)^3 = 67.5 mJ; two share 2 x 16.875 mJ.
    pair = {"gain": [[1.0, 1.0], [1.0, 1.0]]}
    free = solve(plain(**pair, server_energy_max=0.0676))
    assert isclose(free.upper_bound, 2 * sigmoid(2.5), rel_tol=DUALS)
    home = solve(plain(**pair, server_energy_max=0.02), gap=1e-7)
    assert isclose(home.upper_bound, 2 * sigmoid(2.0), rel_tol=DUALS)


def test_price_of_a_deadline():
    # Energy alone counts: the slowest frequency within the deadline, E = kappa l^3 / (o^3 L^2).
    limit = 3e-3
    problem = plain(
        latency_max=limit, weight_latency=0.0, weight_energy=1.0, slope_energy=50.0, gain=[[1e-9]]
    )
    energy = 1e-26 * 4e6**3 / (2.0**3 * limit**2)
    reference = 1e-26 * 4e6 / 2.0 * 0.5e9**2
    value = sigmoid(50.0 * (reference - energy))
    result = solve(problem)
    assert isclose(result.upper_bound, value, rel_tol=DUALS)
    per_second = value * (1 - value) * 50.0 * 2 * energy / limit
    price = result.details["prices"]["latency_max"]
    assert price["unit"] == "QoE/ms"
    assert isclose(price["value"], per_second * 1e-3, rel_tol=PRICES)


def test_price_of_server_speed_and_of_a_sub_channel():
    result = solve(plain(gain=[[1.0], [1.0]], server_energy_coefficient=0.0))
    prices = result.details["prices"]
    # d/ds of 6 / s ms at s = 12 GFLOP/s.
    slope = sigmoid(3.0) * (1 - sigmoid(3.0))
    assert prices["server_speed"]["unit"] == "QoE/(GFLOP/s)"
    assert isclose(prices["server_speed"]["value"], slope * 6 / 12**2, rel_tol=PRICES)
    # A second sub-channel takes the other user along, and slows the first down by 0.5 ms; to first
    # order in m that is: sigmoid(3) - sigmoid(2) - slope x 0.5.
    worth = sigmoid(3.0) - sigmoid(2.0) - slope * 0.5
    assert isclose(prices["sub_channel"]["value"][0], worth, rel_tol=PRICES)
    idle = solve(plain(gain=[[1.0, 0.5]])).details["prices"]["sub_channel"]["value"]
    assert np.allclose(idle, 0.0, atol=SPARE)


def test_users_that_cannot_be_served_are_named():
    slow = solve(plain(latency_max=0.9e-3))
    assert slow.status is Status.INFEASIBLE
    limits = {"local": ("latency",), "raw": ("latency",), "semantic": ("latency",)}
    assert slow.infeasibility.users == {0: limits}
    # Within 1.1 ms only one can be served, raw; users 0 and 1 want that, user 2 could do without.
    problem = plain(gain=[[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], latency_max=1.1e-3)
    quick = replace(problem.users, flop_per_cycle=np.array([2.0, 2.0, 20.0]))
    fight = solve(replace(problem, users=quick))
    assert fight.infeasibility.joint == (0, 1)


def test_programs_are_compiled_once_for_the_slots_of_a_scenario():
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, latency_max=0.02))
    rng = np.random.default_rng(3)
    warm = Relaxation(*problem.gain.shape)
    bounds = []
    for _ in range(3):
        slots = [problem.with_slot(problem.gain * rng.uniform(0.5, 2, problem.gain.shape),
                                   problem.task)]  # fmt: skip
        for slot in slots:
            fresh = Relaxation(*problem.gain.shape).solve(slot).upper_bound
            bounds.append((warm.solve(slot).upper_bound, fresh))
    for again, fresh in bounds:
        assert isclose(again, fresh, rel_tol=DUALS)
    compiled = dict(warm.programs)
    warm.solve(slot)
    assert warm.programs == compiled
    assert all(p.problem.is_dcp(dpp=True) for p in compiled.values())


def test_stopping_early_keeps_the_bound():
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, latency_max=0.02))
    known, users = best_known(problem, 0), len(problem.task)
    late = solve(problem, time_limit=1e-9)
    assert late.status is Status.LIMIT_REACHED
    one, many = solve(problem, programs=1), solve(problem)
    assert known <= many.upper_bound <= one.upper_bound <= late.upper_bound + DUALS <= users + 1
    tighter = solve(problem, gap=1e-3)
    assert known <= tighter.upper_bound <= many.upper_bound + DUALS


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="1 users, 1 sub-channels"):
        Relaxation(2, 2).solve(plain())


def test_modes_are_those_of_the_pieces():
    problem = plain(gain=[[1.0, 2.0]])
    pieces = all_pieces(problem)
    assert pieces.mode.tolist() == [0, 1, 1, 2, 2]
    assert pieces.channel.tolist() == [-1, 0, 1, 0, 1]
    assert set(pieces.mode) == set(range(len(MODES)))
    assert all_pieces(problem.without_semantic()).mode.tolist() == [0, 1, 1]
