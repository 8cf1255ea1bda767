"""Suite `exact`: the polynomial solver against its plain version, its growth, its decision times.

python -m pytest bench/test_exact.py --benchmark-only
"""

from __future__ import annotations

import resource
import subprocess
import sys
from math import isclose
from time import perf_counter

import numpy as np
import pytest

from semopt import Problem, Scenario, Solver, backends, solve
from semopt.solvers.matching import ExactBatch, dense

TRIES = 5


def slot(users: int, seed: int = 0, **channel) -> Problem:
    """Return a slot of `large` with so many users, its server scaled along."""
    document = Scenario.load("large").to_dict()
    share = users / document["system"]["users"]
    document["system"] |= {"users": users, "channels": users}
    document["system"]["server_flop_per_cycle"] *= share
    document["system"]["server_energy_coefficient"] *= share**2
    document["channel"] |= channel
    scenario = Scenario.from_dict(document)
    gain, task = scenario.draw(1, seed)
    return scenario.problem(gain[0], task[0])


def warm(problem: Problem):
    """Return a function that solves the problem with everything allocated, and its effort."""
    solver, gain, task = ExactBatch(problem), problem.gain[None], problem.task[None]
    return lambda: solver.solve(gain, task)


def test_large_against_dense_tables(benchmark):
    """N = K = 64: the reference tabulates every (user, sub-channel, number of offloaders)."""
    problem = slot(64)
    start = perf_counter()
    _, want, *_ = dense(problem)
    seconds = perf_counter() - start
    run = warm(problem)
    _, value, effort = run()
    assert isclose(value[0], want, rel_tol=1e-12)
    benchmark.pedantic(run, rounds=TRIES, warmup_rounds=1)
    benchmark.extra_info |= {
        "reference": "dense NumPy tables, SciPy assignment for each number of offloaders",
        "ratio": seconds / benchmark.stats.stats.median,
        **effort,
    }


@pytest.mark.parametrize("users", [16, 32, 64, 128, 256])
def test_growth(benchmark, users):
    """How time grows with N = K."""
    run = warm(slot(users))
    _, _, effort = run()
    benchmark.pedantic(run, rounds=TRIES, warmup_rounds=1)
    benchmark.extra_info |= effort


def test_where_the_bound_on_sizes_fails(benchmark):
    """Every user has the same strongest sub-channel, which bounds no number of offloaders well."""
    problem = slot(64)
    gain = np.full_like(problem.gain, 0.03) * (1 + 0.5 * np.arange(64)[:, None] / 64)
    gain[:, 0] = 3.0
    run = warm(problem.with_slot(gain, problem.task))
    _, _, effort = run()
    benchmark.pedantic(run, rounds=TRIES, warmup_rounds=1)
    benchmark.extra_info |= effort


@pytest.mark.parametrize("name", ["contended", "contended-8"])
def test_decision_times(benchmark, name):
    """The warm `Solver` over 2000 slots: p50 and p99 of a decision (N = 2 and N = 8)."""
    scenario = Scenario.load(name)
    gain, task = scenario.draw(2000, 0)
    solver = Solver(scenario)

    def decide_all():
        for g, t in zip(gain, task, strict=True):
            solver.decide(g, t)

    benchmark.pedantic(decide_all, rounds=2, warmup_rounds=1)
    benchmark.extra_info |= solver.decision_times()


def test_start_to_answer(benchmark):
    """Import plus `solve` on `paper`, as a process of its own."""
    command = [sys.executable, "-m", "semopt", "solve"]
    benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=TRIES
    )


def test_memory_of_exhaustive_is_flat(benchmark):
    """Peak memory grows by tables alone while the space grows a thousandfold."""
    small, big = Scenario.load("paper").problem(), slot(3)
    peaks = []
    for problem in (small, big):
        benchmark.extra_info[f"joint_actions_{len(peaks)}"] = str(problem.joint_actions())
        solve(problem, "exhaustive", time_limit=2.0)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    benchmark.extra_info |= {"peak_mib": peaks, "backend": backends.available()[-1]}
    benchmark.pedantic(solve, (small, "exhaustive"), rounds=2)
