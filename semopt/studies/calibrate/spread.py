"""What the data say of each parameter: posterior against prior.

All is measured in places of the unit cube, in which the prior of each parameter alone is uniform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Floats

FIXED = 0.9  # contraction: what is left has less than a third of the prior's deviation
TAIL = 0.1  # of the prior at either end, in which the posterior is looked for
EXCLUDED = 0.01  # of the posterior in such a tail, below which it counts as excluded
MIXED = 1.1  # R-hat up to which chains count as mixed


@dataclass(frozen=True)
class Verdict:
    """What the data say of one parameter.

    Attributes
    ----------
    contraction : 1 - variance of the posterior / variance of the prior
    word : "fixed", "narrowed", "one-sided" or "free"
    low, median, high : 5%, 50% and 95% of the posterior, as places
    """

    contraction: float
    word: str
    low: float
    median: float
    high: float


def verdict(posterior: Floats, prior: Floats) -> Verdict:
    """Judge one parameter by draws (D,) of its posterior and (E,) of its prior.

    It is fixed where little of the prior's variance is left; else one-sided where the posterior
    leaves one end of the prior out and reaches the other, narrowed where it leaves out both, and
    free where it reaches both.
    """
    contraction = 1.0 - float(posterior.var() / prior.var())
    ends = np.quantile(prior, [TAIL, 1.0 - TAIL])
    below, above = float((posterior < ends[0]).mean()), float((posterior > ends[1]).mean())
    excluded = sum(share < EXCLUDED for share in (below, above))
    word = "fixed" if contraction >= FIXED else ("free", "one-sided", "narrowed")[excluded]
    low, median, high = map(float, np.quantile(posterior, [0.05, 0.5, 0.95]))
    return Verdict(contraction, word, low, median, high)


def directions(posterior: Floats, prior: Floats) -> Floats:
    """Return the variances that are left of the prior's, in the directions that part them: (P,).

    They are the eigenvalues of the posterior's covariance against the prior's, the smallest first;
    draws are (D, P) and (E, P).
    """
    from scipy.linalg import eigh

    left: Floats = eigh(np.cov(posterior.T), np.cov(prior.T), eigvals_only=True)
    return left


def r_hat(chains: Floats) -> Floats:
    """Return the potential scale reduction of each parameter (P,): 1 where chains tell one story.

    Each chain of ensembles (C, K, W, P) is halved. Halves are compared by where they lie and,
    folded about the median, by how wide they are: an ensemble that still grows has not mixed
    (Vehtari et al., Rank-normalization, folding, and localization, 2021).
    """
    half = chains.shape[1] // 2
    parts = np.concatenate([chains[:, :half], chains[:, -half:]])
    draws = parts.reshape(len(parts), -1, chains.shape[-1])
    folded = np.abs(draws - np.median(draws, axis=(0, 1)))
    larger: Floats = np.maximum(_scale_reduction(draws), _scale_reduction(folded))
    return larger


def _scale_reduction(draws: Floats) -> Floats:
    """Return the square root of total by within variance of parts (C, D, P)."""
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    between = draws.mean(axis=1).var(axis=0, ddof=1)
    ratio: Floats = np.sqrt(1.0 + between / within)
    return ratio
