"""Bounds of boxes, in doubles and in balls, against the reference model at random points."""

from dataclasses import replace
from math import inf, isclose

import numpy as np
import pytest

from extended import evaluated
from problems import badly_scaled, beside, random_problem
from semopt import Actions, _core
from semopt.backends import packing
from semopt.certificate.balls import OneUser, precision
from semopt.model import MODES, evaluate
from tolerances import BALLS, ROUNDING

FREE = (-inf, inf)


def scenes(count, seed):
    """Give random (problem, user, channel, offloaders, mode), every mode that the user has."""
    rng = np.random.default_rng(seed)
    for trial in range(count):
        users, channels = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        problem = random_problem(rng, users, channels, own_figures=trial % 3 == 0)
        user, channel = int(rng.integers(users)), int(rng.integers(channels))
        m = int(rng.integers(1, min(users, channels) + 1))
        with precision():
            for mode in MODES:
                own = OneUser(problem, user, mode, problem.gain[user, channel], m)
                if own.exists:
                    yield rng, problem, (user, channel, m if mode != "local" else 0, mode), own


def random_part(rng, low, high):
    """Return a random part of a range, now and then a point or the whole."""
    if rng.random() < 0.3:
        return low, high
    a, b = np.sort(rng.uniform(low, high, 2))
    return float(a), float(a if rng.random() < 0.1 else b)


def outcomes(problem, scene, power, frequency, extraction):
    """Evaluate actions of one user with the reference model."""
    user, channel, m, mode = scene
    one = beside(problem, user, channel, m or 1)
    actions = Actions(
        np.full((len(power), 1), 0 if m else -1),
        power[:, None],
        frequency[:, None],
        (np.ones_like(power) if mode == "raw" else extraction)[:, None],
    )
    return evaluate(one, actions)


def points(rng, problem, scene, own, box, count=300):
    """Draw actions of a box, ends included: (actions, outcome)."""

    def draw(low, high):
        return rng.choice([low, high, *rng.uniform(low, high, 6)], count)

    power, extraction = draw(*box[0]), draw(*box[1])
    frequency = draw(*own.frequency)
    if scene[3] == "semantic":
        extraction = np.minimum(extraction, 1 - 2.0**-53)
    return (power, frequency, extraction), outcomes(problem, scene, power, frequency, extraction)


def core_arguments(problem, scene):
    user, channel, m, mode = scene
    gain = float(problem.gain[user, channel])
    return packing.scenario(problem), user, int(problem.task[user]), gain, m, MODES.index(mode)


def random_numbers(rng, good, box):
    """Return numbers of a proof: good ones, disturbed ones, or anything."""
    kind = rng.integers(3)
    if kind == 0 and good:
        return good
    if kind == 1 and good:
        return [x * float(rng.uniform(0.7, 1.4)) for x in good]
    prices = np.exp(rng.uniform(-8, 8, 3)) * (rng.random(3) < 0.8)
    slopes = rng.normal(0, 1, 2) * prices[2]
    return [*prices.tolist(), *slopes.tolist(), *(float(rng.uniform(*side)) for side in box[:2])]


def test_no_point_of_a_box_exceeds_its_bound():
    checked = empty = 0
    for rng, problem, scene, own in scenes(150, 1):
        sides = [random_part(rng, *own.root[0]), random_part(rng, *own.root[1])]
        _, found = points(rng, problem, scene, own, sides)
        costs = np.stack([found.latency, found.energy, -found.accuracy])[..., 0]
        ranges = [
            random_part(rng, float(c.min()), float(c.max())) if rng.random() < 0.4 else FREE
            for c in costs
        ]
        box = [*sides, *ranges]
        inside = found.violations[:, 0] == 0
        for cost, (low, high) in zip(costs, ranges, strict=True):
            inside &= (low <= cost) & (cost <= high)
        arguments = core_arguments(problem, scene)
        bound, good = _core.box_bound(*arguments, box, [])
        for _ in range(4):
            if good:
                bound, _ = _core.box_bound(*arguments, box, random_numbers(rng, good, box))
            empty += bound < 0
            checked += int(inside.sum())
            assert (found.qoe[inside, 0] <= bound + ROUNDING).all()
    assert checked > 10_000
    assert empty > 10


def test_bound_of_a_small_box_is_near_its_best_point():
    checked = 0
    for rng, problem, scene, own in scenes(60, 2):
        sides = [
            (x, min(x * (1 + 1e-5), high))
            for low, high in own.root[:2]
            for x in [float(rng.uniform(low, high))]
        ]
        _, found = points(rng, problem, scene, own, sides)
        inside = found.violations[:, 0] == 0
        if not inside.any():
            continue
        # A small range of costs around the best point: scores are nearly linear there.
        best = int(np.where(inside, found.qoe[:, 0], -1).argmax())
        costs = found.latency[best, 0], found.energy[best, 0], -found.accuracy[best, 0]
        around = [(c - 1e-4 * abs(c), c + 1e-4 * abs(c)) for c in costs]
        bound, _ = _core.box_bound(*core_arguments(problem, scene), [*sides, *around], [])
        assert found.qoe[best, 0] <= bound + ROUNDING
        assert bound - found.qoe[best, 0] < 0.01
        checked += 1
    assert checked > 30


