"""The linear program over the weights of pieces, and the bound that its multipliers prove."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from ...arrays import Flags, Floats, Integers
from ...model import LOCAL
from ...problem import Problem
from ...records import Record
from ...worth import forbidding_weight
from .pieces import ROUNDING, Pieces

SPARE = 1e-4  # added to capacities, so that duals are those of one more, not of one less


@dataclass(frozen=True)
class Multipliers(Record):
    """Dual variables of the program over weights, all >= 0.

    Attributes
    ----------
    user : (N,) share of each user's QoE in the objective
    channel : (K,) of the sub-channels
    fewest, most : of the bounds on the number of offloaders
    server : of the limit on the server's energy, scaled to 1
    """

    user: Floats
    channel: Floats
    fewest: float
    most: float
    server: float


def free(problem: Problem) -> Multipliers:
    """Return multipliers that price nothing."""
    users, channels = problem.gain.shape
    share = 1.0 if problem.objective == "sum" else 1.0 / users
    return Multipliers(np.full(users, share), np.zeros(channels), 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Mixture(Record):
    """Weights of pieces, for between `fewest` and `most` offloaders.

        max   sum of value x weight over all pieces
        s.t.  weights sum to 1 for each user, to at most 1 on each sub-channel,
              to `fewest` ... `most` over offloading pieces, server x weight <= 1

    Attributes
    ----------
    value : (J,) bounds on the pieces' QoE; no point has a QoE below 0
    server : (J,) least share of the limit on the server's energy
    penalty : (N,) what it costs to leave a user unserved; one without may do so, and count among
        the offloaders or not
    """

    problem: Problem
    pieces: Pieces
    value: Floats
    server: Floats
    fewest: int
    most: int
    penalty: Floats

    def able(self) -> Flags:
        """Return which pieces may hold a point at all."""
        return (self.value >= 0.0) & (self.server <= 1.0 + ROUNDING)

    def toll(self, y: Multipliers) -> Floats:
        """Return what the pieces pay for what they take: (J,)."""
        toll = np.append(y.channel, 0.0)[self.pieces.channel] + y.most - y.fewest
        return np.where(self.pieces.mode == LOCAL, 0.0, toll) + y.server * self.server

    def worth(self, y: Multipliers) -> Floats:
        """Return the pieces' values less what they pay: (J,), -inf where no point is."""
        worth = y.user[self.pieces.user] * self.value - self.toll(y)
        return np.where(self.able(), worth, -inf)

    def lagrangian(self, y: Multipliers) -> tuple[float, Integers]:
        """Return the bound that multipliers prove, and each user's best piece, -1 for none."""
        user, worth = self.pieces.user, self.worth(y)
        best = np.where(self.penalty > 0.0, -self.penalty * y.user, y.fewest)
        np.maximum.at(best, user, worth)
        choice = np.full(len(best), -1)
        top = np.flatnonzero(worth >= best[user])
        choice[user[top]] = top
        parts = [*best, *y.channel, y.most * self.most, -y.fewest * self.fewest, y.server]
        size = np.abs(parts).sum() + len(best) * np.abs(self.toll(y)[self.able()]).max(initial=0.0)
        return float(np.sum(parts) + ROUNDING * size), choice

    def solve(self, seconds: float) -> tuple[Floats, Multipliers]:
        """Return weights (J,) and multipliers; without prices where HiGHS fails."""
        pieces, objective = self.pieces, self.problem.objective
        users, channels = self.problem.gain.shape
        index = self.columns()
        user, channel = pieces.user[index], pieces.channel[index]
        count, value = len(index), self.value[index]
        column, one = np.arange(count), np.ones(count)
        offloads = (channel >= 0) * 1.0
        # Users unserved and offloaders missing, at a penalty, keep every program feasible.
        least = self.penalty > 0.0
        wide = count + users + 1 + (objective == "min")
        user_index = np.arange(users)

        def rows(height: int, *parts: tuple[Any, Any, Any]) -> sp.csr_array:
            row, place, entry = (np.concatenate(x) for x in zip(*parts, strict=True))
            return sp.csr_array((entry, (row, place)), shape=(height, wide))

        unserved, missing, none = count + user_index, count + users, np.zeros(1, dtype=int)
        whole = rows(users, (user, column, one), (user_index, unserved, np.ones(users)))
        on = channel >= 0
        seats = rows(channels + 1, (channel[on], column[on], one[on]), (none, none, 0.0 * none))
        zero = np.zeros(count, dtype=int)
        fewest = rows(
            1,
            (zero, column, -offloads),
            (0 * user_index, unserved, np.where(least, 0.0, -1.0)),
            (none, [missing], [-1.0]),
        )
        greatest = rows(1, (zero, column, offloads))
        server = rows(1, (zero, column, self.server[index]))
        blocks = [seats, fewest, greatest, server]
        right = [*np.full(channels + 1, 1.0 + SPARE), -self.fewest, self.most + SPARE, 1.0]
        cost = np.concatenate([-value, self.penalty, [forbidding_weight(users)]])
        bounds: list[tuple[float | None, None]] = [(0.0, None)] * (count + users + 1)
        if objective == "min":
            goal = users * [count + users + 1]
            blocks.append(
                rows(
                    users,
                    (user, column, -value),
                    (user_index, unserved, self.penalty),
                    (user_index, goal, np.ones(users)),
                )
            )
            right += [0.0] * users
            cost = np.concatenate([np.zeros(count + users), [forbidding_weight(users), -1.0]])
            bounds.append((None, None))
        limit = {"time_limit": max(seconds, 1e-3)} if seconds < inf else {}
        solution = linprog(
            cost, sp.vstack(blocks), right, whole, np.ones(users), bounds, "highs", options=limit
        )
        weight = np.zeros(len(self.value))
        if solution.x is None or solution.ineqlin.marginals is None:
            return weight, free(self.problem)
        weight[index] = np.maximum(solution.x[:count], 0.0)
        dual = np.maximum(-solution.ineqlin.marginals, 0.0)
        coupling_duals = dual[channels + 1 :]
        share = np.ones(users)
        if objective == "min":
            share = coupling_duals[3:] + 1e-15
            share /= share.sum()
        return weight, Multipliers(share, dual[:channels], *(float(d) for d in coupling_duals[:3]))

    def columns(self) -> Integers:
        """Return the pieces that may have a weight: the best of a mode on each sub-channel."""
        pieces, able = self.pieces, np.flatnonzero(self.able())
        able = able[np.argsort(-self.value[able], kind="stable")]
        mode = pieces.mode * self.server.any()
        key = np.stack([pieces.user, pieces.channel, mode])[:, able]
        return able[np.unique(key, axis=1, return_index=True)[1]]
