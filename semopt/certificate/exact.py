"""What a decision is worth where slopes are so steep that doubles do not tell: balls do."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np

from ..model import SCORE, Actions, Outcome, evaluate, sigmoid
from ..problem import AccuracyTable, Floats, Problem
from .claims import TOLERANCE, FalseClaim

DOUBT = 1e-11  # by how much rounding may move a QoE of doubles that nobody minds
FINE = TOLERANCE / 1e3  # radius below which a ball of a decision's worth says what it is
ROUNDING = 2.0**-46  # relative, of a latency or an energy: more than its dozen roundings


def sure_qoe(problem: Problem, actions: Actions) -> Floats:
    """Return the QoE (N,) of a decision: in doubles, in balls where doubles do not tell.

    Without python-flint, and where no precision tells, doubles stand.
    """
    outcome = evaluate(problem, actions)
    qoe = outcome.qoe.copy()
    with suppress(ValueError, FalseClaim):
        for n in np.flatnonzero(~(spread(problem, outcome) <= DOUBT)).tolist():
            qoe[n] = exact_worth(problem, actions, n)
    return qoe


def exact_worth(problem: Problem, actions: Actions, user: int) -> float:
    """Return a user's QoE in a decision to 1e-12, however steep the slopes are."""
    balls, channel, m = arithmetic(), int(actions.channel[user]), int(actions.offload.sum())
    variables = actions.power, actions.extraction, actions.frequency
    action = tuple(float(values[user]) for values in variables)
    for bits in balls.PRECISIONS:
        with balls.precision(bits):
            user_mode, used = balls.in_mode(problem, user, channel, m, action)
            worth = user_mode.worth(user_mode.costs(*used))
            if worth.rad() < FINE:
                return float(worth)
    raise FalseClaim(f"no precision tells what user {user} gains")


def arithmetic() -> Any:
    """Return the module of balls, or say what it needs."""
    try:
        balls = import_module(".balls", __package__)
    except ImportError:
        raise ValueError(
            "verifying this file needs python-flint: pip install 'semopt[verify]'"
        ) from None
    if balls.SCORE != SCORE:
        raise ValueError(f"score {SCORE!r}: semopt/certificate/balls.py has {balls.SCORE!r}")
    return balls


def spread(problem: Problem, outcome: Outcome) -> Floats:
    """Return by how much rounding may move each QoE of `outcome`, arrays (..., N).

    A cost u of relative error e moves S(slope (u0 - u)) to at most S(slope (u0 - u + e (u0 + u))).
    """
    system, users = problem.system, problem.users
    home = evaluate(problem, Actions.local(users.reference_frequency))
    steep = max(map(steepness, problem.tasks.accuracy))
    total = np.zeros_like(outcome.qoe)
    with np.errstate(over="ignore", invalid="ignore"):
        for weight, slope, ahead, size in (
            (
                users.weight_latency,
                system.slope_latency,
                home.latency - outcome.latency,
                home.latency + outcome.latency,
            ),
            (
                users.weight_energy,
                system.slope_energy,
                home.energy - outcome.energy,
                home.energy + outcome.energy,
            ),
            (
                users.weight_accuracy,
                system.slope_accuracy,
                outcome.accuracy - home.accuracy,
                np.full_like(total, steep),
            ),
        ):
            x, error = slope * ahead, slope * size * ROUNDING
            total += weight * (sigmoid(x + error) - sigmoid(x - error))
    return total


def steepness(table: AccuracyTable) -> float:
    """Return by how much an accuracy moves at most, for a relative error of its SNR or extraction.

    The SNR in dB is of size 1000 at most, and an extraction of 1.
    """
    columns, rows = np.diff(table.snr_db), np.diff(table.extraction)
    values = np.vstack([table.table, table.raw])
    by_snr = np.abs(np.diff(values, axis=1)) / columns
    by_extraction = np.abs(np.diff(values[:-1], axis=0)) / rows[:, None]
    return float(1.0 + 1e3 * by_snr.max() + by_extraction.max())
