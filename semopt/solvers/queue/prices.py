"""The prices of energy at which a queue's bound is lowest: cutting planes on D(y).

D(y) = sum_t max_a [sum_n QoE - y_n E] + sum_n y_n battery_n is convex and piecewise linear: each
joint action a of a slot t is a column (QoE, E) and a cut z_t >= QoE - y E. The master problem over
the columns known so far is a linear program; the prices that it gives are tried on all actions, and
what is best there enters as a new column, until the two agree. Only D itself is a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

import numpy as np

from ...problem import Floats, Integers
from ...queue import rounded_up

MOST_STEPS = 500


@dataclass
class Columns:
    """Joint actions of slots in their order, each once.

    Attributes
    ----------
    slot : (C,) int64
    qoe, energy : (C, N) float64, of each user, J
    channel, action : (C, N) int64, as `_core.Queue` gives them
    """

    slot: Integers
    qoe: Floats
    energy: Floats
    channel: Integers
    action: Integers

    @classmethod
    def none(cls, users: int) -> Columns:
        """Return no column."""
        figure, whole = np.empty((0, users)), np.empty((0, users), np.int64)
        return cls(np.empty(0, np.int64), figure, figure, whole, whole)

    def with_more(self, slot: Integers, answer: Any) -> Columns:
        """Return these and what `_core.Queue` answers, without what is there already."""
        _, qoe, energy, channel, action = answer
        parts = zip(
            (self.slot, self.qoe, self.energy, self.channel, self.action),
            (slot, qoe, energy, channel, action),
            strict=True,
        )
        both = Columns(*(np.concatenate(part) for part in parts))
        names = np.column_stack([both.slot, both.channel, both.action])
        return both.take(np.unique(names, axis=0, return_index=True)[1])

    def take(self, index: Any) -> Columns:
        """Index every array alike."""
        return Columns(*(array[index] for array in vars(self).values()))

    def __len__(self) -> int:
        return len(self.slot)


class Slots(Protocol):
    """The slots of a queue: `_core.Queue`, or `continuous.PricedSlots`."""

    def best(self, price: Floats) -> tuple[Floats, Floats, Floats, Integers, Integers]:
        """Return what each slot is worth at most, and the columns of a decision (T, N)."""
        ...


@dataclass
class Dual:
    """The bound at the best prices known.

    Attributes
    ----------
    price : (N,) float64, QoE/J, 0 without a battery
    bound : D(price), rounded up
    worth : (T,) float64, what each slot is worth at these prices
    columns : all that was best at some prices
    """

    price: Floats
    bound: float
    worth: Floats
    columns: Columns = field(repr=False)


def best_prices(
    queue: Slots,
    battery: Floats,
    slots: int,
    tolerance: float,
    ended: Callable[[], bool],
    report: Callable[[Dual], None],
    steps: int = MOST_STEPS,
) -> Dual:
    """Return prices at which D is within a tolerance of its minimum, or the best until the end.

    Parameters
    ----------
    battery : (N,) float64, J, inf without
    tolerance : QoE
    ended : whether time is up
    report : called with each better bound, so that Ctrl-C loses none
    steps : evaluations of D at most
    """
    limited = np.flatnonzero(battery < inf)
    price, lowest = np.zeros(len(battery)), -inf
    best = Dual(price, inf, np.full(slots, inf), Columns.none(len(battery)))
    columns, numbers = best.columns, np.arange(slots)
    for _ in range(steps):
        answer = queue.best(price)
        bound = rounded_up(
            float(answer[0].sum() + price[limited] @ battery[limited]), slots * len(battery)
        )
        if bound < best.bound:
            best = Dual(price, bound, answer[0], columns)
            report(best)
        known = len(columns)
        columns = columns.with_more(numbers, answer)
        done = best.bound - lowest <= tolerance or len(columns) == known
        if done or not limited.size or ended():
            break
        solved = master(columns, battery, slots)
        if solved is None:
            break
        lowest, price, _ = solved
    best.columns = columns
    return best


def master(columns: Columns, battery: Floats, slots: int) -> tuple[float, Floats, Floats] | None:
    """Return the least of the known cuts, the prices (N,) where it is, and each column's share.

    None where HiGHS does not solve it, say of figures too far apart: the bounds known remain.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csc_array

    limited, count = np.flatnonzero(battery < inf), len(columns)
    rows, height = slots + len(limited), 1 + len(limited)  # of one column: its slot, the batteries
    row = np.column_stack([columns.slot, np.tile(np.arange(slots, rows), (count, 1))])
    parts = columns.energy[:, limited] / battery[limited]
    figures = np.column_stack([np.ones(count), parts]).ravel(), row.ravel()
    taken = csc_array((*figures, np.arange(count + 1) * height), (rows, count))
    solution = linprog(
        -columns.qoe.sum(axis=1),
        A_ub=taken,
        b_ub=np.ones(rows),
        method="highs",
    )
    if solution.status != 0:
        return None
    price = np.zeros(len(battery))
    price[limited] = np.maximum(-solution.ineqlin.marginals[slots:], 0.0) / battery[limited]
    return -float(solution.fun), price, solution.x
