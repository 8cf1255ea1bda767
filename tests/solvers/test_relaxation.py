"""The relaxation: whatever the prices, no action is above the bound; good prices are near it."""

import itertools
from dataclasses import replace
from fractions import Fraction
from math import exp, inf, isclose, log, nan

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems import badly_scaled, random_problem
from semopt import Actions, Scenario, Status
from semopt import solve as solve_by
from semopt.model import LOCAL, MODES, RAW, accuracy, evaluate
from semopt.problem import AccuracyTable, Grid, Problem
from semopt.solvers import infeasibility
from semopt.solvers.relaxation import bound, program, weights
from semopt.solvers.relaxation.bound import solve
from semopt.solvers.relaxation.convex import Costs
from semopt.solvers.relaxation.node import Node
from semopt.solvers.relaxation.pieces import Physics, all_pieces, propagate
from semopt.solvers.relaxation.program import slopes
from semopt.solvers.relaxation.weights import SPARE, Mixture, Multipliers, free
from tolerances import DUALS, PRICES, ROUNDING, UNITS

QUANTITIES = ("latency", "energy", "accuracy")
SHAPES = [(1, 1), (2, 2), (3, 2), (2, 3), (3, 3), (1, 3)]


@pytest.fixture(autouse=True)
def quiet():
    """Let figures divide by zero, as they may within `solve`: what is not finite proves nothing."""
    with np.errstate(all="ignore"):
        yield


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


def costs_of(problem, fewest, most, pieces=None):
    """Return the pieces that the limits leave, and their costs."""
    some = propagate(problem, pieces or all_pieces(problem), fewest, most)
    return some, Costs(Physics(problem, some, fewest, most), some.box)


def without_limits(problem):
    """Return the same problem with limits so wide that every action lies in a piece."""
    return replace(
        problem,
        system=replace(problem.system, latency_max=10.0),
        users=replace(problem.users, energy_max=problem.users.energy_max + inf),
        tasks=replace(problem.tasks, accuracy_min=problem.tasks.accuracy_min * 0),
    )


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.floats(-60, 60),
    st.one_of(st.just(0.0), st.floats(1e-9, 100)),
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
)
def test_slopes_are_those_of_lines_that_meet_the_sigmoid_at_both_ends(low, width, shares):
    slope = slopes(np.array([low]), np.array([low + width]))[:, 0]
    x = low + width * np.array([0, 1, *shares])
    level = [max(sigmoid(y) - s * y for y in np.linspace(low, low + width, 999)) for s in slope]
    lines = np.min(slope * x[:, None] + level, axis=1)
    assert (slope >= 0).all()
    assert lines[0] <= sigmoid(low) + 1e-4
    assert lines[1] <= sigmoid(low + width) + 0.01


@pytest.mark.parametrize(("low", "high"), [(-8.0, -1.0), (-3.0, 5.0), (0.5, 6.0), (-30.0, 40.0)])
def test_lines_are_close_to_the_concave_envelope(low, high):
    slope = slopes(np.array([low]), np.array([high]))
    x = np.linspace(low, high, 4001)
    y = 1 / (1 + np.exp(-x))
    lines = (slope * x + (y - slope * x).max(axis=1, keepdims=True)).min(axis=0)
    # Upper hull of the points, by the best secant from each side.
    hull = list(range(1))
    for i in range(1, len(x)):
        while len(hull) > 1 and (y[hull[-1]] - y[hull[-2]]) * (x[i] - x[hull[-1]]) <= (
            y[i] - y[hull[-1]]
        ) * (x[hull[-1]] - x[hull[-2]]):
            hull.pop()
        hull.append(i)
    assert (lines - np.interp(x, x[hull], y[hull])).max() < 0.006


@pytest.mark.parametrize("seed", range(12))
def test_the_conjugate_is_the_largest_value_over_all_costs(seed):
    problem = drawn_problem(seed)
    _, costs = costs_of(without_limits(problem), 1, 1)
    rng = np.random.default_rng(seed)
    a = 10.0 ** rng.uniform(-4, 2, (6, *costs.width.shape))
    least = costs.least / costs.width
    cost = least + (1 - least) * np.linspace(0, 1, 20001)[:, None, None]
    for price, found in zip(a, costs.conjugate(a), strict=True):
        # S(slope (reference - value)) itself, from the physics.
        sign, start = np.array([-1.0, -1.0, 1.0])[:, None], np.vstack([costs.first, costs.top])
        value = start - sign * cost * costs.width
        best = (costs.physics.qoe(value) + price * cost).max(axis=0)
        assert (found >= best - ROUNDING).all()
        # Steps of 5e-5 of the width, on a curve whose second derivative is that of w S.
        steepness = np.abs(costs.physics.slope) * costs.width
        assert (found <= best + 0.1 * (5e-5 * steepness) ** 2 + 1e-9).all()


