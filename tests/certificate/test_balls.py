"""What one user can do, in balls: against the equations in 600 bits, at points and over boxes."""

from dataclasses import replace
from fractions import Fraction
from math import inf

import numpy as np
import pytest

import extended
from problems import beside, random_problem
from semopt import Actions
from semopt.certificate.balls import OneUser, Toll, precision
from semopt.certificate.checker import assignment_bound
from tolerances import ROUNDING

FREE = ((-inf, inf),) * 3
MODES = "local", "raw", "semantic"


def drawn(rng, limited):
    """Return a user alone, as beside m offloaders: (its problem, that of its slot, gain, m)."""
    m = int(rng.integers(1, 4))
    problem = random_problem(rng, 3, 3, own_figures=rng.random() < 0.5)
    if not limited:
        problem = replace(
            problem,
            system=replace(problem.system, latency_max=inf),
            users=replace(problem.users, energy_max=np.full(3, inf)),
            tasks=replace(problem.tasks, accuracy_min=np.zeros(3)),
        )
    user, channel = (int(n) for n in rng.integers(0, 3, 2))
    return beside(problem, user, channel, m), problem, user, float(problem.gain[user, channel]), m


def exact(alone, mode, power, frequency, extraction):
    """Return latency, energy, loss and QoE of an action by the equations."""
    channel = np.array([-1 if mode == "local" else 0])
    if mode == "semantic":
        extraction = min(extraction, 1.0 - 2.0**-53)  # at 1 it would be raw
    actions = Actions(channel, *(np.array([x]) for x in (power, frequency, extraction)))
    latency, energy, accuracy, qoe = extended.evaluated(alone, actions)[0]
    return float(latency), float(energy), -float(accuracy), float(qoe)


def place(rng, low, high, *others):
    """Draw a number of a range: an end, one of others within, or any."""
    inside = [x for x in others if low < x < high]
    return float(rng.choice([low, high, rng.uniform(low, high), *inside]))


def limits(alone):
    """Return the limits on latency, energy and loss."""
    system, users, tasks = alone.system, alone.users, alone.tasks
    return system.latency_max, users.energy_max[0], -tasks.accuracy_min[alone.task[0]]


@pytest.mark.parametrize("mode", MODES)
def test_a_box_of_one_action_is_bounded_by_its_worth(mode):
    """Whatever the prices are: the plane is exact where it touches."""
    feasible = broken = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alone, problem, user, gain, m = drawn(rng, seed % 2)
        frequency = float(rng.uniform(5e8, 1e9))
        still = np.full(3, frequency)
        users = replace(problem.users, frequency_min=still, frequency_max=still)
        with precision(192):
            own = OneUser(replace(problem, users=users), user, mode, gain, m)
            assert own.exists == (mode != "semantic" or alone.users.extraction_min[0] < 1.0)
            if not own.exists:
                continue
            table = alone.tasks.accuracy[alone.task[0]]
            power = place(rng, *own.root[0])
            extraction = place(rng, *own.root[1], *table.extraction)
            want = exact(alone, mode, power, frequency, extraction)
            costs = own.costs(power, extraction, frequency)
            found = [float(cost) for cost in costs]
            assert found == pytest.approx(want[:3], rel=ROUNDING)
            assert float(own.worth(costs)) == pytest.approx(want[3], abs=ROUNDING)
            box = ((power, power), (extraction, extraction), *FREE)
            ranges = own.ranges(box)
            if any(cost > most for cost, most in zip(want, limits(alone), strict=False)):
                assert ranges is None
                broken += 1
                continue
            ends = [(float(low), float(high)) for low, high in ranges]
            for cost, end in zip(want, ends, strict=False):
                assert end == pytest.approx((cost, cost), rel=ROUNDING)
            prices = rng.uniform(0, 9, 3) * rng.integers(0, 2, 3)
            numbers = [*prices.tolist(), *rng.normal(size=2).tolist(), power, extraction]
            assert float(own.bound(box, ranges, numbers)) == pytest.approx(want[3], abs=ROUNDING)
            for axis in (0, 1, 2):  # a part that leaves the action out is empty
                below, above = (-inf, want[axis] - 1e-6), (want[axis] + 1e-6, inf)
                for part in (below, above):
                    costs = [part if j == axis else FREE[j] for j in range(3)]
                    assert own.ranges((*box[:2], *costs)) is None
            feasible += 1
    assert feasible > 20
    assert broken > 2


