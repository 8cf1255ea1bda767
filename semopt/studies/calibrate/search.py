"""The two searches of a calibration: `cma` for the best values, `emcee` for their spread.

Both see a function of places in the unit cube and nothing of what it stands for.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from ...problem import Floats
from ...records import Record

STEP = 0.2  # of the first generation, in widths of the prior
POPULATION = 2  # times what the package takes: the misfit has many valleys
TOLERANCE = 1e-3  # chi square, between generations in which nothing more is gained
CANDIDATES = 500  # draws of the prior, the best of which is a start
FINE_STEP = 0.005  # likewise, where a good place is known
TRIES = 100_000  # of a walker to begin inside the prior
THIN = 10  # steps of a chain from one kept ensemble to the next
NEAR = 20.0  # chi square above the best, up to which a chain begins at the end of a start
SPREADS = 0.01, 0.1  # of chains' first ensembles about those ends, in widths of the prior: by turns


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


def ensemble(
    ends: Floats, misfits: Floats, walkers: int, seed: int, allows: Callable[[Floats], bool]
) -> Floats:
    """Return places (walkers, P) to begin a chain at: about the ends of good starts, in turn.

    Chains begin narrow and wide by turns, so that they agree only where both have settled.

    Parameters
    ----------
    ends : (S, P), where starts ended; misfits : (S,)
    allows : whether a place is in the prior: a walker that begins outside might stay there for ever
    """
    rng, places = np.random.default_rng(seed), []
    good, spread = ends[misfits <= misfits.min() + NEAR], SPREADS[seed % len(SPREADS)]
    for walker in range(walkers):
        end, place = good[walker % len(good)], None
        for _ in range(TRIES):
            near = np.clip(end + spread * rng.standard_normal(len(end)), 0.0, 1.0)
            if allows(near):
                place = near
                break
        if place is None:
            raise ValueError("no place near the end of a start keeps all orders: relax them")
        places.append(place)
    return np.array(places)


def walk(
    log_likelihood: Callable[[Floats], float], places: Floats, steps: int, seed: int
) -> tuple[Floats, Floats]:
    """Let an ensemble walk; return kept places (K, W, P) and their log likelihoods (K, W).

    The affine-invariant ensemble sampler of the package `emcee` (Foreman-Mackey et al., 2013) with
    moves by differential evolution. Every `THIN`-th ensemble is kept, and the last one.
    """
    import emcee

    walkers, parameters = places.shape
    # Its DESnookerMove makes variances a fifth too small (tests: the toy of a closed form).
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.StretchMove(), 0.2)]
    sampler: Any = emcee.EnsembleSampler(walkers, parameters, log_likelihood, moves=moves)
    sampler.random_state = np.random.RandomState(seed).get_state()
    keep = max(steps // THIN, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler.run_mcmc(places, keep, thin_by=max(steps // keep, 1), skip_initial_state_check=True)
    return sampler.get_chain(), sampler.get_log_prob()