def test_the_conjugate_holds_where_arguments_are_beyond_all_doubles_between_them():
    # S(y) at y = 5e19 (1 - 3 c): a price of 0.5 leaves 1 at c = 1/3, where y has no digit left.
    problem = plain(slope_latency=1e22, latency_max=1.0)
    _, costs = costs_of(problem, 0, 0)
    steepness, best = costs.steepness[0, 0], costs.best[0, 0]
    assert costs.conjugate(np.full((3, 1), 0.5))[0, 0] >= 1.0 + 0.5 * best / steepness - 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_no_action_of_a_piece_is_above_what_any_prices_prove(seed):
    problem = drawn_problem(seed)
    wide = without_limits(problem)
    rng = np.random.default_rng(seed)
    actions = random_actions(wide, rng, 5)
    outcome = evaluate(wide, actions)
    offloaders = (actions.channel >= 0).sum(axis=1)
    slowest, seen = wide.users.frequency_min, 0
    for row, user in np.ndindex(actions.channel.shape):
        m = offloaders[row]
        for fewest, most in ((m, m), (max(m - 1, 0), m + 1)):
            pieces = all_pieces(wide)
            j = place(wide, pieces, actions, row, user)
            one = pieces.take(np.array([j]))
            own = action_of(actions, row, user, one.mode[0], slowest[user])
            # Boxes around the action: the whole, and some cut beside it or through its values.
            for cut in range(4):
                box = one.box.copy()
                values = [*own, *(getattr(outcome, q)[row, user] for q in QUANTITIES)]
                for k in rng.permutation(6)[: 2 * cut]:
                    end = rng.integers(2)
                    box[end, k, 0] = values[k]
                part, costs = costs_of(wide, fewest, most, replace(one, box=box))
                price = 10.0 ** rng.uniform(-5, 1, (4, 3, 1)) * rng.integers(0, 2, (4, 3, 1))
                ends = part.box[:, :3]
                points = ends[0] * (ends[1] / ends[0]) ** rng.random((4, 3, 1))
                for a, point in zip(price, points, strict=True):
                    bound, slack, _ = costs.bound(a / costs.width, point)
                    assert bound[0] >= outcome.qoe[row, user] - ROUNDING, (seed, row, user, cut)
                    # What it exceeds its own point by is accounted for.
                    value = Physics(wide, part, m, m).ranges(np.stack([point, point]))[1][0]
                    # Prices of a range of little more than rounding pay for that.
                    size = np.vstack([costs.first, costs.top])
                    if fewest == most and (costs.width > 1e-4 * size)[a > 0].all():
                        there = costs.physics.qoe(value).sum()
                        assert isclose(bound[0] - there, slack.sum(), abs_tol=1e-6)
                    seen += 1
    assert seen >= 100


def test_the_envelope_of_accuracy_bends_where_the_table_does():
    inside = 0
    for seed in range(4):
        problem = drawn_problem(seed)
        pieces, costs = costs_of(without_limits(problem), 1, 1)
        pairs = [(part, i) for part in costs.grid for i in range(len(part[0]))]
        found = sorted(part[0][i] for part, i in pairs)
        assert found == np.flatnonzero(pieces.mode != LOCAL).tolist()
        for (own, extraction, power, short), i in pairs:
            j = own[i]
            user, raw = pieces.user[j], pieces.mode[j] == RAW
            table = problem.tasks.accuracy[problem.task[user]]
            table = table if raw else replace(table, raw=table.table[-1])
            loudness = problem.system.noise / problem.gain[user, pieces.channel[j]]
            (lowest, _, least), (highest, _, most) = costs.box[:, :3, j]
            knots = 10 ** (table.snr_db / 10) * loudness
            bends = {lowest, highest, *knots[(lowest < knots) & (knots < highest)]}
            turns = {least, most, *(() if raw else table.extraction[table.extraction > least])}
            assert np.allclose(np.unique(power[:, i]), sorted(bends), rtol=ROUNDING, atol=0)
            assert np.unique(extraction[:, i]).tolist() == sorted(x for x in turns if x <= most)
            at = np.broadcast_arrays(extraction[:, None, i], power[None, :, i])
            there = accuracy(table, at[0], 10 * np.log10(at[1] / loudness))
            assert np.allclose(short[:, :, i], costs.top[j] - there, rtol=0, atol=1e-10)
            inside += len(bends) - 2
    assert inside


