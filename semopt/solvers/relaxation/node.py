"""A range of the number of offloaders: its pieces, and the program that mixes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from time import perf_counter

import numpy as np

from ...arrays import Flags, Floats, Integers
from ...model import MODES, TOLERANCE
from ...problem import Problem
from ...records import Record
from .convex import Costs
from .pieces import EXTRACTION, LATENCY, POWER, Physics, Pieces, latency_limit, propagate
from .program import LARGEST_PART, NEAR, refine
from .weights import Mixture, Multipliers

FINE, COARSE = 1e-5, 1e-3  # QoE, where m is known, and where its range will be halved
USED = 1e-3  # weight from which on a piece counts as used


@dataclass
class Node(Record):
    """A range of the number of offloaders, with what is known of its pieces.

    Attributes
    ----------
    pieces : that cover it; their prices and points are the best found
    value : (J,) proven on each piece's QoE
    slack : (4, J) what it adds to the QoE at the piece's point; see `Costs.bound`
    bound : proven on the objective with that many offloaders
    weight : (J,) in the solution of the program
    """

    problem: Problem
    span: tuple[int, int]
    penalty: Floats
    pieces: Pieces
    costs: Costs
    value: Floats
    slack: Floats
    bound: float
    weight: Floats
    multipliers: Multipliers

    @classmethod
    def of(
        cls,
        problem: Problem,
        pieces: Pieces,
        span: tuple[int, int],
        penalty: Floats,
        bound: float,
        multipliers: Multipliers,
    ) -> Node:
        """Return the node before any program is solved, from what is known of a larger one."""
        costs = Costs(Physics(problem, pieces, *span), pieces.box)
        count = len(pieces.user)
        empty = np.ones(count), np.zeros((4, count)), bound, np.zeros(count)
        node = cls(problem, span, penalty, pieces, costs, *empty, multipliers)
        for price in (np.zeros((3, count)), pieces.price.copy()):
            proof = costs.bound(price, pieces.point)[:2]
            node.keep(np.arange(count), price, pieces.point, *proof)
        return node

    def keep(
        self, index: Integers, price: Floats, point: Floats, value: Floats, slack: Floats
    ) -> None:
        """Take values of some pieces where they are better, and what proves them about as well."""
        better = value <= self.value[index] + NEAR
        self.value[index] = np.minimum(self.value[index], value)
        kept = index[better]
        self.slack[:, kept] = slack[:, better]
        self.pieces.price[:, kept], self.pieces.point[:, kept] = price[:, better], point[:, better]

    def mixture(self) -> Mixture:
        """Return the program over weights."""
        share = self.costs.physics.server_energy[0] / (
            self.problem.system.server_energy_max * (1.0 + TOLERANCE)
        )
        share = np.nan_to_num(share, nan=0.0, posinf=inf)
        return Mixture(self.problem, self.pieces, self.value, share, *self.span, self.penalty)

    def solve(self, seconds_left: Callable[[], float]) -> None:
        """Solve pieces until those that the weights use have the values of their own problems."""
        solved, pending = np.zeros(len(self.value), dtype=bool), self.first()
        if self.pieces.price.any():  # what was found for another range, or a larger box, is close
            choice = self.mixture().lagrangian(self.multipliers)[1]
            pending = choice[choice >= 0]
        last = inf
        while seconds_left() > 0.0:
            while pending.size and seconds_left() > 0.0:
                self.refine(pending, seconds_left())
                solved[pending] = True
                self.share(solved, pending)
                choice = self.mixture().lagrangian(self.multipliers)[1]
                pending = choice[(choice >= 0) & ~solved[choice]]
            mixture = self.mixture()
            if seconds_left() > 0.0:  # else the multipliers at hand prove what they can
                self.weight, self.multipliers = mixture.solve(seconds_left())
            bound, choice = mixture.lagrangian(self.multipliers)
            self.bound = min(self.bound, bound)
            used = np.union1d(choice[choice >= 0], np.flatnonzero(self.weight > USED))
            pending = used[~solved[used]]
            if not pending.size or not last - bound > self.settled() * len(self.penalty):
                break
            last = bound

    def settled(self) -> float:
        """Return the QoE a user by which more work must tighten the bound."""
        return FINE if self.span[0] == self.span[1] else COARSE

    def first(self) -> Integers:
        """Return each user's best piece of each mode."""
        key = self.pieces.user * len(MODES) + self.pieces.mode
        order = np.argsort(-self.value, kind="stable")
        return order[np.unique(key[order], return_index=True)[1]]

    def refine(self, index: Integers, seconds: float) -> None:
        """Solve the convex problems of some pieces."""
        start = perf_counter()
        for part in np.array_split(index, -(-len(index) // LARGEST_PART)):
            remaining = seconds - (perf_counter() - start)
            if remaining <= 0.0:
                return
            pieces = self.pieces.take(part)
            costs = Costs(Physics(self.problem, pieces, *self.span), pieces.box)
            self.keep(part, *refine(costs, pieces.price, pieces.point, self.settled(), remaining))

    def share(self, solved: Flags, fresh: Integers) -> None:
        """Try the prices of fresh pieces on those of the same user and mode that look better."""
        pieces, worth = self.pieces, self.mixture().worth(self.multipliers)
        reached = np.full(len(self.penalty), -inf)
        np.maximum.at(reached, pieces.user[solved], worth[solved])
        key = pieces.user * len(MODES) + pieces.mode
        index = np.flatnonzero(~solved & (worth > reached[pieces.user]) & np.isin(key, key[fresh]))
        if not index.size:
            return
        # The fresh piece with the nearest gain of the same key: keys are further apart than gains.
        gain = key * 1e3 + np.log(self.costs.physics.gain)
        order = fresh[np.argsort(gain[fresh])]
        right = np.clip(np.searchsorted(gain[order], gain[index]), 1, len(order) - 1)
        left = order[right - 1] if len(order) > 1 else order[right * 0]
        right = order[np.minimum(right, len(order) - 1)]
        closer = np.abs(gain[left] - gain[index]) <= np.abs(gain[right] - gain[index])
        near = np.where(closer, left, right)
        candidates = pieces.take(index)
        costs = Costs(Physics(self.problem, candidates, *self.span), candidates.box)
        price, point = pieces.price[:, near], pieces.point[:, near]
        self.keep(index, price, point, *costs.bound(price, point)[:2])

    def losses(self) -> tuple[Floats, Integers, Floats]:
        """Return by how much each piece in use adds to the bound, and where to cut it.

        Returns
        -------
        loss : (J,) what the value exceeds the QoE of the piece's point by, times its weight
        row, at : (J,) the row of its box to cut, and the value to cut it at
        """
        pieces, costs = self.pieces, self.costs
        point = np.clip(pieces.point, *pieces.box[:, :LATENCY])
        cost = costs.costs(point) * costs.width
        figures = np.stack([*costs.first + cost[:2], costs.top - cost[2]])
        low, high = pieces.box
        # Own variables are cut in their logs; what the accuracy's envelope loses is laid to the
        # variable that accuracy varies the more with.
        ratio = (high[:LATENCY] / low[:LATENCY]) ** 0.1
        inner = np.clip(point, low[:LATENCY] * ratio, high[:LATENCY] / ratio)
        margin = 0.1 * (high - low)[LATENCY:]
        places = np.concatenate(
            [inner, np.clip(figures, low[LATENCY:] + margin, high[LATENCY:] - margin)]
        )
        vary = [
            np.subtract(
                *(costs.accuracy(np.where(mask, end, point)) for end in (high[:3], low[:3]))
            )
            for row in (POWER, EXTRACTION)
            for mask in [np.arange(LATENCY)[:, None] == row]
        ]
        loss = np.zeros_like(low)
        loss[LATENCY:] = self.slack[:3]
        loss[np.where(vary[0] > vary[1], POWER, EXTRACTION), np.arange(len(cost[0]))] = self.slack[
            3
        ]
        wide = (high - low > 1e-6 * np.abs(high)) & (low < places) & (places < high)
        loss = np.where(wide, np.fmax(loss, 0.0), 0.0)
        row: Integers = loss.argmax(axis=0).astype(np.int64)
        share = self.multipliers.user[pieces.user] * self.weight * (self.weight > USED)
        return share * loss.sum(axis=0), row, places[row, np.arange(len(row))]

    def unmix(self, enough: float) -> list[Pieces]:
        """Settle on which sub-channel a user is, or is not, if mixing them is what the bound is of.

        The weights of an optimal point are 0 or 1 if the objective is "sum" and only users and
        sub-channels couple the pieces; nothing is done where each user's main share gives `enough`.
        """
        pieces, weight = self.pieces, self.weight
        cell = pieces.user, pieces.channel
        share, value = np.zeros((2, len(self.penalty), self.problem.gain.shape[1] + 1))
        np.add.at(share, cell, weight)
        np.add.at(value, cell, weight * self.value)
        main = share.argmax(axis=1)
        main = np.where(main == share.shape[1] - 1, -1, main)
        users = np.arange(len(main))
        qoe = value[users, main] / np.maximum(share[users, main], 1e-9)
        seats = main[main >= 0]
        total = qoe.min() if self.problem.objective == "min" else qoe.sum()
        user = int(share[users, main].argmin())
        if share[user, main[user]] > 1 - USED or (
            total >= enough and len(set(seats)) == len(seats)
        ):
            return []
        of_user, on_main = pieces.user == user, pieces.channel == main[user]
        return [pieces.take(~of_user | on_main), pieces.take(~of_user | ~on_main)]

    def effect(self, changed: Problem, crowd: float = 0.0) -> float:
        """Return by how much the bound moves, to first order, with the problem.

        Parameters
        ----------
        changed : differs from the node's in limits or speeds, and a little only
        crowd : by how much the number of offloaders grows beside
        """
        used = np.flatnonzero(self.weight > 1e-6)
        used_pieces = self.pieces.take(used)
        weight, y = self.weight[used], self.multipliers

        def proven(problem: Problem, more: float) -> tuple[Floats, Floats]:
            span = self.span[0] + more, self.span[1] + more
            # What followed from the limits follows anew.
            box = used_pieces.origin.copy()
            ends = box[1, LATENCY]
            ends[ends == latency_limit(self.problem)] = latency_limit(problem)
            propagated = propagate(problem, replace(used_pieces, box=box), *span)
            propagated = propagated if len(propagated.user) == len(used) else used_pieces
            physics = Physics(problem, propagated, *span)
            value = Costs(physics, propagated.box).bound(propagated.price, propagated.point)[0]
            return value, physics.server_energy[0] / self.problem.system.server_energy_max

        before, after = proven(self.problem, 0.0), proven(changed, crowd)
        moved = y.user[used_pieces.user] * (after[0] - before[0]) - y.server * (
            after[1] - before[1]
        )
        return float(weight @ np.nan_to_num(moved))
