"""Cases of a queue with continuous variables: ranges of users' energies in slots, best bound first.

A case holds the decisions whose energies lie in ranges [least, most] (T, N). Its bound is D at
prices of its own, less energy than the least being charged and scored as the least (csrc/global):
that keeps stronger channels better, as a slot's solver takes for granted. The master's optimum of a
case mixes decisions in few slots. Where it does most, at a user's mean energy there, the case is
cut in two, and the mixture is in neither. A case is dropped where its bound is no more than the
value of the decision in hand and the gap; each shows sub-channels, on which batteries are spread
for a better one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count

import numpy as np

from ...problem import Floats
from .continuous import OUTWARD, Priced, PricedSlots
from .prices import Columns, Dual, master

STEPS = 8  # of a case's prices
TIGHT = 0.1  # of what lies between a case's bound and the value: how far its prices may be off
NOTHING = 1e-6  # of the gap: what a mixture may lose without being one
KEPT = 12  # columns a slot that a case hands on
ASIDE = 0.2  # of the energies that are mixed: how far from both of them the cut is


@dataclass
class Node:
    """A case in the tree of cases that covers all decisions.

    Attributes
    ----------
    slots : what its bound rests on, T of the same prices, whose ranges hold those of the case
    split : where its two parts differ: slot, user, J; None of a case without
    parts : the one of less energy, the one of more; None where no decision keeps the batteries
    """

    slots: list[Priced]
    split: tuple[int, int, float] | None = None
    parts: tuple[Node | None, Node | None] = (None, None)

    @classmethod
    def at(cls, price: Floats, least: Floats, most: Floats) -> Node:
        """Return a case without parts: all its slots at the same prices, in its ranges (T, N)."""
        slots = enumerate(zip(least, most, strict=True))
        return cls([Priced(t, price, *ends) for t, ends in slots])


@dataclass
class Case:
    """Ranges of energy (T, N), J, and the bound at prices (N,) on what lies in them."""

    least: Floats
    most: Floats
    price: Floats
    bound: float
    worth: Floats
    columns: Columns
    node: Node = field(repr=False)


class Ranges:
    """A search through the cases of a queue.

    Parameters
    ----------
    slots : of the queue, off the grid
    gap : largest difference of bound and value that is wanted
    most : cases that are looked at
    ended : whether time is up
    keep : takes a decision, a column a slot, and returns the value of the best so far

    Attributes
    ----------
    value : of the best decision so far
    upper : no decision is worth more than this or `value`, whenever the search is cut short
    cases : looked at
    root : of the tree of cases, none of whose bounds is above the larger of the two
    """

    def __init__(
        self,
        slots: PricedSlots,
        gap: float,
        most: float,
        ended: Callable[[], bool],
        keep: Callable[[Columns | None], float],
    ) -> None:
        self.slots, self.gap, self.ended, self.keep = slots, gap, ended, keep
        self.upper, self.battery = np.inf, slots.problem.users.battery
        self.most, self.cases = most, 0
        self.value, self.closed = keep(None), -np.inf
        self._known: set[bytes] = set()
        self.root: Node | None = None

    def run(self, dual: Dual) -> None:
        """Cut cases until the gap is closed or time is up."""
        number = count()
        ends = self.slots.free
        self.root = Node.at(dual.price, *ends)
        root = Case(*ends, dual.price, dual.bound, dual.worth, dual.columns, self.root)
        heap = [(-root.bound, next(number), root)]
        while heap and self.cases < self.most and not self.ended():
            self.upper = max(-heap[0][0], self.closed)
            if self.upper <= self.value + self.gap:
                return
            case = heappop(heap)[2]
            self.cases += 1
            share = self.refine(case)
            if share is not None:
                self.offer(case, share)
            if self.slots.stopped:
                return
            for part in self.parts(case, share):
                heappush(heap, (-part.bound, next(number), part))
        self.upper = max(self.closed, -heap[0][0] if heap else -np.inf)

    def parts(self, case: Case, share: Floats | None) -> list[Case]:
        """Return the cases that a case is cut into, of those that matter."""
        enough = self.value + self.gap
        halves = self.cut(case, share) if share is not None and case.bound > enough else [case]
        self.closed = max(
            [self.closed, *(h.bound for h in halves if h is case or h.bound <= enough)]
        )
        return [half for half in halves if half is not case and half.bound > enough]

    def refine(self, case: Case) -> Floats | None:
        """Find good prices of a case; return the share that each of its columns has."""
        left = np.maximum(self.battery - case.least.sum(axis=0), 1e-9 * self.battery)
        numbers, share, failed = np.arange(len(case.least)), None, False
        for step in range(STEPS):
            columns = case.columns
            above = np.maximum(columns.energy - case.least[columns.slot], 0.0)
            solved = master(replace(columns, energy=above), left, len(numbers))
            if solved is None:
                return None
            lowest, price, share = solved
            wanted = max(0.5 * self.gap, TIGHT * (case.bound - self.value))
            enough = max(self.value + self.gap, lowest + wanted)
            if case.bound <= enough or step + 1 == STEPS or self.ended():
                break
            if failed:  # the master's optimum lies too far out
                price = 0.5 * (price + case.price)
            answer = self.slots.within(price, case.least, case.most)
            bound = self.slots.bound(answer[0], price)
            failed = bound >= case.bound
            if not failed:
                case.price, case.bound, case.worth = price, bound, answer[0]
                case.node.slots = Node.at(price, case.least, case.most).slots
            case.columns = columns.with_more(numbers, answer)
        return share

    def cut(self, case: Case, share: Floats) -> list[Case]:
        """Cut a case where its columns mix a user's energy most; at the widest range otherwise."""
        columns, (slots, _) = case.columns, case.least.shape
        energy = np.maximum(columns.energy, case.least[columns.slot])
        null = np.maximum(1.0 - np.bincount(columns.slot, share, slots), 0.0)[:, None]
        mean = case.least * null
        np.add.at(mean, columns.slot, share[:, None] * energy)
        low = share[:, None] * (energy < mean[columns.slot])
        weight, total = null + np.zeros(mean.shape), case.least * null
        np.add.at(weight, columns.slot, low)
        np.add.at(total, columns.slot, low * energy)
        rate = case.price + self.gap / self.battery  # where no price tells, the shares do
        lost = (mean * weight - total) * rate
        slot, user = np.unravel_index(lost.argmax(), lost.shape)
        if lost[slot, user] > NOTHING * self.gap:
            below = total[slot, user] / weight[slot, user]
            above = (mean - total)[slot, user] / (1.0 - weight[slot, user])
            aside = ASIDE * (above - below)
            at = float(np.clip(mean[slot, user], below + aside, above - aside))
        else:
            wide = np.where(rate > 0.0, case.most - case.least, 0.0) * rate
            slot, user = np.unravel_index(wide.argmax(), wide.shape)
            if not wide[slot, user] > 0.0:
                return [case]
            at = 0.5 * float(case.least[slot, user] + case.most[slot, user])
        least, most = case.least.copy(), case.most.copy()
        least[slot, user] = most[slot, user] = at
        below = self.part(case, int(slot), case.least, most)
        above = self.part(case, int(slot), least, case.most)
        halves = [half for half in (below, above) if half]
        case.node.parts = below.node if below else None, above.node if above else None
        case.node.split = int(slot), int(user), at
        return halves

    def part(self, case: Case, slot: int, least: Floats, most: Floats) -> Case | None:
        """Return a part of a case that differs in one slot; None without a decision in it."""
        most = np.minimum(most, self.battery * OUTWARD - (least.sum(axis=0) - least))
        if (most < least).any():
            return None
        one = np.s_[slot : slot + 1]
        answer = self.slots.within(case.price, least[one], most[one], one)
        worth, slots = case.worth.copy(), list(case.node.slots)
        if answer[0][0] <= worth[slot]:
            worth[slot] = answer[0][0]
            slots[slot] = Priced(slot, case.price, least[slot], most[slot])
        columns = case.columns
        energy, of = columns.energy, columns.slot
        columns = columns.take(((least[of] <= energy) & (energy <= most[of])).all(axis=1))
        columns = columns.with_more(np.array([slot]), answer)
        bound = min(self.slots.bound(worth, case.price), case.bound)
        columns = self.trimmed(columns, case.price)
        return Case(least, most, case.price, bound, worth, columns, Node(slots))

    def trimmed(self, columns: Columns, price: Floats) -> Columns:
        """Return the best columns of each slot at some prices."""
        worth = columns.qoe.sum(axis=1) - columns.energy @ price
        order = np.lexsort((-worth, columns.slot))
        slot = columns.slot[order]
        rank = np.arange(len(order)) - np.searchsorted(slot, slot)
        return columns.take(np.sort(order[rank < KEPT]))

    def offer(self, case: Case, share: Floats) -> None:
        """Spread batteries on the sub-channels of the columns with the largest shares.

        By users' own prices, and as the shares do: within the ranges of a case these may tell what
        no price does.
        """
        columns = case.columns
        order = np.lexsort((-share, columns.slot))
        first = order[np.unique(columns.slot[order], return_index=True)[1]]
        if len(first) < len(case.least):
            return
        channel, name = columns.channel[first], columns.channel[first].tobytes()
        if name not in self._known:
            self._known.add(name)
            self.value = self.keep(self.slots.spread(channel, case.price))
        mean = np.zeros(case.least.shape)
        np.add.at(mean, columns.slot, share[:, None] * columns.energy)
        levels = self.slots.levels(channel, np.zeros(len(case.price)), mean)
        self.value = self.keep(self.slots.filled(channel, levels))
