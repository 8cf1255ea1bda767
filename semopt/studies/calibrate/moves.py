"""How an ensemble walks by an emulator: differential evolution in random subspaces."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...arrays import Flags
from ...problem import Floats

SUBSPACES = 1, 2, 3, 5  # parameters that a move changes: each number as often, and as all of them
GAMMA, JITTER = 2.38, 0.3  # length of moves that suits a normal law, and how its logarithm varies
JUMPS = 0.3  # of the moves in all parameters: by a whole difference, from one valley to another
NOISE = 1e-5  # widths of the prior, so that moves span all of it


def wander(
    log_likelihood: Callable[[Floats], Floats],
    allows: Callable[[Floats], Flags],
    places: Floats,
    others: Floats,
    power: float,
    moves: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Let walkers (W, P) make Metropolis moves by a log likelihood to a power; others (O, P) stand.

    Since they stand still, a walk is as likely as the same walk back.

    Returns
    -------
    Where walkers end (W, P), and by how much their log likelihoods have risen (W,)
    """
    begun = here = log_likelihood(places)
    for _ in range(moves):
        there = places + steps(places.shape, others, rng)
        allowed, level = allows(there), np.full(len(there), -np.inf)
        level[allowed] = log_likelihood(there[allowed])
        go = np.log(1.0 - rng.random(len(there))) < power * (level - here)
        places, here = np.where(go[:, None], there, places), np.where(go, level, here)
    return places, here - begun


def steps(shape: tuple[int, int], others: Floats, rng: np.random.Generator) -> Floats:
    """Return steps (W, P) along differences of two others each, in some of the parameters.

    After Vrugt et al., Accelerating Markov chain Monte Carlo simulation by differential evolution
    with self-adaptive randomized subspace sampling, 2009. Where parameters are many, and each
    matters to some figures only, few moves in all of them are taken.
    """
    walkers, parameters = shape
    first = rng.integers(len(others), size=walkers)
    second = (first + rng.integers(1, len(others), size=walkers)) % len(others)
    counts = rng.choice([*(few for few in SUBSPACES if few < parameters), parameters], walkers)
    scale = GAMMA / np.sqrt(2.0 * counts) * np.exp(JITTER * rng.standard_normal(walkers))
    scale[(counts == parameters) & (rng.random(walkers) < JUMPS)] = 1.0
    within = rng.random(shape).argsort(axis=1) < counts[:, None]
    along = scale[:, None] * (others[first] - others[second])
    moved: Floats = within * (along + NOISE * rng.standard_normal(shape))
    return moved
