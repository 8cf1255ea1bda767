"""Intervals that say what is resampled.

A method that does not learn is measured on slots: they are resampled, in pairs with the reference's
values on the same slots. A method that learns is measured on training seeds, each reduced to its
mean first: they are resampled, and slots are not, since no number of slots says what another
training would give. Fewer than `FEWEST` units carry no interval.

Slots that follow each other in time resemble their neighbours, so they say less than as many
independent ones. There the units are blocks of them, each reduced to its mean (batch means;
Schmeiser, 1982), and so long that neighbouring blocks hardly resemble each other: `BLOCK` times the
autocorrelation time of what is averaged, by the window of Sokal (1997), or that of the gains where
it is longer, since slots cannot tell what is slower than all of them. Where a seed draws gains of
its own, no block reaches beyond its seed. Where all seeds replay one trace, a slot is its mean over
them before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, inf, log, nan
from typing import NamedTuple

import numpy as np

from .problem import Floats

FEWEST = 5
LEVEL = 0.95
RESAMPLES = 2000
EQUAL = 1e-12  # units that differ by less differ by rounding errors alone
BLOCK, MOST_BLOCKS = 10.0, 30  # autocorrelation times in a block, at least; and blocks, at most
WINDOW = 5.0  # autocorrelation times that are summed for one of them
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


class InTime(NamedTuple):
    """How slots follow each other.

    Attributes
    ----------
    depend : whether slots resemble their neighbours
    replayed : whether all seeds share their gains or their tasks
    memory : autocorrelation time of the gains, slots; inf where it is not known
    """

    depend: bool = False
    replayed: bool = False
    memory: float = 1.0


INDEPENDENT = InTime()


def interval_of_slots(
    series: Sequence[Floats], in_time: InTime = INDEPENDENT
) -> tuple[float, float]:
    """Return the 95% interval of a mean over slots; NaN where they make fewer than 5 units.

    Parameters
    ----------
    series : of each seed (slots,) float64 in the order of time; NaN is left out
    in_time : where slots depend, blocks of them are the units, and the interval is Student's; else
        `interval` resamples slots
    """
    if not in_time.depend:
        return interval(without_nan(np.concatenate([*series])))
    units = blocks(series, in_time)
    if len(units) < FEWEST:
        return nan, nan
    from scipy.stats import t

    mean = float(without_nan(np.concatenate([*series])).mean())
    half = float(t.ppf(0.5 + LEVEL / 2.0, len(units) - 1) * units.std(ddof=1) / len(units) ** 0.5)
    return mean - half, mean + half


def blocks(series: Sequence[Floats], in_time: InTime) -> Floats:
    """Return the means of blocks of slots that hardly resemble each other: (blocks,) float64.

    Parameters are those of `interval_of_slots`. Whatever is too short for two blocks is one.
    """
    runs = _runs(series, in_time)
    if not runs:
        return np.empty(0)
    length = _block(runs, in_time)
    means = list[float]()
    for run in runs:
        count = max(min(ceil(MOST_BLOCKS / len(runs)), int(len(run) / length)), 1)
        means += [float(part.mean()) for part in np.array_split(run, count)]
    return np.array(means)


def without_interval(
    series: Sequence[Floats], in_time: InTime = INDEPENDENT, units: str = "slots"
) -> str:
    """Return why a mean over slots has no interval, and what gives one; "" where it has one.

    Parameters are those of `interval_of_slots`; `units` are what the slots are called.
    """
    if not np.isnan(interval_of_slots(series, in_time)[0]):
        return ""
    if not in_time.depend:
        return f"fewer than {FEWEST} {units} have no interval"
    runs = _runs(series, in_time)
    length = _block(runs, in_time) if runs else inf
    blocks_needed = f"an interval takes {FEWEST} blocks of {units}"
    if length == inf:
        return f"{blocks_needed}, and how long a block is cannot be told here"
    needed, there = ceil(ceil(FEWEST / len(runs)) * length), max(map(len, runs))
    seeds = f" of each of the {len(runs)} seeds" if len(runs) > 1 else ""
    more = (
        "--slots takes more where there are more, else a longer trace or list of tasks has"
        if in_time.replayed
        else "--slots draws more"
    )
    return f"{blocks_needed}, about {needed:,d}{seeds}, and {there:,d} are there; {more}"


def _runs(series: Sequence[Floats], in_time: InTime) -> list[Floats]:
    """Return the runs of slots that blocks are cut from: of a trace one, its mean over seeds."""
    if in_time.replayed:
        whole = np.array([*series])
        slots = np.isfinite(whole).any(axis=0)
        series = [np.nanmean(whole[:, slots], axis=0)]
    return [run for run in map(without_nan, series) if len(run)]


def _block(runs: Sequence[Floats], in_time: InTime) -> float:
    """Return how many slots a block has at least."""
    return BLOCK * max(autocorrelation_time(runs), in_time.memory)


def autocorrelation_time(runs: Sequence[Floats]) -> float:
    """Return how many slots are worth one that is independent, 1 or more; inf of too few to tell.

    Of runs of one process, each (slots,) float64: 1 + 2 sum of autocorrelations, over a window that
    is `WINDOW` times as long as the sum itself.
    """
    mean, slots = float(np.concatenate([*runs]).mean()), max(map(len, runs))
    covariance = np.zeros(slots)
    for run in runs:
        spectrum = np.fft.rfft(run - mean, 2 * len(run))
        covariance[: len(run)] += np.fft.irfft(np.abs(spectrum) ** 2)[: len(run)]
    if covariance[0] <= EQUAL**2:
        return 1.0
    times = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    wide = np.flatnonzero(np.arange(slots) >= WINDOW * times)
    return max(float(times[wide[0]]), 1.0) if len(wide) else inf


def without_nan(values: Floats) -> Floats:
    """Return values without NaN."""
    return values[~np.isnan(values)]


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
