"""What the data say of each parameter: posterior against prior.

All is measured in places of the unit cube, in which the prior of each parameter alone is uniform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...problem import Floats
from ...records import Record

FIXED = 0.9  # contraction: what is left has less than a third of the prior's deviation
TAIL = 0.1  # of the prior at either end, in which the posterior is looked for
EXCLUDED = 0.01  # of the posterior in such a tail, below which it counts as excluded
MIXED = 1.1  # R-hat up to which chains count as mixed
MARGIN = 0.05  # of the sampled range: how far beyond it the fitted value may lie
KEPT = 4  # ensembles of each of two chains, without which nobody can tell whether they have mixed


@dataclass(frozen=True)
class Verdict:
    """What the data say of one parameter.

    Attributes
    ----------
    contraction : 1 - variance of the posterior / variance of the prior
    word : "fixed", "narrowed", "one-sided" or "free"
    """

    contraction: float
    word: str


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
    return Verdict(contraction, word)


def directions(posterior: Floats, prior: Floats) -> Floats:
    """Return the variances that are left of the prior's, in the directions that part them: (P,).

    They are the eigenvalues of the posterior's covariance against the prior's, the smallest first;
    draws are (D, P) and (E, P).
    """
    from scipy.linalg import eigh

    left: Floats = eigh(
        *(np.atleast_2d(np.cov(d.T)) for d in (posterior, prior)), eigvals_only=True
    )
    return left


def r_hat(chains: Floats) -> Floats:
    """Return the potential scale reduction of each parameter (P,): 1 where chains tell one story.

    It is NaN where less than two chains of `KEPT` ensembles are there: one chain agrees with itself
    also where it stays where it began.

    Each chain of ensembles (C, K, W, P) is halved. Halves are compared by where they lie and,
    folded about the median, by how wide they are: an ensemble that still grows has not mixed
    (Vehtari et al., Rank-normalization, folding, and localization, 2021).
    """
    if chains.shape[0] < 2 or chains.shape[1] < KEPT:
        return np.full(chains.shape[-1], np.nan)
    half = chains.shape[1] // 2
    parts = np.concatenate([chains[:, :half], chains[:, -half:]])
    draws = parts.reshape(len(parts), -1, chains.shape[-1])
    folded = np.abs(draws - np.median(draws, axis=(0, 1)))
    larger: Floats = np.maximum(_scale_reduction(draws), _scale_reduction(folded))
    return larger


@dataclass(frozen=True)
class Spread(Record):
    """What chains say of all parameters.

    Attributes
    ----------
    ranges : 5%, 50% and 95% of what chains sampled, as places (3, P)
    r_hat : the largest of the parameters, NaN where it is not known
    outside : (P,), whether the fitted place is none that chains sampled
    verdicts : of the parameters, empty unless chains have mixed
    left : (P,), variances left of the prior's, empty likewise
    """

    ranges: Floats
    r_hat: float
    outside: Floats
    verdicts: list[Verdict]
    left: Floats

    @property
    def mixed(self) -> bool:
        """Whether the chains are a posterior, so that there are verdicts."""
        return bool(self.verdicts)

    @property
    def fixed(self) -> int:
        """How many directions the data fix."""
        return int((self.left <= 1.0 - FIXED).sum())


def spread(chains: Floats, prior: Floats, fitted: Floats) -> Spread:
    """Judge all parameters by chains (C, K, W, P), where these have mixed.

    Parameters
    ----------
    prior : draws (E, P)
    fitted : place (P,) of the best values
    """
    sampled = chains.reshape(-1, chains.shape[-1])
    reduction, beyond = float(r_hat(chains).max()), outside(fitted, sampled)
    verdicts, left = list[Verdict](), np.empty(0)
    if reduction <= MIXED and not beyond.any():
        verdicts = [verdict(*pair) for pair in zip(sampled.T, prior.T, strict=True)]
        left = directions(sampled, prior)
    ranges = np.quantile(sampled, [0.05, 0.5, 0.95], axis=0)
    return Spread(ranges, reduction, beyond, verdicts, left)


def outside(fitted: Floats, sampled: Floats) -> Floats:
    """Tell for each parameter whether its fitted place (P,) is none that chains sampled: (P,).

    Draws are (D, P). Chains that know of no place near the best have not seen all that explains the
    data, whatever R-hat says.
    """
    low, high = sampled.min(axis=0), sampled.max(axis=0)
    margin = MARGIN * (high - low)
    beyond: Floats = (fitted < low - margin) | (fitted > high + margin)
    return beyond


def _scale_reduction(draws: Floats) -> Floats:
    """Return the square root of total by within variance of parts (C, D, P)."""
    within = draws.var(axis=1, ddof=1).mean(axis=0)
    between = draws.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that never moved
        ratio: Floats = np.sqrt(1.0 + between / within)
    return ratio
