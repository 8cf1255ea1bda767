"""The search for the best decision of a queue, by the steps that `hindsight` lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...backends import packing
from ...model import Actions
from ...problem import Floats, Integers, Problem
from ...queue import QueueResult, rounded_up, within_batteries
from ...result import INTERRUPTED, TIME_LIMIT, Status
from ...worth import upper_limit
from ..continuous import SMALLEST_GAP
from .continuous import FIRST_NAME, OUTWARD, Found, PricedSlots
from .prices import MOST_STEPS, Columns, Dual, best_prices
from .proof import of_grid, off_grid
from .ranges import Node, Ranges

CASES_OF_A_TASK = 2e6  # cases looked at where no time is set: fewer, the more each of them holds
CASES_OFF_GRID = 1e5  # the same with continuous variables, where a case takes milliseconds
PRICED = 20_000  # slots that are priced, step by step, before the cases have prices of their own
AT_LEAST = 1.0  # seconds in which actions are scored, however short the time is
PROOF = 1 << 31  # bytes that cases may take in memory
CASES_OF_GRID = 100  # for a first decision, where continuous ones are looked for,
SHARE_OF_GRID = 0.2  # and of the time
NO_MORE = "limit of cases"


@dataclass
class Search:
    """A search for the best decision of a queue: what is known so far.

    Attributes
    ----------
    end : time of `perf_counter` at which the search is cut
    value, chosen : the best decision so far, a column a slot; at first every task is skipped
    upper : no decision of those that are looked for is worth more
    off_grid : actions that no grid has, by name
    proof : of `upper`, as a certificate has it, where one is asked for
    """

    problem: Problem
    gain: Floats
    task: Integers
    pays: str
    gap: float
    end: float
    threads: int
    value: float = 0.0
    upper: float = inf
    chosen: Columns = field(init=False)
    price: Floats = field(init=False)
    stopped: str = ""
    off_grid: Found = field(default_factory=Found)
    proof: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        slots, users = self.task.shape
        self.battery = self.problem.users.battery
        self.limited = np.flatnonzero(self.battery < inf)
        self.single = within_batteries(self.problem, self.pays)
        self.cases: dict[str, Any] = {}  # as `_core.Queue.cases` gives them
        self.ranges: Node | None = None  # the tree of cases off the grid
        self.price = np.zeros(users)
        nothing, whole = np.zeros((slots, users)), np.full((slots, users), -1)
        self.chosen = Columns(np.arange(slots), nothing, nothing, whole, whole)
        self.upper = rounded_up(slots * upper_limit(self.problem), self.task.size)

    def run(self, method: str, proven: bool = False) -> QueueResult:
        """Search until the gap is closed, time is up or Ctrl-C comes.

        A proof is of one case at least, however early the end comes.
        """
        try:
            if method == "global":
                self.leave_grid()
            else:
                self.decide(self.cells())
            if not self.closed and not self.stopped:
                self.stopped = TIME_LIMIT if self.ended() else NO_MORE
        except TimeoutError:
            self.stopped = TIME_LIMIT
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
        if proven:
            try:
                self.prove(method)
            except KeyboardInterrupt:
                self.details |= {"stopped": INTERRUPTED, "certificate": "none"}
        return self.result(method)

    def bound(self) -> tuple[float, Floats]:
        """Return the bound at the best prices, and these."""
        dual = self.lowest(self.cells(), MOST_STEPS, self.ended)
        return dual.bound, dual.price

    def prove(self, method: str) -> None:
        """Make the proof of the bound; Ctrl-C leaves what the search found, without one."""
        if method == "global":
            slots = self.continuous()
            root = self.ranges or Node.at(self.price, *slots.free)
            self.proof, self.upper = off_grid(slots, root, self.threads)
        else:
            if not self.cases:
                self.split(self.cells(inf), self.price, 1)
            self.proof = of_grid(self.cases)

    def cells(self, seconds: float | None = None) -> _core.Queue:
        """Return the efficient actions of all cells of the grid.

        Raises
        ------
        TimeoutError, KeyboardInterrupt
            Where there is no time for them: then nothing is known
        """
        scenario, device = packing.scenario(self.single), self.pays == "device"
        if seconds is None:
            seconds = max(self.end - perf_counter(), AT_LEAST)
        return _core.Queue(scenario, self.gain, self.task, device, self.threads, seconds)

    def decide(self, queue: _core.Queue) -> None:
        """Find prices at which D is low, in half of the time; then decide case by case."""
        half = self.end if self.end == inf else 0.5 * (perf_counter() + self.end)

        def ended() -> bool:
            return perf_counter() >= half

        def report(dual: Dual) -> None:
            self.price, self.upper = dual.price, min(self.upper, dual.bound)

        self.lowest(queue, 3 + PRICED // len(self.task), ended, report)
        self.split(queue, self.price, 1 + int(self.most_cases()))

    def lowest(
        self,
        queue: _core.Queue,
        steps: int,
        ended: Callable[[], bool],
        report: Callable[[Dual], None] = lambda dual: None,
    ) -> Dual:
        """Return the lowest D that is found in so many steps."""
        tolerance, slots = 0.05 * self.gap, len(self.task)
        return best_prices(queue, self.battery, slots, tolerance, ended, report, steps)

    def most_cases(self) -> float:
        """Return how many cases are looked at, at most."""
        (slots, users), channels = self.task.shape, self.gain.shape[2]
        sizes = min(users, channels)
        held = slots * (sizes * (1 + channels) * 8 + users * (1 + sizes * channels) * 4)
        unhurried = CASES_OF_A_TASK / (slots * users) if self.end == inf else inf
        return float(min(PROOF / held, unhurried))

    def leave_grid(self) -> None:
        """Bound all decisions, off the grid too, case by case, and look for the best of them."""
        slots = self.continuous()
        self.off_grid = slots.found

        def ended() -> bool:
            slots.seconds = self.end - perf_counter()
            return slots.seconds <= 0.0 or bool(slots.stopped)

        def report(dual: Dual) -> None:
            self.price, self.upper = dual.price, min(self.upper, dual.bound)

        def keep(decision: Columns | None) -> float:
            if decision is not None:
                self.keep(decision)
            return self.value

        ended()
        for decision in self.near_the_grid(slots, ended):
            keep(decision)
        dual = best_prices(slots, self.battery, len(self.task), 0.1 * self.gap, ended, report)
        if not slots.stopped:
            unhurried = CASES_OFF_GRID / self.task.size if self.end == inf else inf
            ranges = Ranges(slots, self.gap, unhurried, ended, keep)
            try:
                ranges.run(dual)
            finally:
                self.upper = min(self.upper, max(ranges.upper, self.value))
                self.ranges = ranges.root
                self.details["cases"] = ranges.cases
        self.stopped = slots.stopped

    def continuous(self) -> PricedSlots:
        """Return the slots with continuous variables."""
        gap = max(0.1 * self.gap / len(self.task), SMALLEST_GAP)
        return PricedSlots(self.problem, self.gain, self.task, self.pays, gap, self.threads)

    def near_the_grid(
        self, slots: PricedSlots, ended: Callable[[], bool]
    ) -> Iterator[Columns | None]:
        """Yield a good decision of the grid, and the best off it that takes no more energy."""
        queue, seconds = self.cells(), SHARE_OF_GRID * (self.end - perf_counter())
        price = self.lowest(queue, 3 + PRICED // len(self.task), ended).price
        start = self.battery, price, self.value, self.gap
        columns = queue.cases(*start, CASES_OF_GRID, seconds)[1]
        if columns is None:
            return
        grid = Columns(np.arange(len(self.task)), *columns[1:])
        yield grid
        levels = slots.levels(grid.channel, np.zeros(len(price)), grid.energy)
        yield slots.filled(grid.channel, levels)

    @property
    def closed(self) -> bool:
        """Whether bound and value are within the gap."""
        return self.upper - self.value <= self.gap

    def ended(self) -> bool:
        """Tell whether time is up."""
        return perf_counter() >= self.end

    def keep(self, decision: Columns) -> None:
        """Keep a decision, a column a slot, if it is the best so far and within the batteries."""
        spent, value = decision.energy.sum(axis=0), float(decision.qoe.sum())
        if value > self.value and (spent <= self.battery * OUTWARD).all():
            self.value, self.chosen = value, decision

    def split(self, queue: _core.Queue, price: Floats, most: int) -> None:
        """Look at the decisions case by case, at so many cases at most."""
        value, decision, upper, self.cases, why = queue.cases(
            *(self.battery, price, self.value, self.gap, most, self.end - perf_counter())
        )
        if decision is not None:
            self.value, self.chosen = value, Columns(np.arange(len(self.task)), *decision[1:])
        self.upper = max(upper, self.value)
        self.details["cases"] = len(self.cases["slot"])
        if not self.closed:
            self.stopped = self.stopped or why

    def result(self, method: str) -> QueueResult:
        """Return what is known."""
        upper = max(self.upper, self.value)
        closed = upper - self.value <= self.gap
        actions, skipped = decoded(self.problem, self.task, self.chosen, self.off_grid)
        return QueueResult(
            *(self.problem, self.gain, self.task, method),
            status=Status.OPTIMAL if closed else Status.LIMIT_REACHED,
            actions=actions,
            skipped=skipped,
            objective=self.value,
            upper_bound=upper,
            price=self.price,
            battery_pays=self.pays,
            details=self.details
            | ({} if closed else {"stopped": self.stopped or NO_MORE})
            | {"gap": self.gap},
        )


def decoded(
    problem: Problem, task: Integers, chosen: Columns, off_grid: Found
) -> tuple[Actions, NDArray[np.bool_]]:
    """Return decisions as actions (T, N), and which tasks are skipped."""
    local, skipped, named = chosen.channel < 0, chosen.action < 0, chosen.action >= FIRST_NAME
    actions = Actions(chosen.channel.copy(), *(np.zeros(task.shape) for _ in range(3)))
    actions.extraction[...] = 1.0
    for user in range(task.shape[1]):
        for kind in np.unique(task[:, user]):
            power, frequency, extraction = problem.grid_levels(user, int(kind))
            rows = (task[:, user] == kind) & ~(skipped | named)[:, user]
            home, away = rows & local[:, user], rows & ~local[:, user]
            actions.frequency[home, user] = frequency[chosen.action[home, user]]
            digit = chosen.action[away, user]
            raw, semantic = digit < len(power), np.maximum(digit - len(power), 0)
            rest, e = divmod(semantic, max(len(extraction), 1))
            p, f = divmod(rest, len(frequency))
            low = problem.users.frequency_min[user]
            actions.power[away, user] = power[np.where(raw, digit, p)]
            actions.frequency[away, user] = np.where(raw, low, frequency[f])
            levels = np.append(extraction, 1.0)
            actions.extraction[away, user] = levels[np.where(raw, -1, e)]
    for place in map(tuple, np.argwhere(named).tolist()):
        actions.put(place, off_grid[int(chosen.action[place])])
    return actions, skipped
