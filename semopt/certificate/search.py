"""Looks for decisions off the grid, by `model.py` alone: what they are worth refutes low bounds.

That there is none better is no proof: each action is sought from the best of a few, nearer and
nearer around the best so far.
"""

from __future__ import annotations

import numpy as np

from ..model import Actions
from ..problem import Floats, Problem
from .grid import CALL, Table, values

MOST_SEARCHED = 10_000_000  # actions scored in one file, some seconds
POINTS = 7  # on each axis at first
NEAR = 48  # tried around the best so far, each time nearer
TIMES, NEARER = 50, 0.65  # 0.65^50 is 4e-10 of a range


def effort(problem: Problem) -> int:
    """Return how many actions `searched` scores, or what takes as long."""
    users, channels = problem.gain.shape
    cells = 1 + 2 * channels * min(users, channels)
    scored: int = users * cells * (POINTS**3 + TIMES * NEAR)
    return TIMES * 4 * CALL + scored


def searched(problem: Problem) -> Table:
    """Return what the best actions that were found are worth, in every cell and at home."""
    users, channels = problem.gain.shape
    most = min(users, channels)
    away = most * channels
    low, high, exists = modes(problem)
    low, high, exists = (np.repeat(x, [1, away, away], axis=0) for x in (low, high, exists))
    sends = np.repeat([-1, 0], [1, 2 * away])
    gain = np.concatenate([np.ones((1, users)), *[problem.gain.T] * (2 * most)])
    m = np.r_[1, np.tile(np.repeat(np.arange(1, most + 1), channels), 2)]

    def best_of(shares: Floats) -> tuple[Floats, Floats]:
        """Return the best worth of T actions each, shares of ranges (C, T, N, 3), and the place."""
        cells, count = shares.shape[:2]
        span = low[:, None], high[:, None]
        action = np.clip(span[0] * (span[1] / span[0]) ** shares, *span).reshape(-1, users, 3)
        channel, offloaders, cell_gain = (np.repeat(x, count, axis=0) for x in (sends, m, gain))
        channel = np.broadcast_to(channel[:, None], cell_gain.shape)
        actions = Actions(channel, *np.moveaxis(action, -1, 0))
        worth = values(problem, actions, cell_gain[..., None], offloaders[:, None])[0]
        worth = worth.reshape(cells, count, users)
        first = worth.argmax(axis=1)[:, None]
        place = np.take_along_axis(shares, first[..., None], axis=1)
        return np.take_along_axis(worth, first, axis=1), place

    line = np.linspace(0.0, 1.0, POINTS)
    lattice = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 1, 3)
    best, place = best_of(np.broadcast_to(lattice, (len(low), len(lattice), users, 3)))
    rng, step = np.random.default_rng(0), 1.0 / POINTS
    for _ in range(TIMES):
        ends = rng.choice([-1.0, 0.0, 1.0, np.nan], (NEAR, 1, 3))
        around = np.where(np.isnan(ends), rng.uniform(-1.0, 1.0, ends.shape), ends)
        value, new_place = best_of(np.clip(place + step * around, 0.0, 1.0))
        better = value > best
        best, place = np.where(better, value, best), np.where(better[..., None], new_place, place)
        step *= NEARER
    result = np.where(exists, best[:, 0], -np.inf)
    cells = result[1:].reshape(2, most, channels, users).max(axis=0)
    both = np.moveaxis(cells, -1, 0)[:, None]
    return Table(np.repeat(result[0][:, None], 2, axis=1), np.repeat(both, 2, axis=1))


def modes(problem: Problem) -> tuple[Floats, Floats, Floats]:
    """Return the ranges of power, frequency and extraction at home, raw and semantic (3, N, 3).

    Returns
    -------
    Their low and high ends, and whether the user has the mode (3, N)
    """
    users, most = problem.users, problem.tasks.extraction_max[problem.task]
    power, slow, one = users.power_min, users.frequency_min, np.ones(len(most))
    least = users.extraction_min
    top = np.maximum(least, np.minimum(most, np.nextafter(1.0, 0.0)))
    low = [[power, slow, one], [power, slow, one], [power, slow, least]]
    high = [
        [power, users.frequency_max, one],
        [users.power_max, slow, one],
        [users.power_max, users.frequency_max, top],
    ]
    exists = np.stack([one, one, (least < 1.0) & (least <= most)])
    return np.moveaxis(np.array(low), 1, -1), np.moveaxis(np.array(high), 1, -1), exists
