"""The convex problems of many pieces at once, as one linear program by CVXPY.

A piece's program is its convex problem by tangents, in units of its box:

    max   q_0 + q_1 + q_2
    s.t.  q_i <= lines above the sigmoid of cost i,      least <= cost_i <= 1,
          cost_0, cost_1 >= tangents over the logs u of power, frequency, extraction in [0, 1],
          cost_2 >= the mean of shortfalls of accuracy, where the same mean of points is u

It states where to look: its multipliers and its point become the bound of `convex.Costs.bound`,
and a tangent each where it was wrong. Pieces are independent, so that a program of any number of
them is compiled once and solves all, some at a time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from time import perf_counter
from warnings import catch_warnings, simplefilter

import cvxpy as cp
import numpy as np

from ...arrays import Flags, Floats, Integers
from ...model import sigmoid, sigmoid_slope
from .convex import Costs
from .pieces import EXTRACTION, LATENCY, POWER

ROUNDS = 4  # of tangents added where the program's point lies
TANGENTS = 8  # of each sigmoid to begin with
TANGENT_SHARES = 0.0, 0.5, 1.0  # of the logs, where costs have tangents to begin with
CORNERS = np.linspace(0.0, 1.0, 6), np.linspace(0.0, 1.0, 4)  # of extraction, of power
SIZES = 8, 32, 128  # pieces of a program: few are compiled
LARGEST_PART = SIZES[-1]
HUGE = 1e30  # in place of infinite
NEAR = 1e-6  # QoE that prices may prove less, since their points are better
EXCESS_PENALTY = 1e4  # QoE for exceeding a limit by the whole width of the cost


def slopes(low: Floats, high: Floats) -> Floats:
    """Return slopes (TANGENTS, ...) of the concave envelope of the sigmoid on [low, high] (...).

    The envelope is the secant from `low` to where it touches the concave branch, then S itself.
    """
    start = np.maximum(low, 0.0)
    end = np.maximum(np.minimum(high, start + 40.0), start)  # S is 1 beyond

    def reaches_low(touch: Floats) -> Flags:
        slope = sigmoid_slope(sigmoid(-touch))
        return np.asarray(sigmoid(touch) + slope * (low - touch) >= sigmoid(low))

    short, touch = start, end
    for _ in range(40):
        middle = 0.5 * (short + touch)
        reached = reaches_low(middle)
        short, touch = np.where(reached, short, middle), np.where(reached, middle, touch)
    # Even steps in sqrt(1 - S) follow the curvature.
    tails: Floats = np.linspace(np.sqrt(sigmoid(-touch)), np.sqrt(sigmoid(-end)), TANGENTS) ** 2
    wide = high > low
    secant = np.where(wide, (sigmoid(high) - sigmoid(low)) / np.where(wide, high - low, 1.0), 0.0)
    return np.where(reaches_low(end), sigmoid_slope(tails), secant)


class PieceProgram:
    """The compiled program of `count` pieces; one thread at a time solves it."""

    def __init__(self, count: int) -> None:
        self.count, self.lock = count, Lock()
        cuts, lines, corners = (
            n + ROUNDS
            for n in (len(TANGENT_SHARES) ** 2, TANGENTS, CORNERS[0].size * CORNERS[1].size)
        )
        # Cuts of latency and energy: scale cost - gradient u >= base.
        self.scale = [cp.Parameter((cuts, count), nonneg=True) for _ in range(2)]
        self.gradient = [[cp.Parameter((cuts, count)) for _ in range(3)] for _ in range(2)]
        self.base = [cp.Parameter((cuts, count)) for _ in range(2)]
        # Lines above the sigmoids: scale q + tilt cost <= level.
        self.unit = [cp.Parameter((lines, count), nonneg=True) for _ in range(3)]
        self.tilt = [cp.Parameter((lines, count), nonneg=True) for _ in range(3)]
        self.level = [cp.Parameter((lines, count)) for _ in range(3)]
        self.power, self.extraction = (cp.Parameter((corners, count)) for _ in range(2))
        self.short, self.least = cp.Parameter((corners, count)), cp.Parameter((3, count))

        q, self.cost, excess = (cp.Variable((3, count)) for _ in range(3))
        self.u, mix = cp.Variable((3, count)), cp.Variable((corners, count), nonneg=True)

        def rows(variable: cp.Variable, row: int, height: int) -> cp.Expression:
            return np.ones((height, 1)) @ variable[row : row + 1]

        self.cuts, limits = [], []
        for i in range(2):
            pull = sum(cp.multiply(self.gradient[i][k], rows(self.u, k, cuts)) for k in range(3))
            self.cuts.append(
                cp.multiply(self.scale[i], rows(self.cost, i, cuts)) - pull >= self.base[i]
            )
        self.mean = self.cost[2] >= cp.sum(cp.multiply(self.short, mix), axis=0)
        limits = [
            cp.multiply(self.unit[i], rows(q, i, lines))
            + cp.multiply(self.tilt[i], rows(self.cost, i, lines))
            <= self.level[i]
            for i in range(3)
        ]
        limits += [
            cp.sum(mix, axis=0) == 1,
            self.u[0] == cp.sum(cp.multiply(self.power, mix), axis=0),
            self.u[2] == cp.sum(cp.multiply(self.extraction, mix), axis=0),
            self.u[1] >= 0,
            self.u[1] <= 1,
            self.cost >= self.least,
            self.cost <= 1 + excess,
            excess >= 0,
        ]
        self.problem = cp.Problem(
            cp.Maximize(cp.sum(q) - EXCESS_PENALTY * cp.sum(excess)),
            [*self.cuts, self.mean, *limits],
        )

    def solve(self, tangents: Tangents, seconds: float) -> tuple[Floats, Floats] | None:
        """Return multipliers (3, J) and points u (3, J); None where Clarabel fails."""
        keep = len(tangents.costs.top)
        with self.lock:
            tangents.write(self, np.arange(self.count) % keep)
            with suppress(cp.SolverError), catch_warnings():
                simplefilter("ignore")  # inaccurate multipliers prove a bound as well
                limit = min(max(seconds, 1e-3), 1e6)
                self.problem.solve(cp.CLARABEL, time_limit=limit)
            if self.u.value is None or self.mean.dual_value is None:
                return None
            multipliers = [
                (scale.value * cut.dual_value).sum(axis=0)
                for scale, cut in zip(self.scale, self.cuts, strict=True)
            ]
            price = np.maximum([*multipliers, self.mean.dual_value], 0.0)
            return price[:, :keep], self.u.value[:, :keep]


@lru_cache(maxsize=8)
def program(count: int) -> PieceProgram:
    """Return the compiled program of so many pieces."""
    return PieceProgram(count)


if hasattr(os, "register_at_fork"):  # a child may find a lock that a thread it lacks has taken
    os.register_at_fork(after_in_child=program.cache_clear)


class Tangents:
    """The data of the program of J pieces: it grows by what each solution shows to be wrong.

    Attributes
    ----------
    cuts : (S, 2, 5, J), of latency and energy at S points: scale, gradient (3), base
    lines : (S, 3, 3, J), above the S sigmoids' concave envelopes: scale, tilt, level
    corners : (S, 3, J), log-extraction and log-power in units of the box, shortfall of accuracy
    """

    def __init__(self, costs: Costs, price: Floats, point: Floats) -> None:
        self.costs = costs
        self.low, high = costs.box[:, :LATENCY]
        self.log = np.log(high / self.low)
        whole = np.ones(len(costs.top))
        u = (
            np.array([(p, p, e) for p in TANGENT_SHARES for e in TANGENT_SHARES]).T[..., None]
            * whole
        )
        end = costs.best - costs.steepness * costs.least / costs.width
        tilts = slopes(costs.best - costs.steepness, end)
        e, p = np.stack(np.meshgrid(*CORNERS)).reshape(2, -1, 1) * whole
        points = self.at(np.stack([p, p, e]))
        self.cuts = self.cut(self.at(u))
        self.lines = self.line(tilts * costs.physics.weight * costs.steepness)
        self.corners = self.corner(points[[EXTRACTION, POWER]])
        self.add(price * costs.width, point, points[[EXTRACTION, POWER], 0])

    def at(self, u: Floats) -> Floats:
        """Return the actions (3, ..., J) at u."""
        low, log, ends = (
            x.reshape(*x.shape[:-1], *(1,) * (u.ndim - 2), x.shape[-1])
            for x in (self.low, self.log, self.costs.box[:, :LATENCY])
        )
        return np.asarray(np.clip(low * np.exp(u * log), *ends))

    def add(self, tilt: Floats, point: Floats, corner: Floats) -> None:
        """Add a tangent of the costs, lines of the sigmoids, a corner of the accuracy."""
        point = np.clip(point, *self.costs.box[:, :LATENCY])
        self.cuts = np.concatenate([self.cuts, self.cut(point[:, None])])
        self.lines = np.concatenate([self.lines, self.line(np.nan_to_num(tilt, posinf=0.0)[None])])
        self.corners = np.concatenate([self.corners, self.corner(corner[:, None])])

    def unit(self, row: int, value: Floats) -> Floats:
        """Return u of values (..., J) of an own variable; 0 where its range is a point."""
        log = self.log[row]
        return np.where(log > 0.0, np.log(value / self.low[row]) / np.where(log > 0.0, log, 1), 0.0)

    def cut(self, points: Floats) -> Floats:
        """Return tangents of latency and energy at points (3, S, J)."""
        costs, width = self.costs, self.costs.width
        terms, derivative = costs.gradients(points)
        u = np.stack([self.unit(k, value) for k, value in enumerate(points)])
        cuts = []
        for i in range(2):
            slope = (derivative * terms)[:, i::2].sum(axis=1) * (self.log[:, None] / width[i])
            base = (terms - costs.floor[:, None])[i::2].sum(axis=0) / width[i]
            base -= (slope * u).sum(axis=0)
            norm = np.maximum(np.maximum(np.abs(slope).max(axis=0), np.abs(base)), 1.0)
            cuts.append(np.stack([np.ones_like(norm), *slope, base]) / norm)
        return np.stack(cuts).transpose(2, 0, 1, 3)

    def line(self, tilts: Floats) -> Floats:
        """Return lines of tilts (S, 3, J), QoE a width."""
        level = self.costs.conjugate(tilts)
        norm = np.maximum(np.maximum(tilts, level), 1.0)
        return np.stack([np.ones_like(norm), tilts, level], axis=2) / norm[:, :, None]

    def corner(self, corners: Floats) -> Floats:
        """Return what stands for extractions and powers (2, S, J)."""
        short = self.costs.top - self.costs.physics.accuracy(corners[0], corners[1], 1)
        short = np.maximum(short, 0.0) / self.costs.width[2]
        logs = [self.unit(row, x) for row, x in zip((EXTRACTION, POWER), corners, strict=True)]
        return np.stack([*logs, short], axis=1)

    def write(self, target: PieceProgram, index: Integers) -> None:
        """Set the parameters of a program; `index` repeats pieces, and lines are repeated."""

        def put(parameters: list[cp.Parameter], values: Floats) -> None:
            missing = parameters[0].shape[0] - len(values)
            values = np.concatenate([values, np.repeat(values[:1], missing, axis=0)])
            values = np.nan_to_num(values[..., index], posinf=HUGE, neginf=-HUGE)
            for k, parameter in enumerate(parameters):
                parameter.value = values[:, k]

        for i in range(2):
            put([target.scale[i], *target.gradient[i], target.base[i]], self.cuts[:, i])
        for i in range(3):
            put([target.unit[i], target.tilt[i], target.level[i]], self.lines[:, i])
        put([target.extraction, target.power, target.short], self.corners)
        target.least.value = (self.costs.least / self.costs.width)[:, index]


def refine(
    costs: Costs, price: Floats, point: Floats, settled: float, seconds: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Look for better prices and points of up to LARGEST_PART pieces, none worse than those given.

    Another round must be better by `settled` (QoE).

    Returns
    -------
    price, point : (3, J), the best found
    bound, slack : what they prove; see `Costs.bound`
    """
    start = perf_counter()
    bound, slack, _ = costs.bound(price, point)
    tangents = Tangents(costs, price, point)
    size = next(size for size in SIZES if size >= len(bound))
    for _ in range(ROUNDS):
        remaining = seconds - (perf_counter() - start)
        solution = program(size).solve(tangents, remaining) if remaining > 0 else None
        if solution is None:
            break
        prices, points = solution[0] / costs.width, tangents.at(solution[1])
        new_bound, slacks, corner = costs.bound(prices, points)
        gain = bound - new_bound
        better, bound = gain >= -NEAR, np.minimum(bound, new_bound)
        price, point, slack = (
            np.where(better, new, old)
            for new, old in ((prices, price), (points, point), (slacks, slack))
        )
        if not (gain > settled).any():
            break
        tangents.add(solution[0], points, corner)
    return price, point, bound, slack
