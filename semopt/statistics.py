"""Intervals that say what is resampled.

A method that does not learn is measured on slots: they are resampled, in pairs with the reference's
values on the same slots. A method that learns is measured on training seeds, each reduced to its
mean first: they are resampled, and slots are not, since no number of slots says what another
training would give. Fewer than `FEWEST` units carry no interval.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, nan

import numpy as np

from .problem import Floats

FEWEST = 5
LEVEL = 0.95
RESAMPLES = 2000
EQUAL = 1e-12  # units that differ by less differ by rounding errors alone
MOST = 20_000  # units that are resampled one by one; beyond, the normal approximation is as good


def interval(values: Floats, seed: int = 0) -> tuple[float, float]:
    """Return the 95% interval of a mean: bias-corrected and accelerated bootstrap (BCa).

    Parameters
    ----------
    values : (units,) float64, such as a slot's gap or a seed's mean

    Returns
    -------
    low, high; NaN for fewer than 5 units. Units that are all equal give the least and the greatest.
    """
    return _interval(np.asarray(values, dtype=float).tobytes(), seed)


@lru_cache(maxsize=512)  # a page and a table ask for the same
def _interval(content: bytes, seed: int) -> tuple[float, float]:
    values = np.frombuffer(content)
    if len(values) < FEWEST:
        return nan, nan
    if np.ptp(values) <= EQUAL:
        return float(values.min()), float(values.max())
    if len(values) > MOST:
        half = 1.959963984540054 * float(values.std(ddof=1)) / len(values) ** 0.5
        return float(values.mean()) - half, float(values.mean()) + half
    from scipy.stats import bootstrap

    ends = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="BCa",
        batch=max(1, 2_000_000 // len(values)),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(ends.low), float(ends.high)


def band(units: int) -> float:
    """Return by how much a share of so many independent units may differ from the true one.

    At most so much, at the level 95%, for all thresholds at once: Massart's constant (1990) in the
    inequality of Dvoretzky, Kiefer and Wolfowitz.
    """
    return float((log(2.0 / (1.0 - LEVEL)) / (2.0 * units)) ** 0.5)


def exponent(size: Floats, cost: Floats) -> tuple[float, float, float]:
    """Return b of cost = a size^b by least squares of logarithms, with its 95% interval.

    Parameters
    ----------
    size, cost : (points,) float64, positive

    Returns
    -------
    b, low, high; the interval, Student's, is NaN for fewer than 5 points, all of it for one size.
    """
    from scipy.stats import linregress, t

    if len(np.unique(size)) < 2:
        return nan, nan, nan
    line = linregress(np.log(size), np.log(cost))
    if len(size) < FEWEST:
        return float(line.slope), nan, nan
    half = float(t.ppf(0.5 + LEVEL / 2.0, len(size) - 2) * line.stderr)
    return float(line.slope), float(line.slope) - half, float(line.slope) + half


def mean_at_most(values: Floats, level: float) -> float:
    """Return Student's upper limit of the mean of at least 2 values, at a one-sided level."""
    from scipy.stats import t

    error = float(np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) + float(t.ppf(level, len(values) - 1)) * error


def improvement(better: Floats, worse: Floats) -> float:
    """Return the probability that a run of one method is above a run of another; ties count half.

    Parameters
    ----------
    better, worse : (runs,) float64, each training seed reduced to its mean
    """
    difference = better[:, None] - worse[None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def middle_mean(values: Floats) -> float:
    """Return the mean of the middle half of runs, which no single run moves far; NaN for few."""
    if len(values) < FEWEST:
        return nan
    from scipy.stats import trim_mean

    return float(trim_mean(values, 0.25))
