"""The move of an ensemble that walks: differential evolution in random subspaces."""

from __future__ import annotations

from math import exp

import emcee
import numpy as np

from ...problem import Floats

SUBSPACES = 1, 2, 3, 5  # parameters that a move changes: each number as often, and as all of them
GAMMA, JITTER = 2.38, 0.3  # length of moves that suits a normal law, and how its logarithm varies
JUMPS = 0.3  # of the moves in all parameters: by a whole difference
NOISE = 1e-5  # widths of the prior, so that moves span all of it


class SubspaceMove(emcee.moves.RedBlueMove):  # type: ignore[misc]
    """A walker moves, in some of its parameters, along the difference of two others.

    After Vrugt et al., Accelerating Markov chain Monte Carlo simulation by differential evolution
    with self-adaptive randomized subspace sampling, 2009. Where parameters are many, and each
    matters to some figures only, few moves in all of them are taken.
    """

    def get_proposal(
        self, sample: Floats, complement: list[Floats], random: np.random.RandomState
    ) -> tuple[Floats, Floats]:
        """Return where walkers (S, P) would go, and 0 for each: the way back is as likely."""
        others, parameters = np.concatenate(complement), sample.shape[1]
        counts = [*(few for few in SUBSPACES if few < parameters), parameters]
        moved = sample.copy()
        for place in moved:
            first, second = others[random.choice(len(others), 2, replace=False)]
            count = counts[random.randint(len(counts))]
            scale = GAMMA / (2.0 * count) ** 0.5 * exp(JITTER * random.standard_normal())
            if count == parameters and random.random_sample() < JUMPS:
                scale = 1.0  # from one valley to another
            within = random.permutation(parameters)[:count]
            place[within] += scale * (first - second)[within]
            place[within] += NOISE * random.standard_normal(count)
        return moved, np.zeros(len(sample))
