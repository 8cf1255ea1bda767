"""What `model.py` says of a slot's grid: every action of every cell scored, and assigned.

No solver's code and no kernel has a part in it, and no limit on the server's energy, which couples
users beyond an assignment. Doubles round, and limits bind: the optimum comes
as two numbers. No less than `certain` is reached by a decision that keeps its limits with 1e-9 to
spare, and no more than `possible` by one that breaks them by as much.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..model import TOLERANCE, Actions, evaluate, violations
from ..problem import Floats, Problem
from ..worth import forbidding_weight
from .exact import spread

MOST_SCORED = 2_000_000  # actions scored in one file, some seconds
CALL = 1000  # actions that take as long as one call of `evaluate`
RESTRICTED = {"local": "local", "semantic-unaware": "raw"}  # method -> the strongest mode it has


class Optimum(NamedTuple):
    """Between what the optimum of the grid lies; -inf where no decision keeps its limits."""

    certain: float
    possible: float


def effort(problem: Problem) -> int:
    """Return how many actions `tabulated` scores, or what takes as long."""
    users, channels = problem.gain.shape
    counts = [problem.action_counts(user) for user in range(users)]
    cells = channels * min(users, channels)
    return sum(4 * CALL + local + cells * offload for local, offload in counts)


class Table(NamedTuple):
    """The best QoE of every user at home and in every cell, as `Optimum` has it."""

    home: Floats  # (N, 2)
    cells: Floats  # (N, 2, M, K), beside m offloaders from 1 to M

    def optimum(self, objective: str) -> Optimum:
        """Return the optimum over all assignments."""
        users, _, most, channels = self.cells.shape
        best = [-np.inf, -np.inf]
        for side in range(2):
            for m in range(most + 1):
                offload = self.cells[:, side, m - 1] if m else np.full((users, channels), -np.inf)
                value = assigned(self.home[:, side], offload, m, objective)
                best[side] = max(best[side], value)
        return Optimum(*best)

    def or_better(self, other: Table) -> Table:
        """Return the better of the two in every place."""
        return Table(*map(np.maximum, self, other))

    def only(self, users: list[int]) -> Table:
        """Return the table in which nothing hinders all other users."""
        remaining = np.setdiff1d(np.arange(len(self.home)), users)
        home, cells = self.home.copy(), self.cells.copy()
        home[remaining], cells[remaining] = 0.0, 0.0
        return Table(home, cells)


def tabulated(problem: Problem, method: str = "", toll: Floats | None = None) -> Table:
    """Return what the actions of the grid are worth, restricted as a method of `RESTRICTED` is.

    With tolls (N,) on energy, QoE/J, it is QoE less toll, and 0 at home at least: a skipped task.
    """
    users, channels = problem.gain.shape
    strongest = RESTRICTED.get(method, "semantic")
    most = 0 if strongest == "local" else min(users, channels)
    tolls = np.zeros(users) if toll is None else toll
    home = np.array([local_values(problem, n, tolls[n]) for n in range(users)])
    cells = np.empty((users, 2, most, channels))
    for n in range(users if most else 0):
        cells[n] = cell_values(problem, n, strongest == "raw", tolls[n])
    if toll is not None:
        home = np.maximum(home, 0.0)
        cells = np.where(cells > -np.inf, np.maximum(cells, -float(users)), cells)
    return Table(home, cells)


def local_values(problem: Problem, user: int, toll: float = 0.0) -> Floats:
    """Return the largest QoE of a user's local actions, as `Optimum` has it: (2,)."""
    frequency = problem.grid_levels(user)[1][:, None]
    actions, gain = Actions.local(frequency), np.ones((1, 1))
    best: Floats = values(problem.only(user), actions, gain, 1, toll).max(axis=(1, 2))
    return best


def cell_values(problem: Problem, user: int, raw_only: bool, toll: float = 0.0) -> Floats:
    """Return the largest QoE of a user's actions on each sub-channel beside m offloaders.

    Returns
    -------
    (2, M, K), for m from 1 to M = min(N, K), as `Optimum` has it
    """
    power, frequency, extraction = problem.grid_levels(user)
    raw = power, problem.users.frequency_min[user : user + 1], np.ones(1)
    modes = [raw] if raw_only else [raw, (power, frequency, extraction)]
    grids = [np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1) for axes in modes]
    actions_of_modes = np.concatenate(grids, axis=1)
    channels, sizes = problem.gain.shape[1], min(problem.gain.shape)
    shape = sizes, channels, actions_of_modes.shape[1]

    def spread_out(array: Any) -> Any:
        return np.broadcast_to(array, shape).reshape(-1, 1)

    actions = Actions(spread_out(0), *map(spread_out, actions_of_modes))
    gain = spread_out(problem.gain[user][:, None])[..., None]
    m = spread_out(np.arange(1, sizes + 1)[:, None, None])
    worth = values(problem.only(user), actions, gain, m, toll)
    best: Floats = worth.reshape(2, *shape).max(axis=-1)
    return best


def values(problem: Problem, actions: Actions, gain: Floats, m: Any, toll: float = 0.0) -> Floats:
    """Return the QoE of actions (A, N) beside m offloaders (A, 1), as `Optimum` has it: (2, A, N).

    Less a toll on their energy, QoE/J. It is -inf where a limit is broken, if only by 1e-9 less, or
    by 1e-9 more.
    """
    outcome = evaluate(problem, actions, gain, problem.task, m)
    error = spread(problem, outcome)
    sides = []
    for sign in (-1.0, 1.0):
        feasible = violations(problem, outcome, slack=1.0 + sign * TOLERANCE) == 0
        taken = toll * outcome.energy * (1.0 - sign * TOLERANCE)
        sides.append(np.where(feasible, outcome.qoe + sign * error - taken, -np.inf))
    return np.stack(sides)


def assigned(home: Floats, cells: Floats, m: int, objective: str) -> float:
    """Return the best sum or minimum of QoE with m offloaders; -inf where there is none."""
    if objective == "sum":
        return assignment(home, cells, m)
    # The largest value that every user can have: found among all there are.
    candidates = np.unique(np.concatenate([home, cells.ravel()]))
    candidates = candidates[candidates > -np.inf]
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        local, offload = (
            np.where(part >= candidates[middle], 0.0, -np.inf) for part in (home, cells)
        )
        if assignment(local, offload, m) == 0.0:
            low = middle + 1
        else:
            high = middle
    return float(candidates[low - 1]) if low else -np.inf


def assignment(home: Floats, cells: Floats, m: int) -> float:
    """Return the largest sum with m users on sub-channels of their own, and the others at home."""
    from scipy.optimize import linear_sum_assignment

    users, channels = cells.shape
    # Columns: sub-channels, then N - m seats at home. Rows: users, then nobody, K - m times.
    weight = np.full((users + channels - m, channels + users - m), -np.inf)
    weight[users:, :channels] = 0.0
    weight[:users, :channels] = cells
    weight[:users, channels:] = home[:, None]
    worst = -forbidding_weight(users)
    rows, columns = linear_sum_assignment(np.where(weight > -np.inf, weight, worst), maximize=True)
    return float(weight[rows, columns].sum())
