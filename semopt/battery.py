"""The rules of one step with batteries: what counts, what is still affordable, what is left.

A task is skipped because its user chose so, or after the fact: played, it would have cost more than
what is left. Either way it is not executed; but what was played keeps its place in m and its
sub-channel in that slot, so that nobody else's outcome changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .arrays import Flags, Floats, Integers
from .model import SLACK, Actions, Outcome, costs, evaluate, skipping
from .problem import Problem
from .records import Record


@dataclass(frozen=True)
class Step(Record):
    """What a step with batteries gives: arrays (..., N).

    Attributes
    ----------
    outcome : QoE and energy 0 where a task is not executed, latency and accuracy NaN
    skipped : bool, by choice or after the fact
    spent : float64, J, energy that counts
    left : float64, J, energy left after it; inf without a battery
    """

    outcome: Outcome
    skipped: Flags
    spent: Floats
    left: Floats


def step(
    problem: Problem,
    actions: Actions,
    skipped: Flags,
    left: Floats,
    gain: Floats | None = None,
    task: Integers | None = None,
    pays: str | None = None,
) -> Step:
    """Play joint actions with what is left of the batteries.

    Parameters
    ----------
    problem : the scenario; its own slot is used unless `gain` and `task` are given
    actions : arrays (..., N)
    skipped : (..., N) bool, tasks that users choose to skip; their actions say nothing
    left : (..., N) float64, J, energy left; inf without a battery
    gain, task : (..., N, K) float64 and (..., N) int64, as of `model.evaluate`
    pays : "task" or "device"; the scenario's reading unless given
    """
    played = in_place_of_skips(problem, actions, skipped)
    outcome = evaluate(problem, played, gain, task)
    energy = counted(problem, played, outcome, gain, task, pays)
    skipped = skipped | ~affordable(energy, left)
    spent = np.where(skipped, 0.0, energy)
    return Step(skipping(outcome, skipped), skipped, spent, remaining(left, spent))


def counted(
    problem: Problem,
    actions: Actions,
    outcome: Outcome,
    gain: Floats | None = None,
    task: Integers | None = None,
    pays: str | None = None,
) -> Floats:
    """Return the energy of actions that a battery pays for: (..., N) float64, J.

    That of the task (9), which is the outcome's, or of the user's device alone (7).
    """
    if (pays or reading_of(problem)) == "task":
        return outcome.energy
    return costs(problem, actions, gain, task)[0].user_energy


def affordable(energy: Floats, left: Floats) -> Flags:
    """Tell what costs no more than what is left, within the tolerance of whoever judges.

    Plain arithmetic, as in `remaining`: env compiles these very functions.
    """
    within: Flags = energy <= left * SLACK
    return within


def remaining(left: Floats, spent: Floats) -> Floats:
    """Return the energy left once some is spent, J."""
    return np.maximum(left - spent, 0.0)


def skip_unpaid(
    problem: Problem,
    actions: Actions,
    skipped: Flags,
    left: Floats,
    gain: Floats | None = None,
    task: Integers | None = None,
) -> Flags:
    """Return who skips its task where nobody offloads what it cannot pay for: (..., N) bool.

    Played all the same it would keep its place in m, by which the server takes less energy of the
    others than within the batteries. One that goes may leave another too dear, which goes as well.
    The arguments are those of `step`.
    """
    skipped = skipped.copy()
    while True:
        played = in_place_of_skips(problem, actions, skipped)
        energy = counted(problem, played, evaluate(problem, played, gain, task), gain, task)
        unpaid = played.offload & ~affordable(energy, left)
        if not unpaid.any():
            return skipped
        skipped |= unpaid


def in_place_of_skips(problem: Problem, actions: Actions, skipped: Flags) -> Actions:
    """Return actions with a local one in place of each task that a user chooses to skip."""
    frequency = np.broadcast_to(problem.users.frequency_max, skipped.shape)
    played = replace(actions, **{name: array.copy() for name, array in vars(actions).items()})
    played.put(skipped, Actions.local(frequency).take(skipped))
    return played


def reading_of(problem: Problem) -> str:
    """Return what a scenario's batteries pay for: "task" or "device"."""
    return str(problem.origin.get("queue", {}).get("battery_pays", "task"))
