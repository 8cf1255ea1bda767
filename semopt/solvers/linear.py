"""The linear program over weighted pieces, and the bound that its multipliers prove.

    max   sum of q_latency + q_energy + q_accuracy over all pieces
    s.t.  weights sum to 1 for each user, to at most 1 on each sub-channel,
          to `fewest` ... `most` over offloading pieces; rows of each piece <= 0

The program is compiled by CVXPY and solved by Clarabel; `Relaxed.lagrangian` trusts neither.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from warnings import catch_warnings, simplefilter

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from ..model import LOCAL, RAW, SEMANTIC
from ..problem import Floats, Integers
from .pieces import QOE, ROUNDING, Flags, Physics, Pieces, Terms, fold

# Variables of a piece beside its weight; what a mode lacks here is constant in it.
FREE = {
    LOCAL: ("compute_time", "compute_energy", *QOE),
    RAW: ("airtime", "radio_energy", *QOE),
    SEMANTIC: (
        *("extraction", "bits", "airtime", "radio_energy"),
        *("work", "compute_time", "compute_energy", "accuracy", *QOE),
    ),
}
SPARE = 1e-4  # added to capacities, so that duals are those of one more, not of one less


@dataclass(frozen=True)
class Block:
    """The rows of one mode's pieces over their weight and unit variables: all are "<= 0".

    Attributes
    ----------
    mode, index : the mode, and its pieces (J,)
    rows : (R, V, J) coefficients, none above 1 in size
    norm : (R, J) what each row was divided by
    start, width : (V, J) a variable is start weight + width unit
    top : (V, J) largest unit variable at weight 1
    pattern : (R, V) where coefficients may differ from 0
    """

    mode: int
    index: Integers
    rows: Floats
    norm: Floats
    start: Floats
    width: Floats
    top: Floats
    pattern: Flags


def block(rows: list[Terms], ends: dict[str, Floats], mode: int, index: Integers) -> Block:
    """Scale a mode's variables and rows, and loosen the rows by more than their rounding."""
    table, size, pattern = fold(rows, ends, FREE[mode], index)
    start = np.zeros(table.shape[1:])
    width, top = np.ones_like(start), np.ones_like(start)
    for v, name in enumerate(FREE[mode], start=1):
        if name in QOE:
            top[v] = ends[name][1, index]
        else:
            low, high = ends[name][:, index]
            start[v] = low * (1.0 - ROUNDING)
            # Rows of too narrow a range would be lost to rounding.
            width[v] = np.maximum(high * (1.0 + ROUNDING) - start[v], 1e-9 * high + 1e-300)
    table[:, 0] += np.einsum("rvj,vj->rj", table, start) - ROUNDING * size
    table *= width
    norm = np.abs(table).max(axis=1)
    norm = np.where(norm > 0.0, norm, 1.0)
    return Block(mode, index, table / norm[:, None], norm, start, width, top, pattern)


@dataclass(frozen=True)
class Multipliers:
    """Dual variables, all >= 0.

    Attributes
    ----------
    rows : (R, J) of each block
    user : (N,) share of each user's QoE in the objective
    channel : (K,) of the sub-channels
    fewest, most : of the bounds on the number of offloaders
    server : of the limit on the server's energy, scaled to 1
    """

    rows: list[Floats]
    user: Floats
    channel: Floats
    fewest: float
    most: float
    server: float


@dataclass(frozen=True)
class Relaxed:
    """The program's data for between `fewest` and `most` offloaders.

    Attributes
    ----------
    ends : name -> (2, J), ends of the variables at weight 1
    server : (J,) least share of the limit on the server's energy
    penalty : (N,) what it costs to leave a user unserved; one without may do so, and count among
        the offloaders or not
    """

    pieces: Pieces
    physics: Physics
    ends: dict[str, Floats]
    blocks: list[Block]
    server: Floats
    fewest: int
    most: int
    penalty: Floats

    def values(self, y: Multipliers) -> Floats:
        """Return the Lagrangian's maximum over each piece at weight 1, before prices: (J,)."""
        value = np.empty(len(self.pieces.user))
        for part, dual in zip(self.blocks, y.rows, strict=True):
            reduced = -np.einsum("rvj,rj->vj", part.rows, dual)
            reduced[-len(QOE) :] += y.user[self.pieces.user[part.index]]
            over = np.maximum(reduced[1:], 0.0) * part.top[1:]
            rounding = ROUNDING * len(reduced) * dual.sum(axis=0)
            value[part.index] = reduced[0] + over.sum(axis=0) + rounding
        return value - y.server * self.server

    def lagrangian(self, y: Multipliers) -> float:
        """Return the bound that multipliers prove, whatever they are."""
        toll = np.append(y.channel, 0.0)[self.pieces.channel] + y.most - y.fewest
        price = np.where(self.pieces.mode == LOCAL, 0.0, toll)
        best = np.where(self.penalty > 0.0, -self.penalty * y.user, y.fewest)
        np.maximum.at(best, self.pieces.user, self.values(y) - price)
        capacity = y.channel.sum() + y.most * self.most - y.fewest * self.fewest + y.server
        return float(best.sum() + capacity + ROUNDING * len(best))


