"""The ladder's theorems, on random problems with their degenerate cases.

local <= semantic-unaware <= grid optimum <= continuous optimum <= both bounds
"""

import itertools
from collections import Counter
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from problems import badly_scaled, random_problem
from semopt import Status, solve
from semopt.certificate.verify import verify
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


def climb_badly_scaled(seed, folder):
    """Check the theorem, what QoE can be and the certificate of a slot of extreme figures.

    Returns
    -------
    The status of the continuous optimum
    """
    rng = np.random.default_rng(seed)
    users, channels = (int(n) for n in rng.integers(1, 4, 2))
    problem = badly_scaled(rng, users, channels)
    file = folder / "certificate.json"
    # Long enough for what ends by itself.
    best = solve(problem, "global", certificate=str(file), time_limit=100.0)
    assert best.details.get("stopped") in (None, "rounding errors")
    grid, bound = solve(problem, "exact"), solve(problem, "relaxation")
    verify(file)
    if best.status is Status.INFEASIBLE:
        assert grid.status is Status.INFEASIBLE
        return best.status
    assert best.upper_bound <= users + ROUNDING
    least = min(best.upper_bound, bound.upper_bound)
    assert bound.status is not Status.INFEASIBLE or best.actions is None
    for decision in (grid, best):
        if decision.actions is not None:
            assert decision.objective <= best.objective + GAP
            assert decision.objective <= least + ROUNDING
            assert decision.violations() == []
    return best.status


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_extreme_figures_do_not_break_the_ladder(tmp_path_factory, seed):
    climb_badly_scaled(seed, tmp_path_factory.mktemp("extreme"))


@pytest.mark.parametrize("seed", [1089, 1093, 1835, 1963])
def test_a_certificate_claims_no_less_than_its_sizes_prove_to_the_last_digit(tmp_path, seed):
    climb_badly_scaled(seed, tmp_path)


def test_a_decision_is_no_worse_than_the_first_one_as_its_judge_sees_it(tmp_path):
    climb_badly_scaled(1692, tmp_path)  # slopes of 1e31: an ulp decides which is better


@pytest.mark.long
def test_two_thousand_slots_of_extreme_figures_climb_the_ladder(tmp_path):
    statuses = Counter(climb_badly_scaled(seed, tmp_path) for seed in range(2000))
    assert statuses[Status.OPTIMAL] > 1500
    assert statuses[Status.INFEASIBLE] > 100


def test_ladder_says_which_methods_do_not_apply():
    problem = random_problem(np.random.default_rng(1), 2, 2)
    answers = ladder(replace(problem, objective="min"))
    assert isinstance(answers["global"], str)
    assert "min" in answers["global"]
    assert not isinstance(answers["exact"], str)


def test_methods_of_a_ladder_share_a_limit_and_get_20_s_each_without(monkeypatch):
    problem, now, asked = random_problem(np.random.default_rng(0)), [100.0], []

    def slow(given, method, time_limit):
        asked.append(time_limit)
        now[0] += 1.5
        raise ValueError(f"{method} does not apply")

    monkeypatch.setattr("semopt.solvers.slot.solve", slow)
    monkeypatch.setattr("semopt.solvers.slot.perf_counter", lambda: now[0])
    told = []
    answers = ladder(problem, progress=told.append)
    assert asked == [20.0] * 6
    assert told == [1, 2, 3, 4, 5, 6]
    assert answers["exact"] == "exact does not apply"
    asked.clear()
    ladder(problem, time_limit=4.0)
    assert asked == [4.0, 2.5, 1.0, 1e-3, 1e-3, 1e-3]