@pytest.mark.parametrize(
    ("table", "row"), [([[0.2, 0.9], [0.2, 0.9]], 0), ([[0.2, 0.2], [0.9, 0.9]], 2)]
)
def test_what_the_envelope_of_accuracy_loses_is_cut_where_accuracy_varies(table, row):
    rows = AccuracyTable.from_arrays([0.3, 1.0], [-10.0, 40.0], table)
    problem = plain(accuracy=rows, latency_max=10.0, weight_latency=0.5, weight_accuracy=0.5)
    pieces, _ = costs_of(problem, 1, 1)
    node = Node.of(problem, pieces, (1, 1), np.zeros(1), 1.0, free(problem))
    semantic = np.flatnonzero(pieces.mode == 2)
    node.slack[:], node.weight[:] = 0.0, 0.5
    node.slack[3] = 0.25
    loss, found, at = node.losses()
    assert found[semantic] == row
    assert loss[semantic] == 0.125
    assert pieces.box[0, row, semantic] < at[semantic] < pieces.box[1, row, semantic]
    # A sigmoid that loses more is cut instead, in the row of its quantity.
    for i in range(3):
        node.slack[:] = 0.0
        node.slack[i], node.slack[3] = 0.5, 0.25
        loss, found, at = node.losses()
        assert (loss[semantic], found[semantic]) == (0.375, 3 + i)
        low, high = pieces.box[:, 3 + i, semantic]
        assert low + 0.1 * (high - low) * 0.999 <= at[semantic] <= high - 0.1 * (high - low) * 0.999
    node.weight[:] = 1e-4  # not in use
    assert not node.losses()[0].any()


@pytest.mark.parametrize("seed", range(8))
def test_terms_are_the_models_and_above_their_tangents(seed):
    problem = drawn_problem(seed)
    wide, rng = without_limits(problem), np.random.default_rng(seed)
    actions = random_actions(wide, rng, 16)
    outcome = evaluate(wide, actions)
    for row, user in np.ndindex(actions.channel.shape):
        m = (actions.channel[row] >= 0).sum()
        pieces = all_pieces(wide)
        j = place(wide, pieces, actions, row, user)
        own = action_of(actions, row, user, pieces.mode[j], wide.users.frequency_min[user])
        piece, costs = costs_of(wide, m, m, pieces.take(np.array([j])))
        value = costs.physics.ranges(np.stack([own, own])[:, :, None])[1][0, :, 0]
        for found, name in zip(value, QUANTITIES, strict=True):
            assert isclose(found, getattr(outcome, name)[row, user], rel_tol=1e-9, abs_tol=1e-15)
        ends = piece.box[:, :3]
        for point in ends[0] * (ends[1] / ends[0]) ** rng.random((8, 3, 1)):
            terms, by = costs.gradients(point)
            ahead = terms * (1 + (by * np.log(own[:, None] / point)[:, None]).sum(axis=0))
            assert (costs.physics.terms(*own[:, None]) >= ahead - 1e-12 * terms).all()
            # Derivatives, by differences.
            for k in range(3):
                step = np.where(np.arange(3)[:, None] == k, 1 + 1e-6, 1.0)
                change = costs.physics.terms(*point * step) / terms - 1
                assert np.allclose(np.nan_to_num(change), by[k] * log(1 + 1e-6) * (terms > 0),
                                   rtol=1e-4, atol=1e-10)  # fmt: skip


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
    assert known <= result.upper_bound <= len(problem.task) + DUALS


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


def test_figures_near_the_largest_doubles():
    # Extraction at 1e-6 takes 1e40 (1e6)^20 FLOP of 1e40 J s^2 (1e40 Hz)^3 each: no double has it.
    problem = plain(
        extract_exponent=20.0, extraction_min=1e-6, extract_flop=1e40, energy_coefficient=1e40,
        frequency_min=1e39, frequency_max=1e40, reference_frequency=1e40, latency_max=1e40,
        weight_latency=0.5, weight_energy=0.5, slope_energy=1e-3,
    )  # fmt: skip
    best, result = best_known(problem, 0), solve(problem)
    assert best <= result.upper_bound <= 1.0 + DUALS


