"""What decisions in many slots are worth: by the objective and the limits that a scenario sets."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan, nextafter
from typing import Any

import numpy as np

from .arrays import Flags, Floats, Integers
from .model import TOLERANCE, TOP_SCORE, Actions, Outcome, broken, evaluate, execution_energy
from .problem import Problem

REFERENCE_QOE = 0.5  # QoE a task where all run at home at their reference frequencies


def objective(problem: Problem, qoe: Any) -> Any:
    """Return the objective of users' figures (..., N): their sum or their minimum."""
    return qoe.min(axis=-1) if problem.objective == "min" else qoe.sum(axis=-1)


def upper_limit(problem: Problem) -> float:
    """Return what no decision is worth more than: the objective of all weights, rounded up."""
    users = problem.users
    weights = zip(users.weight_latency, users.weight_energy, users.weight_accuracy, strict=True)
    sums = [sum(map(Fraction, row)) for row in weights]
    exact = (min(sums) if problem.objective == "min" else sum(sums)) * Fraction(TOP_SCORE)
    value = float(exact)
    return value if value >= exact else nextafter(value, inf)


def forbidding_weight(users: int) -> float:
    """Return more QoE than any choice of one user can bring all: what forbids a choice."""
    return 2.0 * TOP_SCORE * users


def tasks_in(problem: Problem) -> int:
    """Return how many tasks an objective is made of: what a mean a task divides it by."""
    return 1 if problem.objective == "min" else len(problem.users.power_min)


def ill_conditioned(problem: Problem) -> bool:
    """Tell whether the last digit of a cost may move a QoE by more than who judges allows.

    A score is steepest at its reference, where its slope times the cost says how much of the
    rounding of doubles it shows.
    """
    system, users = problem.system, problem.users
    time = problem.tasks.local_flop.max() / (users.flop_per_cycle * users.reference_frequency)
    energy = execution_energy(users.energy_coefficient, time, users.reference_frequency)
    shown = max(
        system.slope_latency * float(time.max()),
        system.slope_energy * float(energy.max()),
        system.slope_accuracy,
    )
    return shown * 2.0**-48 > TOLERANCE / 2.0


def within_limits(problem: Problem, actions: Actions, outcome: Outcome, task: Integers) -> Flags:
    """Return which tasks keep every limit, within the tolerance of whoever judges: (..., N).

    Where a slot takes more than the server's energy, none of its offloaders does.
    """
    faults = broken(problem, actions, outcome, task).values()
    within: Flags = ~np.logical_or.reduce([*faults])
    return within


FIGURES = ("value", "qoe", "latency_ms", "energy_mj", "accuracy", "infeasible_share")


def figures(problem: Problem, actions: Actions, gain: Floats, task: Integers) -> dict[str, Floats]:
    """Return what decisions (S, N) are worth by the reference model: `FIGURES`, (S,) float64 each.

    "value" is the scenario's objective, "infeasible_share" the share of tasks that break a limit,
    which score 0; the others are means a task.
    """
    outcome = evaluate(problem, actions, gain, task)
    within = within_limits(problem, actions, outcome, task)
    qoe = np.where(within, outcome.qoe, 0.0)
    means = (qoe, outcome.latency * 1e3, outcome.energy * 1e3, outcome.accuracy, ~within)
    values = (objective(problem, qoe), *(figure.mean(axis=-1) for figure in means))
    return dict(zip(FIGURES, values, strict=True))


def closure(qoe: float, optimum: float, least: float = REFERENCE_QOE) -> float:
    """Return the part of what lies between `least` and an optimum that is reached; NaN of none."""
    return (qoe - least) / (optimum - least) if optimum != least else nan
