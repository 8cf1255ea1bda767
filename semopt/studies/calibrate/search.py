"""The two searches of a calibration: `cma` for the best values, chains for their spread.

Both see a function of places in the unit cube and nothing of what it stands for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Protocol

import numpy as np

from ...arrays import Flags
from ...problem import Floats, Integers
from ...records import Record
from .moves import Others, wander

STEP = 0.2  # of the first generation, in widths of the prior
POPULATION = 2  # times what the package takes: the misfit has many valleys
TOLERANCE = 1e-3  # chi square, between generations in which nothing more is gained
CANDIDATES = 500  # draws of the prior, the best of which is a start
FINE_STEP = 0.005  # as `STEP`, where a good place is known
SWEEPS = 20  # of the ladder, after each step: exchanges cost nothing
MOVES = 1, 100, 300, 1000  # in a step one of these; a single one does not ask the surrogate
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
    """Walkers that stand for the prior times the likelihood to a power, each to its own.

    Attributes
    ----------
    places : (W, P); deviations : (W, T) from what was measured, in units of noise
    power : (W,), 0 of the prior, 1 of the posterior
    log_evidence : of the likelihood to the highest power, estimated on the way from the prior
    """

    places: Floats
    deviations: Floats
    power: Floats
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
    power : (S, W), its power after the step
    log_evidence : as `Ensemble` has it
    """

    places: Floats
    deviations: Floats
    taken: Flags
    power: Floats
    log_evidence: float

    def stood(self) -> Floats:
        """Return where walkers stood after each step (S, W, P), at the beginning first."""
        return self.places[standing(self.taken), np.arange(self.taken.shape[1])]

    def end(self) -> Ensemble:
        """Return where they stand at the end."""
        at = standing(self.taken)[-1], np.arange(self.taken.shape[1])
        return Ensemble(self.places[at], self.deviations[at], self.power[-1], self.log_evidence)

    def tried(self) -> tuple[Floats, Floats]:
        """Return all that was tried: places (S W, P) and deviations (S W, T)."""
        return rows(self.places), rows(self.deviations)


def first_leg(likelihood: Likelihood, places: Floats) -> Trace:
    """Return the trace of walkers that stand at other draws (S, W, P) of the prior each step."""
    deviations = [[likelihood.deviations(place) for place in step] for step in places]
    taken, power = np.ones(places.shape[:2], bool), np.zeros(places.shape[:2])
    return Trace(places, np.array(deviations), taken, power, log_evidence=0.0)


def advance(
    likelihood: Likelihood,
    ensemble: Ensemble,
    known: tuple[Floats, Floats],
    steps: int,
    seed: np.random.SeedSequence,
) -> Trace:
    """Bring an ensemble of one power nearer to the posterior, or let one on a ladder walk on.

    A leg of sequential Monte Carlo (Del Moral, Doucet and Jasra, 2006): the likelihood counts by
    a higher power, walkers are drawn again by the weights that gives them, and walk. An emulator of
    what is `known`, places (D, P) and their deviations (D, T), shows them the way.
    """
    from ...learn.emulator import Emulator

    rng = np.random.default_rng(seed)
    if ensemble.power.max() < 1.0:
        ensemble = raised(ensemble, rng)
    emulator = Emulator(*known, int(rng.integers(1 << 32)))
    return walk(likelihood, emulator.log_likelihood, ensemble, steps, rng)