def test_presets_are_bounded_within_two_per_cent():
    fine = Grid(60, 60, 60)
    for preset in ("paper", "text", "image", "vqa"):
        problem = replace(Scenario.load(preset).problem(), grid=fine)
        known, result = solve_by(problem).objective, solve(problem)
        assert known <= result.upper_bound <= 1.02 * known


def node_of(problem, must=None):
    """Return the solved root of a problem."""
    users = len(problem.task)
    span = (0, min(problem.gain.shape))
    penalty = np.full(users, 2.0 * users)
    pieces = propagate(problem, all_pieces(problem), *span)
    node = Node.of(problem, pieces, span, penalty, float(users), free(problem))
    node.solve(lambda: inf)
    return node


def test_any_multipliers_prove_a_bound():
    rng = np.random.default_rng(6)
    compared = 0
    for seed in (101, 103, 105, 107):
        problem = drawn_problem(seed)
        known = best_known(problem, seed)
        if known == -inf:
            continue
        node = node_of(problem)
        y, mixture = node.multipliers, node.mixture()
        for _ in range(20):
            wrong = Multipliers(
                y.user,
                y.channel * rng.uniform(0, 2) + rng.exponential(1, len(y.channel)),
                *rng.exponential(1, 3),
            )
            assert mixture.lagrangian(wrong)[0] >= mixture.lagrangian(y)[0] - DUALS - SPARE * 9
            compared += 1
        assert mixture.lagrangian(y)[0] >= known
    assert compared > 20


def best_mixture(mixture, channels, objective):
    """Return the best assignment of pieces by plain enumeration, -inf for none."""
    pieces, users = mixture.pieces, len(mixture.penalty)
    own = [[j for j in range(len(mixture.value)) if pieces.user[j] == n] for n in range(users)]
    best = -inf
    for choice in itertools.product(*own):
        chosen = np.array(choice)
        seats = pieces.channel[chosen]
        seats = seats[seats >= 0]
        if (
            len(set(seats)) == len(seats)
            and mixture.fewest <= len(seats) <= mixture.most
            and mixture.server[chosen].sum() <= 1.0
        ):
            value = mixture.value[chosen]
            best = max(best, value.min() if objective == "min" else value.sum())
    return best


@pytest.mark.parametrize("objective", ["sum", "min"])
@pytest.mark.parametrize("seed", range(10))
def test_weights_are_bounded_by_any_multipliers_and_closely_by_their_own(seed, objective):
    rng = np.random.default_rng(seed)
    users, channels = [(2, 2), (3, 2), (2, 3), (3, 3), (3, 1)][seed % 5]
    problem = random_problem(rng, users, channels, objective=objective)
    pieces = all_pieces(problem)
    value = rng.uniform(0, 1, len(pieces.user))
    limited = seed % 2
    server = rng.uniform(0, 0.9, len(value)) * (pieces.mode != LOCAL) * limited
    fewest = int(rng.integers(0, min(users, channels) + 1))
    most = int(rng.integers(fewest, min(users, channels) + 1))
    penalty = np.full(users, 2.0 * users)
    mixture = Mixture(problem, pieces, value, server, fewest, most, penalty)
    best = best_mixture(mixture, channels, objective)
    assert best > -inf
    weight, y = mixture.solve(inf)
    bound, choice = mixture.lagrangian(y)
    assert bound >= best
    if not limited and objective == "sum":  # a matching: the program is exact
        assert bound <= best + 10 * SPARE
        assert np.isclose(weight.round(2).sum(), users)
        assert isclose(weight @ value, best, abs_tol=10 * SPARE)
    assert bound <= weight @ value / (users if objective == "min" else 1) + 0.5
    worth = mixture.worth(y)
    assert all(worth[choice[n]] == worth[pieces.user == n].max() for n in range(users))
    for _ in range(20):
        share = rng.dirichlet(np.ones(users)) if objective == "min" else np.ones(users)
        wrong = Multipliers(share, rng.exponential(0.2, channels), *rng.exponential(0.2, 3))
        assert mixture.lagrangian(wrong)[0] >= best
        # Each of them costs what it says, by the definition of the dual.
        toll = np.where(
            pieces.mode == LOCAL, 0.0, np.append(wrong.channel, 0)[pieces.channel]
            + wrong.most - wrong.fewest
        ) + wrong.server * server  # fmt: skip
        each = [(share[n] * value - toll)[pieces.user == n].max() for n in range(users)]
        whole = sum(each) + wrong.channel.sum() + wrong.server
        whole += wrong.most * most - wrong.fewest * fewest
        assert isclose(mixture.lagrangian(wrong)[0], whole, rel_tol=1e-9)


