"""Optima of many slots at once, from the best action of each cell.

Where users are few and gains take few values, slots meet the same cells (user, kind of task, gain,
number of offloaders) again and again: each is scored once, for all variants of a problem in one
call, and a slot's optimum is the best of the ways to give sub-channels to users.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import combinations, permutations

import numpy as np

from ...arrays import Flags
from ...backends import cpu
from ...figures import WEIGHTS
from ...model import Outcome
from ...problem import Floats, Integers, Problem, Users
from ...records import Record

COLUMNS = [field.name for field in fields(Users)]
FIGURES = "latency", "energy", "accuracy", "qoe"


@dataclass(frozen=True)
class Variants(Record):
    """Variants X of a problem.

    Attributes
    ----------
    weights : (X, 3) of latency, energy and accuracy, NaN where they are the problem's own
    raw : (X,), whether tasks are sent raw or not at all, as semantic-unaware users do
    local : (X,), whether all tasks stay local
    """

    weights: Floats
    raw: Flags
    local: Flags


@dataclass(frozen=True)
class CellSlots(Record):
    """Slots as places in a table of cells.

    Attributes
    ----------
    gain : (G,) float64, those that there are
    cell : (W, S, N) int64, for each way to give sub-channels to users, each slot and user: where
        its cell is in a table by number of offloaders, class of users, kind of task and gain
    classes : C, users that are alike are of one
    offloaders : how many there are at most
    """

    gain: Floats
    cell: Integers
    classes: int
    offloaders: int

    @classmethod
    def of(cls, gain: Floats, task: Integers, kinds: int, alike: bool) -> CellSlots:
        """Return slots of gains (S, N, K) and tasks (S, N), of so many kinds."""
        values, which = np.unique(gain, return_inverse=True)
        which = which.reshape(gain.shape)
        _, users, channels = gain.shape
        user, classes = np.arange(users), 1 if alike else users
        row = user % classes * kinds + task
        cell = []
        for way in ways(users, channels):
            offloads = way >= 0
            size = np.where(offloads, offloads.sum(), 0)
            column = np.where(offloads, which[:, user, way], 0)
            cell.append((size * classes * kinds + row) * len(values) + column)
        return cls(values, np.array(cell), classes, min(users, channels))

    def solve(self, problem: Problem, variants: Variants) -> list[Outcome]:
        """Return what the optimum of each slot gives in each variant of a problem: (S, N).

        The QoE of a slot without a feasible decision is -inf.
        """
        count, users = len(variants.local), problem.users
        columns = {name: np.tile(getattr(users, name)[: self.classes], count) for name in COLUMNS}
        for row, weights in zip(WEIGHTS, variants.weights.T, strict=True):
            each = np.repeat(weights, self.classes)
            columns[row.name] = np.where(np.isnan(each), columns[row.name], each)
        columns["extraction_min"][np.repeat(variants.raw, self.classes)] = 1.0
        every = Users(**columns)
        rows = len(every.power_min)
        gain = np.broadcast_to(self.gain, (rows, len(self.gain)))
        of_every = replace(problem, users=every, gain=gain, task=np.zeros(rows, int))
        best = cpu.best_of_cells(of_every, self.offloaders)
        best.qoe[1:, np.repeat(variants.local, self.classes)] = -np.inf
        table = {name: self._by_variant(getattr(best, name), count) for name in FIGURES}
        value = table["qoe"].take(self.cell, axis=1).sum(axis=-1)
        way = value.argmax(axis=1)
        chosen = self.cell[way, np.arange(way.shape[1])]
        violations = np.zeros(chosen.shape[1:], np.uint8)
        return [
            Outcome(
                **{name: table[name][at].take(cells) for name in FIGURES}, violations=violations
            )
            for at, cells in enumerate(chosen)
        ]

    def _by_variant(self, cells: Floats, variants: int) -> Floats:
        """Return a figure of cells (M, X C, T, G) as a table of each variant (X, M C T G)."""
        parted = cells.reshape(len(cells), variants, -1)
        return parted.swapaxes(0, 1).reshape(variants, -1)


def ways(users: int, channels: int) -> list[Integers]:
    """Return all ways to give sub-channels to users (N,): each to one at most, -1 is none."""
    found = []
    for offloaders in range(min(users, channels) + 1):
        for who in combinations(range(users), offloaders):
            for to in permutations(range(channels), offloaders):
                way = np.full(users, -1)
                way[list(who)] = to
                found.append(way)
    return found
