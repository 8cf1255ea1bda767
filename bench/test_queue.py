"""Suite `queue`: hindsight of whole queues against an integer program, and how fast bounds are.

python -m pytest bench/test_queue.py --benchmark-only

The peer is what an operations researcher would write: each slot's efficient joint actions as
columns of one integer program, for HiGHS. Its columns are not counted in its time.
"""

from __future__ import annotations

from itertools import product
from statistics import median
from time import perf_counter

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from semopt import Scenario, _core, solve_queue
from semopt.backends import packing
from semopt.queue import within_batteries
from semopt.solvers.queue import bound_queue

QUEUES = 20
GAP = 1e-4  # of the value


def queues(name: str, slots: int, count: int = QUEUES):
    """Return a scenario with batteries, and queues drawn from it."""
    scenario = Scenario.load(name)
    return scenario, [scenario.draw(slots, seed) for seed in range(count)]


def joint_actions(scenario: Scenario, gain, task):
    """Return slot (C,), value (C,) and energy (C, N) of each slot's efficient joint actions."""
    problem = within_batteries(scenario.template(), "task")
    cells = _core.Queue(packing.scenario(problem), gain, task, False, 1)
    users, channels = gain.shape[1:]
    columns = []
    for t in range(len(gain)):
        values, energies = [], []
        for places in product(range(-1, channels), repeat=users):
            used = [k for k in places if k >= 0]
            if len(set(used)) < len(used):
                continue
            value, energy = np.zeros(1), np.zeros((1, 0))
            for user, place in enumerate(places):
                qoe, joules, _ = cells.front(t, user, place, len(used) if place >= 0 else 0)
                value = (value[:, None] + qoe).ravel()
                spent = np.repeat(energy, len(qoe), 0)
                energy = np.column_stack([spent, np.tile(joules, len(energy))])
            values.append(value)
            energies.append(energy)
        value, energy = np.concatenate(values), np.concatenate(energies)
        order = np.lexsort((*energy.T, -value))
        kept: list[int] = []
        for row in order:
            if not (energy[kept] <= energy[row]).all(axis=1).any():
                kept.append(row)
        columns.append((np.full(len(kept), t), value[kept], energy[kept]))
    return [np.concatenate(parts) for parts in zip(*columns, strict=True)]


def by_integer_program(scenario: Scenario, slots: int, columns) -> float:
    """Return the best sum of one joint action a slot within the batteries."""
    slot, value, energy = columns
    battery = scenario.template().users.battery
    rows = np.vstack([np.arange(slots)[:, None] == slot, (energy / battery).T])
    program = milp(
        -value,
        integrality=np.ones(len(value)),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(rows, -np.inf, 1.0),
        options={"mip_rel_gap": GAP},
    )
    return -program.fun


def test_hindsight_against_an_integer_program(benchmark):
    """N = 2, T = 10: both to a gap of 0.01%."""
    scenario, drawn = queues("battery", 10)
    ours, theirs = [], []
    for gain, task in drawn:
        columns = joint_actions(scenario, gain, task)
        start = perf_counter()
        value = by_integer_program(scenario, len(gain), columns)
        theirs.append(perf_counter() - start)
        gap = GAP * value
        solve_queue(scenario, gain, task, gap=gap)  # warm
        start = perf_counter()
        result = solve_queue(scenario, gain, task, gap=gap)
        ours.append(perf_counter() - start)
        assert result.status.word == "optimal"
        assert abs(result.objective - value) <= gap
        assert value <= result.upper_bound + 1e-9
    benchmark.pedantic(
        lambda: [solve_queue(scenario, *queue, gap=GAP * value) for queue in drawn], rounds=3
    )
    benchmark.extra_info |= {
        "suite": "queue",
        "name": "hindsight, N = 2, T = 10, 0.01%",
        "value": 1.0 / median(ours),
        "unit": "queues/s",
        "reference": "integer program over efficient joint actions, HiGHS",
        "ratio": median(b / a for a, b in zip(ours, theirs, strict=True)),
        "milliseconds": 1e3 * median(ours),
        "milliseconds_of_reference": 1e3 * median(theirs),
    }


def test_bounds_alone(benchmark):
    """N = 2, T = 10: D at its best prices, without a decision."""
    scenario, drawn = queues("battery", 10)
    for gain, task in drawn:
        bound, _ = bound_queue(scenario, gain, task)
        assert bound >= solve_queue(scenario, gain, task).objective - 1e-9
    benchmark.pedantic(
        lambda: [bound_queue(scenario, *queue) for queue in drawn], rounds=5, warmup_rounds=1
    )
    benchmark.extra_info |= {
        "suite": "queue",
        "name": "bound alone, N = 2, T = 10",
        "value": len(drawn) / benchmark.stats.stats.median,
        "unit": "queues/s",
    }


@pytest.mark.parametrize("slots", [10, 40])
def test_many_users(benchmark, slots):
    """N = 8: to the usual gap of 1e-4 a task."""
    scenario, drawn = queues("battery-8", slots, 5)
    results = [solve_queue(scenario, *queue) for queue in drawn]
    assert all(result.status.word == "optimal" for result in results)
    benchmark.pedantic(lambda: [solve_queue(scenario, *queue) for queue in drawn], rounds=1)
    benchmark.extra_info |= {
        "suite": "queue",
        "name": f"hindsight, N = 8, T = {slots}",
        "value": len(drawn) / benchmark.stats.stats.median,
        "unit": "queues/s",
        "gap_percent": 100.0 * max(result.gap() / result.objective for result in results),
    }
