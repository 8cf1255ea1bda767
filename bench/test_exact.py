"""Suite `exact`: the polynomial solver against its plain version, its growth, and its decision times.

python -m pytest bench/test_exact.py --benchmark-only
"""

from __future__ import annotations

import resource
import subprocess
import sys
from math import isclose

import numpy as np
import pytest

import contended
from semopt import Scenario, Solver, solve
from semopt.solvers.matching import dense, lazy

ROUNDS = 5


def slot(users: int, channels: int | None = None, seed: int = 0):
    """Return a slot of the scenario `large` with so many users, its server scaled along."""
    problem = Scenario.load("large")
    document = problem.to_dict()
    share = users / document["system"]["users"]
    document["system"] |= {"users": users, "channels": channels or users}
    document["system"]["server_flop_per_cycle"] *= share
    document["system"]["server_energy_coefficient"] *= share**2
    scenario = Scenario.from_dict(document)
    gain, task = scenario.draw(1, seed)
    return scenario.problem(gain[0], task[0])


@pytest.fixture(scope="module")
def plain():
    """Return the slot of `large`, its plain optimum and how long that took."""
    from time import perf_counter

    problem = slot(64)
    start = perf_counter()
    _, value, _ = dense(problem)
    return problem, value, perf_counter() - start


def test_large_against_dense_tables(benchmark, plain):
    problem, want, seconds = plain
    _, value, effort = lazy(problem)
    assert isclose(value, want, rel_tol=1e-12)
    benchmark.pedantic(lazy, (problem,), rounds=ROUNDS, warmup_rounds=1)
    ratio = seconds / benchmark.stats.stats.median
    benchmark.extra_info |= {"reference": "dense NumPy tables + SciPy", "ratio": ratio, **effort}
    print(
        f"\nlarge: plain {seconds:.1f} s, semopt {benchmark.stats.stats.median * 1e3:.1f} ms, ",
        end="",
    )
    print(f"{ratio:.0f} times; {effort}")