def test_whatever_a_checker_lets_pass_lies_within_the_pieces():
    # Raw takes 1 ms, of which 0.5 ms on the air at 0.3 W: 0.15 mJ, and the server 67.5 mJ.
    inside = 1 - 9e-10
    best = sigmoid(3.0) * (1 - DUALS)
    assert solve(plain(latency_max=1e-3 * inside)).upper_bound >= best
    assert solve(plain(energy_max=0.06765 * inside)).upper_bound >= best
    assert solve(plain(accuracy_min=0.8 * (1 + 9e-10))).upper_bound >= best
    assert solve(plain(server_energy_max=0.0675 * inside)).upper_bound >= best
    # Beyond the tolerance they are out: what is left is local, or nothing.
    outside, left = 1 - 1e-7, sigmoid(2.0) * (1 + DUALS)
    assert solve(plain(latency_max=1e-3 * outside)).status is Status.INFEASIBLE
    assert solve(plain(server_energy_max=0.0675 * outside)).upper_bound <= left
    assert solve(plain(accuracy_min=0.8 * (1 + 1e-7))).status is Status.INFEASIBLE


def test_limits_cut_pieces_to_what_they_leave():
    # Local within 3 ms takes 4e6 / (2 x 3e-3) Hz at least; within 6 mJ sqrt(6e-3 / 2e-20) at most.
    problem = plain(latency_max=3e-3, energy_max=0.012, gain=[[1e-9]])
    pieces, costs = costs_of(problem, 0, 1)
    assert pieces.mode.tolist() == [LOCAL]
    low, high = pieces.box[:, 1, 0]
    assert 0.98 * 2e9 / 3 <= low <= 2e9 / 3 * (1 + 1e-8)
    assert (1 - 1e-8) * (0.012 / 2e-20) ** 0.5 <= high <= 1.02 * (0.012 / 2e-20) ** 0.5
    assert isclose(costs.first[0, 0], 2e6 / high, rel_tol=1e-9)
    assert isclose(costs.first[1, 0], 2e-20 * low**2, rel_tol=1e-9)
    assert isclose(costs.first[0, 0] + costs.width[0, 0], 3e-3, rel_tol=1e-8)


@pytest.mark.parametrize("broken", ["pieces", "weights", "both"])
def test_a_failing_solver_leaves_a_valid_bound(monkeypatch, broken):
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, latency_max=0.02))

    def fail(*_, **__):
        raise cp.SolverError("no")

    class Nothing:
        x = None

    if broken != "weights":
        monkeypatch.setattr(program.cp.Problem, "solve", fail)
    if broken != "pieces":
        monkeypatch.setattr(weights, "linprog", lambda *_, **__: Nothing)
    result = solve(problem, programs=5)
    assert best_known(problem, 0) <= result.upper_bound <= len(problem.task) + DUALS


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
    # Accuracy alone, 0.8 against 0.6 at home, by a slope of little more than none.
    flat = plain(local_accuracy=0.6, slope_accuracy=0.25, weight_latency=0.0, weight_accuracy=1.0)
    assert isclose(solve(flat).upper_bound, sigmoid(0.05), rel_tol=DUALS)


def test_a_single_extraction_that_a_task_allows_is_a_mode():
    # Half the data takes 0.25 ms on the air, extraction next to nothing: 0.75 ms against 1 ms raw.
    single = {"extraction_min": 0.5, "extraction_max": 0.5, "extract_flop": 1e-3}
    problem = plain(**single, compress_exponent=1.0, extract_exponent=0.0)
    assert isclose(solve(problem).upper_bound, sigmoid(3.25), rel_tol=DUALS)
    # Where it lies above what the task allows there is none.
    barred = plain(**single | {"extraction_max": 0.49}, compress_exponent=1.0, extract_exponent=0.0)
    assert isclose(solve(barred).upper_bound, sigmoid(3.0), rel_tol=DUALS)


def test_a_limit_on_the_servers_energy_binds():
    # Server energy of one raw task: 5e-27 x 0.5e-3 x (3e9)^3 = 67.5 mJ; two share 2 x 16.875 mJ.
    pair = {"gain": [[1.0, 1.0], [1.0, 1.0]]}
    free = solve(plain(**pair, server_energy_max=0.0676))
    assert isclose(free.upper_bound, 2 * sigmoid(2.5), rel_tol=DUALS)
    home = solve(plain(**pair, server_energy_max=0.02), gap=1e-7)
    assert isclose(home.upper_bound, 2 * sigmoid(2.0), rel_tol=DUALS)
    # Within 1.6 ms both must offload, which takes 33.75 mJ of the server: too much by its limit.
    tight = solve(plain(**pair, latency_max=1.6e-3, server_energy_max=0.03)).infeasibility
    assert (tight.joint, tight.limit, tight.users) == ((0, 1), "server_energy_max", {})
    # Within 1.1 ms only one could: that is no fault of the server's energy.
    late = solve(plain(**pair, latency_max=1.1e-3, server_energy_max=0.07)).infeasibility
    assert (late.joint, late.limit) == ((0, 1), "")


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