def test_balls_give_the_bound_of_doubles():
    for rng, problem, scene, own in scenes(100, 3):
        box = [random_part(rng, *own.root[0]), random_part(rng, *own.root[1]), FREE, FREE, FREE]
        arguments = core_arguments(problem, scene)
        in_doubles, numbers = _core.box_bound(*arguments, box, [])
        with precision():
            ranges = own.ranges(tuple(box))
            if ranges is None or not numbers:
                assert in_doubles < 0 or ranges is None
                continue
            in_balls = own.bound(tuple(box), ranges, numbers)
            size = max(1.0, *(abs(w) for w in numbers[:5]))
            assert in_balls <= in_doubles
            assert in_balls >= in_doubles - BALLS * size


def test_balls_give_the_figures_of_the_model():
    for rng, problem, scene, own in scenes(60, 4):
        (power, frequency, extraction), found = points(rng, problem, scene, own, own.root, 5)
        with precision():
            for i in range(5):
                mu = 1.0 if scene[3] == "raw" else float(extraction[i])
                costs = own.costs(float(power[i]), mu, float(frequency[i]))
                want = found.latency[i, 0], found.energy[i, 0], -found.accuracy[i, 0]
                for cost, figure in zip(costs, want, strict=True):
                    assert isclose(float(cost), figure, rel_tol=ROUNDING, abs_tol=ROUNDING)
                qoe = sum(float(s.value(c)) for s, c in zip(own.scores, costs, strict=True))
                assert isclose(qoe, found.qoe[i, 0], rel_tol=ROUNDING)


def test_bound_names_a_mode_that_the_user_lacks():
    problem = random_problem(np.random.default_rng(5), 1, 1).without_semantic()
    with pytest.raises(ValueError, match="mode"):
        _core.box_bound(packing.scenario(problem), 0, 0, 1.0, 1, 2, [(1.0, 1.0)] * 5, [])


def test_numbers_that_overflow_prove_nothing():
    checked = 0
    for _, problem, scene, own in scenes(5, 6):
        box = [*own.root[:2], FREE, FREE, FREE]
        touch = [float(side[0]) for side in own.root[:2]]
        for prices in ([1e308] * 3, [inf, 0.0, 0.0], [0.0, 1e308, 1e308]):
            numbers = [*prices, 0.0, 0.0, *touch]
            bound, proof = _core.box_bound(*core_arguments(problem, scene), box, numbers)
            assert bound == inf or not proof  # without one the ranges are empty
            checked += bound == inf
    assert checked > 10


def test_extreme_figures_are_bounded_in_doubles_by_no_less_than_in_balls():
    checked = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        problem = badly_scaled(rng, 1, 1)
        for mode in MODES:
            scene = 0, 0, int(mode != "local"), mode
            with precision(400):
                own = OneUser(problem, 0, mode, float(problem.gain[0, 0]) if scene[2] else 1.0, 1)
                if not own.exists:
                    continue
                box = (*own.root[:2], FREE, FREE, FREE)
                ranges = own.ranges(box)
                if ranges is None:
                    continue
                touch = [float(side[0]) for side in own.root[:2]]
                for numbers in ([], [0.0] * 5 + touch):
                    arguments = core_arguments(problem, scene)
                    bound, numbers = _core.box_bound(*arguments, box, numbers)
                    if not numbers or not np.isfinite(numbers).all():
                        continue
                    checked += 1
                    assert not own.bound(box, ranges, numbers) > bound
    assert checked > 100


def test_a_step_at_the_reference_is_not_lost_to_rounding():
    """At the reference clock a local task is worth half its weights, however steep the slopes."""
    for seed in range(40):
        base = random_problem(np.random.default_rng([7, seed]), 1, 1)
        clock = base.users.reference_frequency
        users = replace(base.users, frequency_min=clock, frequency_max=clock)
        system = replace(base.system, slope_latency=1e19, slope_energy=1e18, latency_max=1.0)
        users = replace(users, energy_max=np.array([inf]))
        tasks = replace(base.tasks, accuracy_min=np.zeros(3))
        problem = replace(base, users=users, system=system, tasks=tasks)
        arguments = core_arguments(problem, (0, 0, 0, "local"))
        bound, _ = _core.box_bound(
            *arguments, [(1.0, 1.0), (1.0, 1.0), FREE, FREE, FREE], [0.0] * 7
        )
        assert bound >= 0.5 * float(users.weight_latency[0] + users.weight_energy[0])
        action = Actions(np.array([-1]), np.zeros(1), clock, np.ones(1))
        ((*_, qoe),) = evaluated(problem, action)
        assert bound >= qoe
