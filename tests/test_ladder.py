"""The ladder's theorems, on random problems with their degenerate cases.

local <= semantic-unaware <= grid optimum <= continuous optimum <= both bounds
"""

import itertools
from dataclasses import replace
from math import inf

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from problems import random_problem
from semopt import Status, solve
from semopt.solvers import ladder
from tolerances import GAP, ROUNDING

ROW = ("local", "semantic-unaware", "exact", "global")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    users=st.integers(1, 4),
    channels=st.integers(1, 4),
    own_figures=st.booleans(),
)
def test_values_climb_to_the_bounds(seed, users, channels, own_figures):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, users, channels, own_figures=own_figures)
    results = [solve(problem, method) for method in ROW]
    values = [-inf if result.actions is None else result.recompute() for result in results]
    for lower, higher in itertools.pairwise(values):
        assert lower <= higher + GAP
    best = results[-1]
    if best.status is Status.INFEASIBLE:
        return
    assert best.status is Status.OPTIMAL
    assert max(values) <= best.upper_bound + ROUNDING
    assert best.upper_bound - values[-1] <= GAP + ROUNDING
    assert not best.violations()


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), users=st.integers(1, 3), channels=st.integers(1, 3))
def test_the_relaxation_bounds_every_decision(seed, users, channels):
    problem = random_problem(np.random.default_rng(seed), users, channels)
    best, bound = solve(problem, "global"), solve(problem, "relaxation")
    if bound.status is Status.INFEASIBLE:
        assert best.status is Status.INFEASIBLE
    elif best.actions is not None:
        assert bound.upper_bound >= best.recompute() - ROUNDING


def test_ladder_says_which_methods_do_not_apply():
    problem = random_problem(np.random.default_rng(1), 2, 2)
    answers = ladder(replace(problem, objective="min"))
    assert isinstance(answers["global"], str)
    assert "min" in answers["global"]
    assert not isinstance(answers["exact"], str)
