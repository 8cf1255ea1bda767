"""The two searches of a calibration: `cma` for the best values, `emcee` for their spread.

Both see a function of places in the unit cube and nothing of what it stands for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, log
from typing import Any

import numpy as np

from ...problem import Floats, Integers
from ...records import Record

STEP = 0.2  # of the first generation, in widths of the prior
POPULATION = 2  # times what the package takes: the misfit has many valleys
TOLERANCE = 1e-3  # chi square, between generations in which nothing more is gained
CANDIDATES = 500  # draws of the prior, the best of which is a start
FINE_STEP = 0.005  # as `STEP`, where a good place is known
QUARTERS = 4
TOGETHER = 10  # steps from one exchange of walkers to the next
STANDING = 0.5  # part of an ensemble that stands for the next power of the likelihood

Seed = int | np.random.SeedSequence


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


@dataclass(frozen=True)
class Ensemble(Record):
    """Walkers that stand for the prior times the likelihood to a power.

    Attributes
    ----------
    places : (W, P); log_likelihood : (W,)
    power : 0 of the prior, 1 of the posterior
    log_evidence : of the likelihood to this power, estimated on the way here from the prior
    """

    places: Floats
    log_likelihood: Floats
    power: float = 0.0
    log_evidence: float = 0.0

    def thinned(self, count: int) -> Ensemble:
        """Return an ensemble of so many of its walkers."""
        at = np.linspace(0, len(self.places) - 1, count).round().astype(int)
        return replace(self, places=self.places[at], log_likelihood=self.log_likelihood[at])


def advance(
    log_likelihood: Callable[[Floats], float], ensemble: Ensemble, steps: int, seed: Seed
) -> Ensemble:
    """Bring an ensemble from the prior nearer to the posterior.

    A leg of sequential Monte Carlo (Del Moral, Doucet and Jasra, 2006): the likelihood counts by
    a higher power, walkers are drawn again by the weights that gives them, and walk.
    """
    power = next_power(ensemble.log_likelihood, ensemble.power)
    gain = (power - ensemble.power) * ensemble.log_likelihood
    weights = np.exp(gain - gain.max())
    evidence = ensemble.log_evidence + float(gain.max() + np.log(weights.mean()))
    rng = np.random.default_rng(seed)
    on = resampled(weights, rng)
    begin = Ensemble(ensemble.places[on], ensemble.log_likelihood[on], power, evidence)
    return walk(log_likelihood, begin, steps, rng)


def exchange(
    log_likelihood: Callable[[Floats], float], rungs: Sequence[Ensemble], steps: int, seed: Seed
) -> list[list[Ensemble]]:
    """Let ensembles of rising powers walk and exchange walkers; return them at each quarter's end.

    Replica exchange (Swendsen and Wang, 1986): what walks at a low power comes from valley to
    valley, and its way up leads into those that have much of the posterior.
    """
    rng, kept, rungs = np.random.default_rng(seed), list[list[Ensemble]](), list(rungs)
    together = min(TOGETHER, ceil(steps / QUARTERS))
    for step in range(0, steps, together):
        length = min(together, steps - step)
        rungs = [walk(log_likelihood, rung, length, rng) for rung in rungs]
        for at in range(len(rungs) - 1):
            rungs[at : at + 2] = exchanged(rungs[at], rungs[at + 1], rng)
        if QUARTERS * step // steps < QUARTERS * (step + length) // steps:
            kept.append(rungs.copy())
    return kept


def exchanged(low: Ensemble, high: Ensemble, rng: np.random.Generator) -> list[Ensemble]:
    """Return two ensembles of rising powers after each walker of one met one of the other."""
    count = min(len(low.places), len(high.places))
    mine, other = (rng.permutation(len(each.places))[:count] for each in (low, high))
    gain = low.log_likelihood[mine] - high.log_likelihood[other]
    change = np.log(1.0 - rng.random(count)) < (high.power - low.power) * gain
    mine, other = mine[change], other[change]
    after = [
        replace(each, places=each.places.copy(), log_likelihood=each.log_likelihood.copy())
        for each in (low, high)
    ]
    for one, there, source, here in ((after[0], mine, high, other), (after[1], other, low, mine)):
        one.places[there] = source.places[here]
        one.log_likelihood[there] = source.log_likelihood[here]
    return after


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
    log_likelihood: Callable[[Floats], float],
    ensemble: Ensemble,
    steps: int,
    rng: np.random.Generator,
) -> Ensemble:
    """Let an ensemble walk by the likelihood to its power.

    The ensemble sampler of the package `emcee` (Foreman-Mackey et al., 2013) with the move of
    `moves.py`.
    """
    import emcee

    from .moves import SubspaceMove

    power = ensemble.power
    sampler: Any = emcee.EnsembleSampler(
        *ensemble.places.shape,
        lambda place: power * log_likelihood(place),
        moves=SubspaceMove(live_dangerously=True),  # less than two walkers for each parameter
    )
    begin = emcee.State(
        ensemble.places,
        log_prob=power * ensemble.log_likelihood,
        random_state=np.random.RandomState(int(rng.integers(1 << 32))).get_state(),
    )
    end = sampler.run_mcmc(begin, steps, store=False, skip_initial_state_check=True)
    return replace(ensemble, places=end.coords, log_likelihood=end.log_prob / power)
