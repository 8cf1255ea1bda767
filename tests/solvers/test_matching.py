"""The assignment with exactly m pairs, against plain enumeration and SciPy."""

import subprocess
import sys
from itertools import permutations
from math import inf, isclose

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from semopt import _core
from tolerances import ROUNDING


def enumerate_best(weight, local, offloaders):
    """Try every assignment with exactly that many pairs."""
    users, channels = weight.shape
    best = -inf
    seats = [*range(channels), *[-1] * users]
    for choice in set(permutations(seats, users)):
        if sum(k >= 0 for k in choice) == offloaders:
            parts = [local[n] if k < 0 else weight[n, k] for n, k in enumerate(choice)]
            best = max(best, sum(parts))
    return best


def test_a_user_that_has_entered_is_no_longer_the_cheapest_of_any_channel():
    """User 0 is the cheapest everywhere: once it has a channel the others follow it."""
    code = (
        "import numpy as np; from semopt import _core;"
        "w = np.array([[9.0, 9.0, 9.0], [5.0, 4.0, 3.0], [5.0, 4.0, 2.0]]);"
        "print(*(_core.assign(w, np.zeros(3), m)[0] for m in range(4)))"
    )
    # First and in a process of its own: a path that closes on itself would never end.
    child = [sys.executable, "-c", code]
    done = subprocess.run(child, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["0.0", "9.0", "14.0", "18.0"]


@pytest.mark.parametrize(("users", "channels"), [(1, 1), (2, 2), (3, 2), (2, 4), (4, 3)])
def test_every_size_is_the_best_of_all_assignments(users, channels):
    rng = np.random.default_rng(users * 10 + channels)
    for _ in range(60):
        weight, local = rng.random((users, channels)), rng.random(users)
        weight[rng.random(weight.shape) < 0.3] = -inf
        local[rng.random(users) < 0.3] = -inf
        for m in range(min(users, channels) + 1):
            value, channel = _core.assign(weight, local, m)
            want = enumerate_best(weight, local, m)
            assert isclose(value, want, rel_tol=ROUNDING) or value == want == -inf
            if value > -inf:
                used = [k for k in channel if k >= 0]
                assert len(used) == len(set(used)) == m
                parts = [local[n] if k < 0 else weight[n, k] for n, k in enumerate(channel)]
                assert isclose(sum(parts), value, rel_tol=ROUNDING)


def test_full_assignment_agrees_with_scipy():
    rng = np.random.default_rng(5)
    for n in (5, 40, 130):
        weight = rng.random((n, n + 3))
        rows, columns = linear_sum_assignment(weight, maximize=True)
        value, _ = _core.assign(weight, np.full(n, -inf), n)
        assert isclose(value, weight[rows, columns].sum(), rel_tol=ROUNDING)


def test_impossible_sizes_have_no_value():
    weight, local = np.ones((2, 3)), np.zeros(2)
    assert _core.assign(weight, local, 3)[0] == -inf
    assert _core.assign(weight, np.full(2, -inf), 1)[0] == -inf
    assert _core.assign(np.full((2, 3), -inf), local, 1)[0] == -inf


def test_bad_arrays_are_named():
    with pytest.raises(ValueError, match="local"):
        _core.assign(np.ones((2, 2)), np.ones(3), 1)
    with pytest.raises(ValueError, match="weight"):
        _core.assign(np.ones(2), np.ones(2), 1)
