"""How many joint actions a slot has, from how many actions each of its users has."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from math import log, prod

import numpy as np

FEW = 8  # kinds of user: as many are counted exactly, however many digits the count has
DIGITS = 10_000  # of the largest count of more kinds that is exact; it takes about a second


def joint_actions(counts: list[tuple[int, int]], channels: int) -> int | Decimal:
    """Return the number of canonical joint actions.

    The coefficient of x^m in prod_n (local_n + offload_n x) counts the actions of m offloaders;
    K!/(K - m)! ways give them distinct sub-channels.

    Parameters
    ----------
    counts : (N,) local actions of each user, and its actions on each sub-channel
    channels : number of sub-channels K

    Returns
    -------
    The exact number; its power of ten alone, as a Decimal, where it has over `DIGITS` digits and
    over `FEW` kinds of user
    """
    kinds = Counter(counts)
    most = min(len(counts), channels)
    if len(kinds) <= FEW:
        by_offloaders = of_kinds(kinds, most)
    elif (power := magnitude(counts, channels)) < DIGITS:
        by_offloaders = of_users(counts, most)
    else:
        return Decimal((0, (1,), power))
    total = 0
    for m in reversed(range(most + 1)):
        total = by_offloaders[m] + (channels - m) * total
    return total


def of_users(counts: list[tuple[int, int]], most: int) -> list[int]:
    """Return the coefficients up to x^most, one factor after the other."""
    coefficients = [1]
    for local, offload in counts:
        padded = [0, *coefficients, 0]
        coefficients = [
            local * padded[m + 1] + offload * padded[m]
            for m in range(min(len(coefficients), most) + 1)
        ]
    return coefficients


def of_kinds(kinds: Counter[tuple[int, int]], most: int) -> list[int]:
    """Return the coefficients up to x^most of a product c of few factors, each to a power.

    With q = prod (local + offload x) over the kinds and p = q c'/c, which are polynomials of as
    low a degree as there are few kinds, q c' = p c gives each coefficient from those before it.
    """
    p, q = [0], [1]
    for (local, offload), users in kinds.items():
        p = [
            local * same + offload * lower + users * offload * same_q
            for same, lower, same_q in zip([*p, 0], [0, *p], [*q, 0], strict=True)
        ]
        q = [local * same + offload * lower for same, lower in zip([*q, 0], [0, *q], strict=True)]
    coefficients = [prod(local**users for (local, _), users in kinds.items())]
    for m in range(most):
        before = range(min(len(kinds), m + 1))
        above = sum((p[i] - q[i + 1] * (m - i)) * coefficients[m - i] for i in before)
        coefficients.append(above // (q[0] * (m + 1)))
    return coefficients


def magnitude(counts: list[tuple[int, int]], channels: int) -> int:
    """Return the power of ten of the number of joint actions, from logarithms."""
    most = min(len(counts), channels)
    by_offloaders = np.full(most + 1, -np.inf)
    by_offloaders[0] = 0.0
    for local, offload in counts:
        lower = by_offloaders[:-1] + log(offload)
        by_offloaders += log(local)
        by_offloaders[1:] = np.logaddexp(by_offloaders[1:], lower)
    ways = np.cumsum(np.log(np.maximum(channels - np.arange(-1, most), 1)))
    ways -= ways[0]
    return int(np.logaddexp.reduce(by_offloaders + ways) / log(10))