def crowded():
    """Return 12 users of whom none can stay local, on 6 sub-channels."""
    problem = without_limits(random_problem(np.random.default_rng(0), 12, 6))
    tasks = replace(problem.tasks, local_accuracy=np.zeros(3), accuracy_min=np.full(3, 1e-3))
    return replace(problem, tasks=tasks)


def test_a_set_that_cannot_be_served_is_the_one_that_exact_names():
    result = solve(crowded())
    assert result.status is Status.INFEASIBLE
    assert len(result.infeasibility.joint) == 7  # one more than there are sub-channels
    assert result.infeasibility == solve_by(crowded()).infeasibility


def test_an_interrupt_of_the_explanation_is_told(monkeypatch):
    reach = infeasibility._core.feasible_channels
    monkeypatch.setattr(
        infeasibility._core, "feasible_channels", lambda *given: (reach(*given)[0], "interrupted")
    )
    result = solve(crowded())
    assert result.status is Status.INFEASIBLE
    assert result.details["stopped"] == "interrupted"
    assert result.infeasibility.joint == tuple(range(12))
    assert "interrupted" in result.infeasibility.unfinished


def test_a_limit_too_short_for_the_first_program_gives_the_weights_at_once(monkeypatch):
    problem = random_problem(np.random.default_rng(0), 60, 60)
    users = problem.users
    weights = [users.weight_latency, users.weight_energy, users.weight_accuracy]
    exact = sum(Fraction(float(w)) for w in np.concatenate(weights))
    monkeypatch.setattr(bound, "all_pieces", lambda problem: pytest.fail("pieces are made"))
    result = solve(problem, time_limit=0.3)  # 7,260 pieces take about 0.36 s
    assert result.status is Status.LIMIT_REACHED
    assert result.details == {"programs": 0, "stopped": "time limit"}
    assert exact <= result.upper_bound <= exact + 1e-9


def test_the_clock_is_looked_at_between_the_steps_of_the_first_program(monkeypatch):
    problem, late, steps = drawn_problem(104), [0.0], []

    def slow(*given):
        late[0] += 10.0  # s, that no later step has
        steps.append("propagate")
        return propagate(*given)

    monkeypatch.setattr(bound, "perf_counter", lambda: late[0])
    monkeypatch.setattr(bound, "propagate", slow)
    monkeypatch.setattr(Node, "of", lambda *given: pytest.fail("time is up"))
    result = solve(problem, time_limit=5.0)
    assert steps == ["propagate"]
    assert result.status is Status.LIMIT_REACHED
    assert result.details["stopped"] == "time limit"


def test_a_slot_beyond_memory_is_refused_before_anything_is_made():
    problem = random_problem(np.random.default_rng(0), 400, 400)
    with pytest.raises(ValueError, match=r"400 users .* 320400 pieces, .* 2.08 GB, .* 'exact'"):
        solve(problem)
    wide = replace(problem.without_channels(), gain=np.broadcast_to(1.0, (400, 380)))
    assert solve(wide, time_limit=0.3).status is Status.LIMIT_REACHED  # 1.98 GB


@pytest.mark.parametrize("limit", [0, -1.0, nan])
@pytest.mark.parametrize("method", ["exact", "exhaustive", "global", "relaxation", "local"])
def test_every_method_says_alike_that_a_limit_is_no_time(method, limit):
    with pytest.raises(ValueError, match=f"^time_limit = {limit}: must be above 0 s$"):
        solve_by(plain(), method, time_limit=limit)


@pytest.mark.parametrize("method", ["exact", "exhaustive", "global", "relaxation", "local"])
def test_an_infinite_limit_is_none(method):
    limited, whole = solve_by(plain(), method, time_limit=inf), solve_by(plain(), method)
    assert limited.status is whole.status
    assert limited.upper_bound == whole.upper_bound