def test_extraction_that_ends_below_its_start_is_no_mode():
    problem = random_problem(np.random.default_rng(0))
    tasks = replace(problem.tasks, extraction_max=np.array([0.5, 0.3, 0.7]))
    users = replace(problem.users, extraction_min=np.full(2, 0.5))
    problem = replace(problem, tasks=tasks, users=users)
    for kind, there in enumerate((True, False, True)):
        slot = replace(problem, task=np.full(2, kind))
        assert OneUser(slot, 0, "semantic", 1.0, 1).exists is there
        assert OneUser(slot, 0, "raw", 1.0, 1).exists


@pytest.mark.parametrize("mode", MODES)
def test_no_action_of_a_box_is_worth_more_than_its_bound(mode):
    """Prices are the slopes of the scores at some action: the bound is near its worth."""
    counted = close = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        alone, problem, user, gain, m = drawn(rng, seed % 4 == 0)
        weight = rng.dirichlet([0.4] * 3)
        names = ("weight_latency", "weight_energy", "weight_accuracy")
        given = {name: np.full(3, w) for name, w in zip(names, weight, strict=True)}
        alone = replace(
            alone, users=replace(alone.users, **{name: v[:1] for name, v in given.items()})
        )
        problem = replace(problem, users=replace(problem.users, **given))
        with precision(192):
            own = OneUser(problem, user, mode, gain, m)
            if not own.exists:
                continue
            table = alone.tasks.accuracy[alone.task[0]]
            knots = 10 ** (table.snr_db / 10) * alone.system.noise / gain
            power = tuple(sorted(place(rng, *own.root[0], *knots) for _ in range(2)))
            mu = tuple(sorted(place(rng, *own.root[1], *table.extraction) for _ in range(2)))
            actions = [
                (place(rng, *power, *knots), place(rng, *own.frequency), place(rng, *mu))
                for _ in range(8)
            ]
            every = [(a, exact(alone, mode, *a)) for a in actions]
            middle = np.median([costs[0] for _, costs in every])
            part = (-inf, middle * (1 + 1e-12)) if seed % 3 else (middle * (1 - 1e-12), inf)
            box = (power, mu, part, *FREE[1:])
            kept = [
                (a, costs)
                for a, costs in every
                if part[0] <= costs[0] <= part[1]
                and all(cost <= most for cost, most in zip(costs, limits(alone), strict=False))
            ]
            if not kept:
                continue
            ranges = own.ranges(box)
            assert ranges is not None
            for _, costs in kept:
                for cost, (low, high) in zip(costs, ranges, strict=False):
                    assert float(low) - ROUNDING <= cost <= float(high) + ROUNDING
            for action, costs in kept:
                prices = [
                    w * slope * s * (1 - s)
                    for w, slope, s in zip(weight, slopes(alone), shares(own, costs), strict=True)
                ]
                touch = [action[0], action[2]]
                planes = [0.0, 0.0], (rng.normal(size=2) * prices[2] * 0.2).tolist()
                for plane in planes:
                    bound = float(own.bound(box, ranges, [*prices, *plane, *touch]))
                    best = max(other[3] for _, other in kept)
                    assert best <= bound + ROUNDING
                    close += bound - best < 0.02
                    counted += 1
    assert counted > 200
    assert close > counted / 8


