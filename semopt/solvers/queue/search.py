"""The search for the best decision of a queue, by the steps that `hindsight` lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
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
from .continuous import FIRST_NAME, PricedSlots
from .prices import Columns, Dual, best_prices, master

FEW_USERS = 3  # whose states dominate each other often
WIDTHS = (100, 3_000, 100_000, 3_000_000)  # states of a slot that go on
KEPT = 30_000_000  # states of all slots, at most
OF_ONE_USER = (30, 3_000)  # the same, where one user's actions are chosen
LISTED = 200_000  # joint actions of all slots, at most
FIRST_DEPTH = 0.02  # of D: how far below the best of its slot a joint action is listed at first
DEEPER = 4.0  # times as far at most, while the decision in hand is a poor one
# Of the best prices: those at which the slots that are left are bounded.
RATES = (0.0, 0.4, 0.7, 0.9, 1.0, 1.15, 1.5, 2.2, 4.0, 8.0, 16.0, 32.0)
ROUNDINGS = 20  # of the shares that columns have in the master's optimum
ROUNDED = 1.0 + 1e-12  # energies are added in several orders
NO_MORE = "the search has no further step"


@dataclass
class Search:
    """A search for the best decision of a queue: what is known so far.

    Attributes
    ----------
    end : time of `perf_counter` at which the search is cut
    value, chosen : the best decision so far, a column a slot; at first every task is skipped
    upper : no decision of those that are looked for is worth more
    everywhere : the bound on all decisions with continuous variables, where it is asked for
    off_grid : actions that no grid has, by name
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
    everywhere: Dual | None = None
    off_grid: list[Actions] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        slots, users = self.task.shape
        self.battery = self.problem.users.battery
        self.limited = np.flatnonzero(self.battery < inf)
        self.single = within_batteries(self.problem, self.pays)
        self.price = np.zeros(users)
        nothing, whole = np.zeros((slots, users)), np.full((slots, users), -1)
        self.chosen = Columns(np.arange(slots), nothing, nothing, whole, whole)
        self.upper = rounded_up(slots * upper_limit(self.problem), self.task.size)

    def run(self, method: str) -> QueueResult:
        """Search until the gap is closed, time is up or Ctrl-C comes."""
        try:
            queue = self.cells()
            if method == "global":
                self.leave_grid(queue)
            if not self.stopped:
                self.decide(queue)
            if not self.closed and not self.stopped:
                self.stopped = TIME_LIMIT if self.ended() else NO_MORE
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED
        return self.result(method)

    def bound(self) -> tuple[float, Floats]:
        """Return the bound at the best prices, and these."""
        self.price_energy(self.cells())
        return self.upper, self.price

    def cells(self) -> _core.Queue:
        """Return the efficient actions of all cells of the grid."""
        scenario, device = packing.scenario(self.single), self.pays == "device"
        return _core.Queue(scenario, self.gain, self.task, device, self.threads)

    def decide(self, queue: _core.Queue) -> None:
        """Look for the best decision among the efficient actions of the queue's cells."""
        dual = self.price_energy(queue)
        if not self.closed:
            self.round_shares(queue, dual)
        if not self.closed:
            self.run_states(queue, dual)

    def leave_grid(self, queue: _core.Queue) -> None:
        """Find a bound on all decisions, off the grid too; what is best there joins the cells."""
        gap = max(0.1 * self.gap / len(self.task), SMALLEST_GAP)
        slots = PricedSlots(self.single, self.gain, self.task, queue, gap, self.threads)
        end = self.end if self.end == inf else 0.5 * (perf_counter() + self.end)

        def ended() -> bool:
            slots.seconds = end - perf_counter()
            return slots.seconds <= 0.0 or bool(slots.stopped)

        def report(dual: Dual) -> None:
            self.everywhere = dual

        ended()
        report(best_prices(slots, self.battery, len(self.task), 0.1 * self.gap, ended, report))
        self.off_grid = slots.actions
        if slots.stopped == INTERRUPTED:
            self.stopped = INTERRUPTED

    @property
    def few(self) -> bool:
        """Whether so few users have batteries that few states are left of many."""
        return len(self.limited) <= FEW_USERS

    @property
    def closed(self) -> bool:
        """Whether bound and value are within the gap."""
        return self.upper - self.value <= self.gap

    def ended(self) -> bool:
        """Tell whether time is up."""
        return perf_counter() >= self.end

    def price_energy(self, queue: _core.Queue) -> Dual:
        """Find the prices at which D is lowest; where all is within the batteries, that is all."""
        slots = len(self.task)

        def report(dual: Dual) -> None:
            self.price, self.upper = dual.price, min(self.upper, dual.bound)

        dual = best_prices(queue, self.battery, slots, 0.05 * self.gap, self.ended, report)
        answer = queue.best(dual.price)
        self.keep(Columns(np.arange(slots), *answer[1:]))
        return dual

    def keep(self, decision: Columns) -> None:
        """Keep a decision, a column a slot, if it is the best so far and within the batteries."""
        spent, value = decision.energy.sum(axis=0), float(decision.qoe.sum())
        if value > self.value and (spent <= self.battery * ROUNDED).all():
            self.value, self.chosen = value, decision

    def run_states(self, queue: _core.Queue, dual: Dual) -> None:
        """Run states through the slots over all joint actions that matter, wider and wider."""
        rates, widths = self.completion_prices(), iter(WIDTHS if self.few else WIDTHS[:1])
        depth = min(FIRST_DEPTH * dual.bound, dual.bound - self.value)
        width = next(widths)
        while True:
            columns, listed = self.listed(queue, dual, depth)
            fitting = min(width, 1 + KEPT // len(self.task))
            dropped, choice = self.choose(columns, self.limited, rates, self.value, fitting)
            if choice is not None:
                self.keep(columns.take(choice))
            self.bound_by(max(dropped, dual.bound - listed))
            needed, lacking = dual.bound - self.value, listed < depth
            if self.closed or self.stopped or (lacking and not self.few):
                return
            if dropped > self.value + self.gap:
                width = next(widths, 0)
            elif lacking:
                return  # there are more joint actions than can be listed
            if not width:
                return
            depth = needed if needed < DEEPER * depth else DEEPER * depth

    def round_shares(self, queue: _core.Queue, dual: Dual) -> None:
        """Take a whole column a slot by its share in the master's optimum, and polish."""
        slots = len(self.task)
        solution = master(dual.columns, self.battery, slots)
        if solution is None:
            return
        share = solution[2]
        first = np.searchsorted(dual.columns.slot, np.arange(slots))
        rng = np.random.default_rng(0)
        for attempt in range(2 if self.few else ROUNDINGS):
            if self.ended():
                return
            # Of exponential times at rates of the shares the first comes in the proportion of them.
            times = rng.exponential(size=len(share)) if attempt else np.ones(len(share))
            with np.errstate(divide="ignore"):
                times /= np.maximum(share, 0.0)
            choice = first + [int(part.argmin()) for part in np.split(times, first[1:])]
            self.keep(self.polished(queue, dual.columns.take(choice)))
            if self.closed or self.stopped:
                return

    def polished(self, queue: _core.Queue, decision: Columns) -> Columns:
        """Return a decision whose users' actions are the best on their sub-channels."""
        decision = decision.take(np.arange(len(decision)))
        offloaders = (decision.channel >= 0).sum(axis=1)
        for user, battery in enumerate(self.battery):
            cells = [
                queue.front(t, user, int(channel), int(m))
                for t, (channel, m) in enumerate(
                    zip(decision.channel[:, user], offloaders, strict=True)
                )
            ]
            lengths = [len(cell[0]) for cell in cells]
            qoe, energy, action = (np.concatenate([cell[i] for cell in cells]) for i in range(3))
            slot = np.repeat(np.arange(len(cells)), lengths)
            last = np.cumsum(lengths) - 1  # the most QoE
            alone = Columns(slot, qoe[:, None], energy[:, None], action[:, None], action[:, None])
            best: Any = last if battery == inf else None
            for width in OF_ONE_USER if best is None else ():
                rates = (self.price[user] or 1.0) * np.array(RATES)[:, None]
                lower = -inf if best is None else float(qoe[best].sum())
                _, better = self.choose(alone, np.array([user]), rates, lower, width)
                best = best if better is None else better
            if best is not None:
                decision.qoe[:, user], decision.energy[:, user] = qoe[best], energy[best]
                decision.action[:, user] = action[best]
        return decision

    def completion_prices(self) -> Floats:
        """Return prices (J, L) for bounds on what the slots that are left can add."""
        scale = np.where(self.price > 0.0, self.price, self.price.max(initial=0.0) or 1.0)
        if self.few:
            rates = RATES if len(self.limited) < FEW_USERS else RATES[::3]
            grid = np.array(list(product(rates, repeat=len(self.limited))))
        else:
            spread = np.repeat([0.1, 0.5, 1.5], 20)[:, None]
            drawn = np.random.default_rng(0).normal(size=(len(spread), len(self.limited)))
            grid = np.exp(spread * drawn)
        return np.vstack([self.price[self.limited], grid * scale[self.limited]])

    def listed(self, queue: _core.Queue, dual: Dual, depth: float) -> tuple[Columns, float]:
        """Return all joint actions less than `depth` below the best of their slots, and the depth.

        It is less where there would be too many.
        """
        slack, most_of_slot = rounded_up(0.0, self.task.shape[1]), 1 + LISTED // len(self.task)
        while True:
            parts = []
            for t, best in enumerate(dual.worth):
                part = queue.columns(t, dual.price, float(best) - depth - slack, most_of_slot)
                if part is None:
                    break
                parts.append(part)
            if len(parts) == len(dual.worth):
                break
            depth *= 0.5
        lengths = [len(part[0]) for part in parts]
        arrays = (np.concatenate([part[i] for part in parts]) for i in range(1, 5))
        return Columns(np.repeat(np.arange(len(parts)), lengths), *arrays), depth

    def choose(
        self, columns: Columns, users: Integers, rates: Floats, lower: float, width: int
    ) -> tuple[float, Integers | None]:
        """Choose a column a slot within the batteries of users, worth more than `lower`.

        Returns
        -------
        a bound on all choices worth more than `lower` but this one, and the choice (T,), if any
        """
        first = np.searchsorted(columns.slot, np.arange(len(self.task)))
        one = len(users) == columns.energy.shape[1]
        energy = columns.energy if one else columns.energy[:, users]
        value, upper, choice, states, why = _core.choose(
            np.split(columns.qoe.sum(axis=1), first[1:]),
            [np.ascontiguousarray(part) for part in np.split(energy, first[1:])],
            np.ascontiguousarray(self.battery[users]),
            rates,
            *(lower, 0.5 * self.gap, width, self.end - perf_counter()),
        )
        self.details["states"] = self.details.get("states", 0) + states
        self.stopped = self.stopped or why
        return upper, first + np.array(choice, np.int64) if value > lower else None

    def bound_by(self, upper: float) -> None:
        """Lower the bound, to no less than the value."""
        self.upper = min(self.upper, max(rounded_up(upper, self.task.size), self.value))

    def result(self, method: str) -> QueueResult:
        """Return what is known."""
        upper, price = self.upper, self.price
        if method == "global":
            most = rounded_up(len(self.task) * upper_limit(self.problem), self.task.size)
            known = self.everywhere
            upper = max(min(most, known.bound) if known else most, self.value)
            price = known.price if known else price
        closed = upper - self.value <= self.gap
        actions, skipped = decoded(self.problem, self.task, self.chosen, self.off_grid)
        return QueueResult(
            *(self.problem, self.gain, self.task, method),
            status=Status.OPTIMAL if closed else Status.LIMIT_REACHED,
            actions=actions,
            skipped=skipped,
            objective=self.value,
            upper_bound=upper,
            price=price,
            battery_pays=self.pays,
            details=self.details
            | ({} if closed else {"stopped": self.stopped or NO_MORE})
            | {"gap": self.gap},
        )


def decoded(
    problem: Problem, task: Integers, chosen: Columns, off_grid: list[Actions]
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
        actions.put(place, off_grid[chosen.action[place] - FIRST_NAME])
    return actions, skipped