def test_programs_are_compiled_once_for_all_problems():
    before = program.program.cache_info().misses
    for seed in (101, 105, 107):
        solve(drawn_problem(seed))
    assert program.program.cache_info().misses <= max(before, len(program.SIZES))
    assert all(program.program(size).problem.is_dcp(dpp=True) for size in program.SIZES[:2])


def test_stopping_early_keeps_the_bound():
    problem = drawn_problem(10)
    problem = replace(problem, system=replace(problem.system, latency_max=0.02))
    known, users = best_known(problem, 0), len(problem.task)
    late = solve(problem, time_limit=1e-9)
    assert late.status is Status.LIMIT_REACHED
    assert late.details["stopped"] == "time limit"
    # Nothing is proven yet: no QoE is above its weights, which are 1 but for an ulp.
    assert isclose(late.upper_bound, users, rel_tol=1e-15)
    least = solve(replace(problem, objective="min"), time_limit=1e-9).upper_bound
    assert isclose(least, 1.0, rel_tol=1e-15)
    one, many = solve(problem, programs=1), solve(problem)
    assert one.details["programs"] == 1 < many.details["programs"]
    assert known <= many.upper_bound <= one.upper_bound <= late.upper_bound + DUALS <= users + 1
    tighter = solve(problem, gap=1e-3)
    assert known <= tighter.upper_bound <= many.upper_bound + DUALS


def test_an_interrupt_keeps_the_bound():
    problem = drawn_problem(104)
    shown = []

    def interrupt(share):
        shown.append(share)
        if share >= 2 / 64:
            raise KeyboardInterrupt

    result = solve(problem, progress=interrupt)
    assert result.status is Status.LIMIT_REACHED
    assert result.details["stopped"] == "interrupted"
    assert best_known(problem, 104) <= result.upper_bound <= len(problem.task) + DUALS
    shown.clear()
    whole = solve(problem, programs=6, progress=shown.append)
    assert whole.upper_bound <= result.upper_bound
    assert shown == sorted(shown)
    assert shown[0] == 0.0 < shown[1] < 1 / 6  # the first program, which may be long, is seen too
    assert {n / 6 for n in range(1, whole.details["programs"] + 1)} <= set(shown)


def test_few_users_on_hundreds_of_channels():
    problem = reported()
    gain = np.random.default_rng(0).uniform(0.1, 1, (2, 300))
    wide = replace(problem, gain=gain)
    best, result = solve_by(wide), solve(wide)
    assert best.objective <= result.upper_bound <= best.objective + 0.005
    few = replace(wide, gain=gain[:, np.argsort(-gain.max(axis=0))[:4]])
    assert isclose(result.upper_bound, solve(few).upper_bound, abs_tol=0.004)


def test_more_users_than_pieces_of_a_program():
    problem = random_problem(np.random.default_rng(3), 45, 4)
    problem = without_limits(problem)
    best = solve_by(problem)
    late, early = solve(problem, programs=3), solve(problem, time_limit=0.05)
    assert best.objective <= late.upper_bound <= early.upper_bound <= 45 + DUALS
    assert late.upper_bound <= 1.2 * best.objective


@pytest.mark.long
def test_a_slot_of_64_users_on_64_channels():
    large = Scenario.load("large")
    gain, task = large.draw(1, 0)
    problem = large.template().with_slot(gain[0], task[0])
    best, result = solve_by(problem), solve(problem)
    assert best.objective <= result.upper_bound <= 1.02 * best.objective


def test_modes_are_those_of_the_pieces():
    problem = plain(gain=[[1.0, 2.0]])
    pieces = all_pieces(problem)
    assert pieces.mode.tolist() == [0, 1, 1, 2, 2]
    assert pieces.channel.tolist() == [-1, 0, 1, 0, 1]
    assert set(pieces.mode) == set(range(len(MODES)))
    assert all_pieces(problem.without_semantic()).mode.tolist() == [0, 1, 1]


