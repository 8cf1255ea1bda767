"""The two searches of a calibration: `cma` for the best values, chains for their spread.

Both see a function of places in the unit cube and nothing of what it stands for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Protocol

import numpy as np

from ...arrays import Flags
from ...problem import Floats, Integers
from ...records import Record
from .moves import wander

STEP = 0.2  # of the first generation, in widths of the prior
POPULATION = 2  # times what the package takes: the misfit has many valleys
TOLERANCE = 1e-3  # chi square, between generations in which nothing more is gained
CANDIDATES = 500  # draws of the prior, the best of which is a start
FINE_STEP = 0.005  # as `STEP`, where a good place is known
MOVES = 1, 10, 30, 100  # in a step one of these; a single one does not ask the surrogate
STANDING = 0.5  # part of an ensemble that stands for the next power of the likelihood


@dataclass(frozen=True)
class Best(Record):
    """Where a descent ended: place (P,), misfit, evaluations, and the reasons to stop."""

    place: Floats
    misfit: float
    evaluations: int
    stopped: str


def descend(
    misfit: Callable[[Floats], float], start: Floats, step: float, evaluations: int, seed: int
) -> Best:
    """Descend from a place by the covariance matrix adaptation evolution strategy (CMA-ES).

    Hansen and Ostermeier, 2001; as implemented by the package `cma`. Places stay in the unit cube.
    Its mean moves away from a start in a narrow valley: where it finds nothing better, the start
    stays.
    """
    import cma

    options = {
        "bounds": [0.0, 1.0],
        "seed": seed + 1,  # 0 would mean the clock
        "maxfevals": evaluations,
        "popsize": POPULATION * int(4.0 + 3.0 * log(len(start))),
        "tolfun": TOLERANCE,
        "verbose": -9,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package, on its own plots and options
        strategy = cma.CMAEvolutionStrategy(start, step, options)
        while not strategy.stop():
            places = strategy.ask()
            strategy.tell(places, [misfit(place) for place in places])
        end = strategy.result
    reasons, evaluations = ", ".join(strategy.stop()), int(end.evaluations) + 1
    if (before := misfit(start)) <= end.fbest:
        return Best(np.asarray(start), before, evaluations, reasons)
    return Best(np.asarray(end.xbest), float(end.fbest), evaluations, reasons)


class Likelihood(Protocol):
    """What walkers are judged by."""

    def deviations(self, place: Floats) -> Floats:
        """Return differences (T,) from what was measured, in units of their noise, at (P,)."""

    def allows(self, places: Floats) -> Flags:
        """Tell of places (W, P) whether they are in the prior: (W,)."""


@dataclass(frozen=True)
class Ensemble(Record):
    """Walkers that stand for the prior times the likelihood to a power.

    Attributes
    ----------
    places : (W, P); deviations : (W, T) from what was measured, in units of noise
    power : 0 of the prior, 1 of the posterior
    log_evidence : of the likelihood to this power, estimated on the way here from the prior
    """

    places: Floats
    deviations: Floats
    power: float = 0.0
    log_evidence: float = 0.0

    @property
    def log_likelihood(self) -> Floats:
        """The log likelihoods (W,)."""
        return level(self.deviations)


@dataclass(frozen=True)
class Trace(Record):
    """What walkers tried in a leg, their beginning first.

    Attributes
    ----------
    places : (S, W, P), one a step and walker; deviations : (S, W, T)
    taken : (S, W), whether the walker went there
    power, log_evidence : as `Ensemble` has them
    """

    places: Floats
    deviations: Floats
    taken: Flags
    power: float
    log_evidence: float


def first_leg(likelihood: Likelihood, places: Floats) -> Trace:
    """Return the trace of walkers that stand at other draws (S, W, P) of the prior each step."""
    deviations = [[likelihood.deviations(place) for place in step] for step in places]
    return Trace(places, np.array(deviations), np.ones(places.shape[:2], bool), 0.0, 0.0)


def advance(
    likelihood: Likelihood,
    ensemble: Ensemble,
    known: tuple[Floats, Floats],
    steps: int,
    seed: np.random.SeedSequence,
) -> Trace:
    """Bring an ensemble from the prior nearer to the posterior; at the posterior, let it walk on.

    A leg of sequential Monte Carlo (Del Moral, Doucet and Jasra, 2006): the likelihood counts by
    a higher power, walkers are drawn again by the weights that gives them, and walk. An emulator of
    what is `known`, places (D, P) and their deviations (D, T), shows them the way.
    """
    from ...learn.emulator import Emulator

    rng = np.random.default_rng(seed)
    if ensemble.power < 1.0:
        ensemble = raised(ensemble, rng)
    emulator = Emulator(*known, int(rng.integers(1 << 32)))
    return walk(likelihood, emulator.log_likelihood, ensemble, steps, rng)


def raised(ensemble: Ensemble, rng: np.random.Generator) -> Ensemble:
    """Return an ensemble drawn again for the next power of the likelihood."""
    likelihood = ensemble.log_likelihood
    power = next_power(likelihood, ensemble.power)
    gain = (power - ensemble.power) * likelihood
    weights = np.exp(gain - gain.max())
    evidence = ensemble.log_evidence + float(gain.max() + np.log(weights.mean()))
    on = resampled(weights, rng)
    return Ensemble(ensemble.places[on], ensemble.deviations[on], power, evidence)


def next_power(log_likelihood: Floats, power: float) -> float:
    """Return the largest power up to 1 of the likelihood for which an ensemble still stands.

    The ensemble's log likelihoods are (W,), drawn from the prior times the likelihood to `power`.
    It stands for a higher power while the effective number of its weights is `STANDING` of it.
    """
    low, high = power, 1.0
    if effective(high - power, log_likelihood) >= STANDING:
        return high
    while (middle := 0.5 * (low + high)) not in (low, high):
        enough = effective(middle - power, log_likelihood) >= STANDING
        low, high = (middle, high) if enough else (low, middle)
    return high  # above `power` also where no double between them does


def effective(step: float, log_likelihood: Floats) -> float:
    """Return the effective number of draws (W,) for a power that is higher by a step, over W."""
    weights = np.exp(step * (log_likelihood - log_likelihood.max()))
    return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))


def resampled(weights: Floats, rng: np.random.Generator) -> Integers:
    """Return the members (W,) of an ensemble of weights (W,) that go on: each one's share of W.

    Systematic resampling: one random number, so that no share is off by a whole member.
    """
    places = (np.arange(len(weights)) + rng.random()) / len(weights)
    chosen: Integers = np.searchsorted(np.cumsum(weights / weights.sum()), places)
    return np.minimum(chosen, len(weights) - 1)


def walk(
    likelihood: Likelihood,
    surrogate: Callable[[Floats], Floats],
    ensemble: Ensemble,
    steps: int,
    rng: np.random.Generator,
) -> Trace:
    """Let an ensemble walk by the likelihood to its power.

    In each step one half of the walkers, then the other, makes many moves by a surrogate of the log
    likelihood, (W, P) to (W,), and goes where they end as often as makes up for what the surrogate
    is wrong by (Liu, 2001): a poor one costs time, and no bias.
    """
    power, places, deviations = ensemble.power, ensemble.places.copy(), ensemble.deviations.copy()
    trace = [(places.copy(), deviations.copy(), np.ones(len(places), bool))]
    for _ in range(steps):
        order, moves = rng.permutation(len(places)), int(rng.choice(MOVES))
        tried, found = places.copy(), deviations.copy()
        taken = np.ones(len(places), bool)
        for half in np.array_split(order, 2):
            others = places[np.setdiff1d(order, half)]
            by = surrogate if moves > 1 else flat
            ends, rise = wander(by, likelihood.allows, places[half], others, power, moves, rng)
            for walker, end in zip(half, ends, strict=True):
                if (end != places[walker]).any():
                    tried[walker], found[walker] = end, likelihood.deviations(end)
            gain = level(found[half]) - level(deviations[half]) - rise
            taken[half] = np.log(1.0 - rng.random(len(half))) < power * gain
            moved = half[taken[half]]
            places[moved], deviations[moved] = tried[moved], found[moved]
        trace.append((tried, found, taken))
    at, of, went = (np.array(column) for column in zip(*trace, strict=True))
    return Trace(at, of, went, power, ensemble.log_evidence)


def flat(places: Floats) -> Floats:
    """Expect nothing of places (W, P), so that the likelihood alone judges: (W,)."""
    return np.zeros(len(places))


def level(deviations: Floats) -> Floats:
    """Return the log likelihoods (...,) of deviations (..., T)."""
    half: Floats = -0.5 * (deviations**2).sum(axis=-1)
    return half


def standing(taken: Flags) -> Integers:
    """Return the steps (S, W) at which walkers went to where they stand after each step."""
    steps = np.arange(len(taken))[:, None]
    at: Integers = np.maximum.accumulate(np.where(taken, steps, 0), axis=0)
    return at