@pytest.mark.parametrize("device", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_with_tolls_no_action_is_worth_more_than_its_box(mode, device):
    """Less energy than the least counts as the least, and more than the most is refused."""
    counted = close = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        alone, problem, user, gain, m = drawn(rng, seed % 4 == 0)
        free = OneUser(problem, user, mode, gain, m)
        if not free.exists:
            continue
        server = float(free.server_energy) if device else 0.0
        action = [place(rng, *ends) for ends in (free.root[0], free.frequency, free.root[1])]
        every = [exact(alone, mode, *action)]
        every += [
            exact(alone, mode, *(place(rng, *e) for e in (free.root[0], free.frequency, (mu, mu))))
            for mu in [place(rng, *free.root[1]) for _ in range(8)]
        ]
        spent = np.sort([costs[1] - server for costs in every])
        least, most = (float(rng.choice(spent)) * rng.uniform(0.9, 1.1) for _ in range(2))
        least, most = min(least, most) * (seed % 3 > 0), max(least, most)
        toll = float(rng.uniform(0.0, 40.0))
        with precision(192):
            own = OneUser(problem, user, mode, gain, m, Toll(toll, least, most, device))
            ranges = own.ranges((*own.root[:2], *FREE))
            weight, slope = float(own.scores[1].weight), float(own.scores[1].slope)
            reference = float(own.scores[1].reference)

            def score(energy, weight=weight, slope=slope, reference=reference):
                return weight / (1 + np.exp(slope * (energy - reference)))

            worth = [
                qoe - score(energy) + score(charged) - toll * (charged - server)
                for latency, energy, loss, qoe in every
                if (charged := max(energy, least + server)) <= most + server
                and all(
                    cost <= limit
                    for cost, limit in zip((latency, energy, loss), limits(alone), strict=True)
                )
            ]
            if not worth:
                continue
            assert ranges is not None
            assert float(own.least(ranges)) <= min(worth) + ROUNDING
            costs = every[0][0], max(every[0][1], least + server), every[0][2]
            weights = [float(score.weight) for score in own.scores]
            prices = [
                w * steep * s * (1 - s)
                for w, steep, s in zip(weights, slopes(alone), shares(own, costs), strict=True)
            ]
            prices[1] += toll
            numbers = [*prices, 0.0, 0.0, action[0], action[2]]
            bound = float(own.bound((*own.root[:2], *FREE), ranges, numbers))
            assert max(worth) <= bound + ROUNDING
            close += bound - max(worth) < 0.2
            counted += 1
    assert counted > 20
    assert close > counted / 4


def slopes(alone):
    """Return the slopes of the three scores."""
    system = alone.system
    return system.slope_latency, system.slope_energy, system.slope_accuracy


def shares(own, costs):
    """Return the three scores of costs, each as a share of its weight."""
    return [
        1 / (1 + np.exp(float(s.slope) * (cost - float(s.reference))))
        for s, cost in zip(own.scores, costs, strict=False)
    ]


def test_prices_prove_their_bound_rounded_up():
    """Against fractions, with prices of any size that cancel in the sums."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        users, channels = (int(n) for n in rng.integers(1, 5, 2))
        m = int(rng.integers(0, min(users, channels) + 1))
        local, cells = rng.random(users), rng.random((users, channels))
        local[rng.random(users) < 0.3] = -inf
        cells[rng.random(cells.shape) < 0.3] = -inf
        price = rng.random(channels) * 10.0 ** rng.integers(-3, 12, channels)
        offloader = float(rng.normal() * 10.0 ** rng.integers(-3, 12))
        size = {"channel": price.tolist(), "offloader": offloader}
        found = assignment_bound(local.tolist(), cells, size, m, "here")
        total, largest = Fraction(0), abs(offloader) + price.max()
        served = True
        for n in range(users):
            own = [Fraction(local[n])] if local[n] > -inf else []
            own += [
                Fraction(cells[n, k]) - Fraction(price[k]) - Fraction(offloader)
                for k in range(channels)
                if m and cells[n, k] > -inf
            ]
            served = served and bool(own)
            total += max(own) if own else 0
        total += sum(map(Fraction, price.tolist())) + m * Fraction(offloader)
        if served:
            assert total <= Fraction(found) <= total + Fraction(1e-12 * (largest + 1))
        else:
            assert found == -inf