def scaled(problem, energy=1.0, bits=1.0, flop=1.0, cycles=1.0, time=1.0, gain=1.0):
    """Return the same slot in units so many times smaller: every figure of a kind is larger."""
    system, users, tasks = problem.system, problem.users, problem.tasks
    power, per_cycle, frequency = energy / time, flop / cycles, cycles / time
    coefficient = energy / time / frequency**3
    return replace(
        problem,
        system=replace(
            system,
            bandwidth=system.bandwidth * bits / time,
            noise=system.noise * power * gain,
            server_frequency=system.server_frequency * frequency,
            server_flop_per_cycle=system.server_flop_per_cycle * per_cycle,
            server_energy_coefficient=system.server_energy_coefficient * coefficient,
            latency_max=system.latency_max * time,
            slope_latency=system.slope_latency / time,
            slope_energy=system.slope_energy / energy,
            server_energy_max=system.server_energy_max * energy,
        ),
        users=replace(
            users,
            flop_per_cycle=users.flop_per_cycle * per_cycle,
            energy_coefficient=users.energy_coefficient * coefficient,
            frequency_min=users.frequency_min * frequency,
            frequency_max=users.frequency_max * frequency,
            reference_frequency=users.reference_frequency * frequency,
            power_min=users.power_min * power,
            power_max=users.power_max * power,
            energy_max=users.energy_max * energy,
        ),
        tasks=replace(
            tasks,
            bits=tasks.bits * bits,
            semantic_bits=tasks.semantic_bits * bits,
            local_flop=tasks.local_flop * flop,
            extract_flop=tasks.extract_flop * flop,
            server_flop=tasks.server_flop * flop,
            server_raw_flop=tasks.server_raw_flop * flop,
        ),
        gain=problem.gain * gain,
    )


@pytest.mark.parametrize("unit", ["energy", "bits", "flop", "cycles", "time", "gain", "all"])
@pytest.mark.parametrize("seed", [104, 109])
def test_other_units_give_the_same_bound(unit, seed):
    problem = drawn_problem(seed)
    problem = replace(problem, system=replace(problem.system, server_energy_max=0.05))
    bound = solve(problem).upper_bound
    rng = np.random.default_rng(seed)
    for factor in (1e-15, 10.0 ** rng.uniform(-15, 15), 1e15):
        units = ("energy", "bits", "flop", "time", "gain") if unit == "all" else (unit,)
        sizes = {name: factor if name == unit else 10 ** rng.uniform(-15, 15) for name in units}
        other = solve(scaled(problem, **sizes)).upper_bound
        assert isclose(other, bound, rel_tol=UNITS), (sizes, other, bound)


def reported(**changes):
    """Return the preset `paper` in a slot of two users, with changed figures."""
    problem = Scenario.load("paper").problem()
    gain = np.array([[0.62, 0.35], [0.48, 0.21]])
    task = np.array([problem.tasks.names.index(name) for name in ("image", "vqa")])
    system = {k: v for k, v in changes.items() if hasattr(problem.system, k)}
    users = {k: v + 0 * problem.users.power_min for k, v in changes.items() if k not in system}
    return replace(
        problem.with_slot(gain, task),
        system=replace(problem.system, **system),
        users=replace(problem.users, **users),
        tasks=replace(problem.tasks, accuracy_min=np.full(3, 0.5)),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"server_energy_coefficient": 1e-12},
        {"server_energy_coefficient": 5.0},
        {"noise": 2e-18, "power_min": 1e-17, "power_max": 1e-16},
        {"energy_coefficient": 1e-60},
        {"server_frequency": 1e30},
    ],
    ids=str,
)
def test_energies_of_other_magnitudes_hide_no_decision(changes):
    problem = reported(**changes)
    best, result = solve_by(problem), solve(problem)
    assert best.objective > 0.9
    assert best.objective <= result.upper_bound <= best.objective + 0.05


def check_badly_scaled(seed):
    """Compare a bound with the grid's optimum; return whether there is one."""
    rng = np.random.default_rng(seed)
    users, channels = (int(n) for n in rng.integers(1, 4, 2))
    problem = badly_scaled(rng, users, channels)
    method = "exact"
    if seed % 4 == 0:
        problem = replace(problem, objective="min")
    if seed % 5 == 0:
        limit = float(10 ** rng.uniform(-6, 3))
        problem = replace(problem, system=replace(problem.system, server_energy_max=limit))
        method = "exhaustive"
    best = solve_by(problem, method)
    result = solve(problem, programs=12)
    assert result.upper_bound <= (1 if problem.objective == "min" else users) + DUALS or (
        result.status is Status.INFEASIBLE
    )
    if best.actions is None:
        return False
    assert result.status is Status.BOUND_ONLY, seed
    assert result.upper_bound >= best.recompute() - ROUNDING, seed
    return True


def test_a_set_of_nobody_is_served():
    check_badly_scaled(2320)  # each user alone fails in ways that only the programs prove


def test_extreme_slots_are_bounded():
    assert sum(check_badly_scaled(seed) for seed in range(40)) > 20


@pytest.mark.long
def test_two_thousand_extreme_slots_are_bounded():
    assert sum(check_badly_scaled(seed) for seed in range(40, 2040)) > 1000