def raised(ensemble: Ensemble, rng: np.random.Generator) -> Ensemble:
    """Return an ensemble of one power, drawn again for the next."""
    likelihood, before = ensemble.log_likelihood, float(ensemble.power[0])
    power = next_power(likelihood, before)
    gain = (power - before) * likelihood
    weights = np.exp(gain - gain.max())
    evidence = ensemble.log_evidence + float(gain.max() + np.log(weights.mean()))
    on = resampled(weights, rng)
    powers = np.full(len(on), power)
    return Ensemble(ensemble.places[on], ensemble.deviations[on], powers, evidence)


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
    """Let walkers walk by the likelihood to their powers, and neighbours exchange these.

    In each step one half of the walkers of a power, then the other, makes many moves by a surrogate
    of the log likelihood, (W, P) to (W,), and goes where they end as often as makes up for what the
    surrogate is wrong by (Liu, 2001): a poor one costs time, and no bias.
    """
    places, deviations = ensemble.places.copy(), ensemble.deviations.copy()
    power = ensemble.power.copy()
    trace = [(places.copy(), deviations.copy(), np.ones(len(places), bool), power.copy())]
    for _ in range(steps):
        tried, found = places.copy(), deviations.copy()
        taken = np.ones(len(places), bool)
        moves = int(rng.choice(MOVES))
        by = surrogate if moves > 1 else flat
        for movers, still in in_halves(power, rng):
            others = Others(places[still], *beside(power[movers], power[still]))
            mine = power[movers]
            ends, rise = wander(by, likelihood.allows, places[movers], others, mine, moves, rng)
            for walker, end in zip(movers, ends, strict=True):
                if (end != places[walker]).any():
                    tried[walker], found[walker] = end, likelihood.deviations(end)
            gain = level(found[movers]) - level(deviations[movers]) - rise
            taken[movers] = np.log(1.0 - rng.random(len(movers))) < mine * gain
            moved = movers[taken[movers]]
            places[moved], deviations[moved] = tried[moved], found[moved]
        power = exchanged(power, level(deviations), rng)
        trace.append((tried, found, taken, power))
    at, of, went, powers = (np.array(column) for column in zip(*trace, strict=True))
    return Trace(at, of, went, powers, ensemble.log_evidence)


def in_halves(power: Floats, rng: np.random.Generator) -> Iterator[tuple[Integers, Integers]]:
    """Yield who moves and who stands still: one half of the walkers of each power, then the other.

    Who stands still comes in the order of powers (W,).
    """
    halves = list[list[Integers]]([[], []])
    for rung in np.unique(power):
        order = rng.permutation(np.flatnonzero(power == rung))
        for half, some in zip(halves, np.array_split(order, 2), strict=True):
            half.append(some)
    one, other = map(np.concatenate, halves)
    yield one, other
    yield other, one


def beside(power: Floats, others: Floats) -> tuple[Integers, Integers]:
    """Return the first of others of one's own power, and their count (W,); powers (O,) rise."""
    first = np.searchsorted(others, power, side="left")
    return first, np.searchsorted(others, power, side="right") - first


def exchanged(power: Floats, log_likelihood: Floats, rng: np.random.Generator) -> Floats:
    """Return the powers (W,) after walkers of neighbouring powers have exchanged them, many times.

    Replica exchange (Swendsen and Wang, 1986): what walks at a low power comes from valley to
    valley, and its way up leads into those that have much of the posterior.
    """
    power, rungs = power.copy(), np.unique(power)
    for _ in range(SWEEPS):
        for low, high in pairwise(rungs):
            below, above = (rng.permutation(np.flatnonzero(power == at)) for at in (low, high))
            count = min(len(below), len(above))
            below, above = below[:count], above[:count]
            gain = (high - low) * (log_likelihood[below] - log_likelihood[above])
            change = np.log(1.0 - rng.random(count)) < gain
            power[below[change]], power[above[change]] = high, low
    return power


def flat(places: Floats) -> Floats:
    """Expect nothing of places (W, P), so that the likelihood alone judges: (W,)."""
    return np.zeros(len(places))


def level(deviations: Floats) -> Floats:
    """Return the log likelihoods (...,) of deviations (..., T)."""
    half: Floats = -0.5 * (deviations**2).sum(axis=-1)
    return half


def rows(array: Floats) -> Floats:
    """Return an array (S, W, X) as rows (S W, X)."""
    return array.reshape(-1, array.shape[-1])


def standing(taken: Flags) -> Integers:
    """Return the steps (S, W) at which walkers went to where they stand after each step."""
    steps = np.arange(len(taken))[:, None]
    at: Integers = np.maximum.accumulate(np.where(taken, steps, 0), axis=0)
    return at
