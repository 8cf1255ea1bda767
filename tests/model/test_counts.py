"""The number of joint actions against plain enumeration and known sequences."""

from decimal import Decimal
from itertools import combinations
from math import log10, perm, prod

import numpy as np
import pytest

from semopt import counts
from semopt.console import count
from semopt.counts import DIGITS, FEW, joint_actions
from semopt.result import exact_integer


def enumerated(users, channels):
    """Return the sum over sets of offloaders, each with distinct sub-channels."""
    return sum(
        perm(channels, m) * prod(own[n in chosen] for n, own in enumerate(users))
        for m in range(len(users) + 1)
        for chosen in map(set, combinations(range(len(users)), m))
    )


@pytest.mark.parametrize("kinds", [1, 2, 3, FEW, FEW + 1, 12])
def test_it_is_what_enumeration_gives(kinds):
    rng = np.random.default_rng(kinds)
    for _ in range(6):
        pool = rng.integers(1, 2000, (kinds, 2)).tolist()
        users = [tuple(pool[n % kinds]) for n in range(int(rng.integers(kinds, 13)))]
        for channels in (0, 1, 4, 15):
            assert joint_actions(users, channels) == enumerated(users, channels)


def test_users_of_one_action_each_are_matched_in_the_known_number_of_ways():
    """Partial matchings of n users and n sub-channels, A002720, by its own recurrence."""
    assert [joint_actions([(1, 1)] * n, n) for n in range(1, 8)] == [
        *(2, 7, 34, 209, 1546, 13327, 130922),
    ]
    before, last = 1, 2
    for n in range(2, 5001):
        before, last = last, 2 * n * last - (n - 1) ** 2 * before
    assert joint_actions([(1, 1)] * 5000, 5000) == last


def test_what_has_too_many_digits_is_told_by_its_power_of_ten(monkeypatch):
    users = [(10, 1000 + n) for n in range(3000)]
    found = joint_actions(users, 3000)
    fewest, most = (joint_actions([(10, own)] * 3000, 3000) for own in (1000, 3999))
    assert isinstance(found, Decimal)
    assert fewest < found < most
    assert found.log10() % 1 == 0
    assert exact_integer(found) == f"about 1e+{int(found.log10())}"
    assert count(found) == exact_integer(found)
    few = users[:20]
    exact = joint_actions(few, 15)
    assert type(exact) is int
    assert exact < 10**DIGITS
    monkeypatch.setattr(counts, "DIGITS", 0)
    assert joint_actions(few, 15) == Decimal(10) ** int(log10(exact))