class Program:
    """The compiled linear program of one shape; only its parameters change between solves."""

    def __init__(self, data: Relaxed, users: int, channels: int, objective: str) -> None:
        count = len(data.pieces.user)
        self.member, self.seat = cp.Parameter((users, count)), cp.Parameter((channels + 1, count))
        self.offload, self.server = cp.Parameter(count), cp.Parameter(count)
        self.fewest, self.most = cp.Parameter(), cp.Parameter()
        self.penalty = cp.Parameter(users, nonneg=True)
        self.optional = cp.Parameter(users)
        self.entries: list[cp.Parameter] = []
        self.units: list[cp.Variable] = []
        self.rows: list[cp.Constraint] = []
        weights, gains = [], []
        for part in data.blocks:
            lines, wide, pieces = part.rows.shape
            # Entry (r, v) of piece j couples row (r, j) with variable (v, j) of a sparse matrix.
            r, v = (x[:, None] * pieces + np.arange(pieces) for x in np.nonzero(part.pattern))
            height, width = lines * pieces, wide * pieces
            place = (r + v * height).ravel(), np.arange(r.size)
            spread = sp.csc_array((np.ones(r.size), place), shape=(height * width, r.size))
            entries, unit = cp.Parameter(r.size), cp.Variable(width, nonneg=True)
            self.entries.append(entries)
            self.units.append(unit)
            self.rows.append(cp.reshape(spread @ entries, (height, width), order="F") @ unit <= 0)
            weights.append(unit[:pieces])
            gains.append(sum(unit[v * pieces : (v + 1) * pieces] for v in range(wide - 3, wide)))
        # Users unserved and offloaders missing, at a penalty, keep every program feasible.
        weight, unserved = cp.hstack(weights), cp.Variable(users, nonneg=True)
        missing = cp.Variable(nonneg=True)
        value = self.member @ cp.hstack(gains) - cp.multiply(self.penalty, unserved)
        self.seats = self.seat @ weight <= 1 + SPARE
        offloaders = self.offload @ weight
        self.least = offloaders + self.optional @ unserved + missing >= self.fewest
        self.greatest = offloaders <= self.most + SPARE
        self.energy = self.server @ weight <= 1
        self.lowest: cp.Constraint | None = None
        goal = cp.sum(value)
        each = [self.member @ weight + unserved == 1, *self.rows]
        each += [self.seats, self.least, self.greatest, self.energy]
        if objective == "min":
            goal = cp.Variable()
            self.lowest = goal <= value
            each.append(self.lowest)
        self.problem = cp.Problem(cp.Maximize(goal - 2.0 * users * missing), each)

    def solve(self, data: Relaxed, seconds: float) -> tuple[list[Floats], Multipliers]:
        """Return unit variables (V, J) of each block, and multipliers; zeros if Clarabel fails."""
        pieces = data.pieces
        self.member.value = np.equal.outer(np.arange(self.member.shape[0]), pieces.user) * 1.0
        self.seat.value = np.equal.outer(np.arange(self.seat.shape[0]), pieces.channel) * 1.0
        self.offload.value = (pieces.mode != LOCAL) * 1.0
        self.server.value, self.penalty.value = data.server, data.penalty
        self.optional.value = (data.penalty == 0.0) * 1.0
        self.fewest.value, self.most.value = data.fewest, data.most
        for entries, part in zip(self.entries, data.blocks, strict=True):
            entries.value = part.rows[part.pattern].ravel()
        with suppress(cp.SolverError), catch_warnings():
            simplefilter("ignore")  # inaccurate multipliers prove a bound as well
            limit = min(max(seconds, 1e-3), 1e6)
            self.problem.solve(cp.CLARABEL, canon_backend="COO", time_limit=limit)

        def dual(constraint: cp.Constraint) -> Floats:
            found = constraint.dual_value
            return np.maximum(np.zeros(constraint.shape) if found is None else found, 0.0)

        units = [
            np.zeros(part.start.shape) if x.value is None else x.value.reshape(part.start.shape)
            for x, part in zip(self.units, data.blocks, strict=True)
        ]
        parts = zip(self.rows, data.blocks, strict=True)
        rows = [dual(row).reshape(part.norm.shape) for row, part in parts]
        user = np.ones(len(data.penalty))
        if self.lowest is not None:
            user = dual(self.lowest) + 1e-15
            user /= user.sum()
        fewest, most, server = (float(dual(c)) for c in (self.least, self.greatest, self.energy))
        return units, Multipliers(rows, user, dual(self.seats)[:-1], fewest, most, server)
