"""How an ensemble walks by an emulator: differential evolution in random subspaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...arrays import Flags
from ...problem import Floats, Integers
from ...records import Record

SUBSPACES = 1, 2, 3, 5  # parameters that a move changes: each number as often, and as all of them
GAMMA, JITTER = 2.38, 0.3  # length of moves that suits a normal law, and how its logarithm varies
JUMPS = 0.3  # of the moves in all parameters: by a whole difference, from one valley to another
NOISE = 1e-5  # widths of the prior, so that moves span all of it


@dataclass(frozen=True)
class Others(Record):
    """Who stands still while walkers move, each beside some of them.

    Attributes
    ----------
    places : (O, P)
    first, count : (W,), which of them each walker moves beside: `count` from the `first` on
    """

    places: Floats
    first: Integers
    count: Integers


def wander(
    log_likelihood: Callable[[Floats], Floats],
    allows: Callable[[Floats], Flags],
    places: Floats,
    others: Others,
    power: Floats,
    moves: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Let walkers (W, P) make Metropolis moves by a log likelihood to powers (W,), beside others.

    Since those stand still, a walk is as likely as the same walk back.

    Returns
    -------
    Where walkers end (W, P), and by how much their log likelihoods have risen (W,)
    """
    begun = here = log_likelihood(places)
    for _ in range(moves):
        there = places + steps(others, rng)
        allowed, level = allows(there), np.full(len(there), -np.inf)
        level[allowed] = log_likelihood(there[allowed])
        go = np.log(1.0 - rng.random(len(there))) < power * (level - here)
        places, here = np.where(go[:, None], there, places), np.where(go, level, here)
    return places, here - begun


def steps(others: Others, rng: np.random.Generator) -> Floats:
    """Return a step for each walker (W, P), along a difference of two others in some parameters.

    After Vrugt et al., Accelerating Markov chain Monte Carlo simulation by differential evolution
    with self-adaptive randomized subspace sampling, 2009. Where parameters are many, and each
    matters to some figures only, few moves in all of them are taken.
    """
    shape = walkers, parameters = len(others.first), others.places.shape[1]
    one = rng.integers(others.count)
    two = (one + rng.integers(1, others.count)) % others.count
    along = others.places[others.first + one] - others.places[others.first + two]
    counts = rng.choice([*(few for few in SUBSPACES if few < parameters), parameters], walkers)
    scale = GAMMA / np.sqrt(2.0 * counts) * np.exp(JITTER * rng.standard_normal(walkers))
    scale[(counts == parameters) & (rng.random(walkers) < JUMPS)] = 1.0
    within = rng.random(shape).argsort(axis=1) < counts[:, None]
    moved: Floats = within * (scale[:, None] * along + NOISE * rng.standard_normal(shape))
    return moved
