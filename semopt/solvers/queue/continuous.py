"""A queue with continuous power, frequency and extraction: slots with prices, solved by `global`.

With tolls y on energy each slot's bound is that of branch and bound over boxes whose scores carry
the toll (csrc/global/bounds.h), so D(y) is a bound on every policy as it is on the grid; of a case
of the queue (`ranges`) too, where users' energies in slots have ranges. What is best at some prices
joins the efficient actions of its cells, among which decisions are looked for. On sub-channels that
are chosen, the users part: each spreads its battery over its slots at a price of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import Any, NamedTuple

import numpy as np

from ... import _core
from ...backends import packing
from ...battery import counted
from ...model import Actions, evaluate, skipping
from ...problem import Floats, Integers, Problem
from ...queue import rounded_up
from ..continuous import GlobalBatch, Tolls
from .prices import Columns

FIRST_NAME = 1 << 24  # of actions off the grid, above all numbers of the grid's
SPLITS = 100  # of boxes, in search of the levels of one task
OUTWARD = 1.0 + 1e-12  # ends of ranges are sums of energies, with rounding errors
HALVINGS = 20  # of the range of a user's own price
FILLINGS = 4  # slots that get what a user's own price leaves of its battery


class Found:
    """Actions off the grid by name."""

    def __init__(self) -> None:
        self._blocks: list[Actions] = []
        self._starts = [FIRST_NAME]  # names, the last of what comes next

    def add(self, actions: Actions) -> Integers:
        """Keep actions of any shape and return their names, of the same shape."""
        first = self._starts[-1]
        self._blocks.append(Actions(*(array.ravel() for array in vars(actions).values())))
        self._starts.append(first + actions.channel.size)
        return np.arange(first, self._starts[-1]).reshape(actions.channel.shape)

    def __getitem__(self, name: int) -> Actions:
        """Return one action."""
        block = bisect_right(self._starts, name) - 1
        return self._blocks[block].take(name - self._starts[block])


class Slots:
    """Slots in which sub-channels are chosen, and levels are looked for off the grid.

    Parameters
    ----------
    gain, task : (T, N, K) float64 and (T, N) int64
    pays : "task" or "device"
    gap : of each task
    """

    def __init__(
        self, problem: Problem, gain: Floats, task: Integers, pays: str, gap: float
    ) -> None:
        self.problem, self.gain, self.task, self.pays, self.gap = problem, gain, task, pays, gap
        self._scenario = packing.scenario(problem)

    def levels(
        self, channel: Integers, price: Floats, most: Floats
    ) -> tuple[Actions, Any, Floats, Floats]:
        """Return the best actions on chosen sub-channels at prices, of energy at most `most`.

        Parameters
        ----------
        channel : (T, N) int64, -1 where local
        price : QoE/J, (N,) or (T, N)
        most : (T, N) float64, J

        Returns
        -------
        actions (T, N), which tasks are skipped, QoE and energy of the others, 0 of these
        """
        shape, at = channel.shape, np.maximum(channel, 0)
        offload = channel >= 0
        gain = np.where(offload, np.take_along_axis(self.gain, at[..., None], 2)[..., 0], 1.0)
        beside = np.where(offload, offload.sum(axis=1, keepdims=True), 0)
        users = np.broadcast_to(np.arange(shape[1]), shape)
        actions = Actions(channel.ravel().copy(), *(np.empty(channel.size) for _ in range(3)))
        rows: Any = (users, self.task, gain, beside, np.broadcast_to(price, shape), most)
        rows = [np.ascontiguousarray(row).ravel() for row in rows]
        levels = actions.power, actions.frequency, actions.extraction
        effort = self.pays == "device", self.gap, SPLITS
        _core.solve_cells(*(self._scenario, *rows, *effort, *levels))
        actions = Actions(*(array.reshape(shape) for array in vars(actions).values()))
        skipped = ~(actions.frequency > 0.0)
        actions.put(skipped, Actions.local(self.problem.users.frequency_max[skipped.nonzero()[1]]))
        played = evaluate(self.problem, actions, self.gain, self.task)
        energy = counted(self.problem, actions, played, self.gain, self.task, self.pays)
        skipped |= ~offload & (played.qoe < price * energy)
        actions.channel[skipped] = -1
        qoe, energy = (np.where(skipped, 0.0, figure) for figure in (played.qoe, energy))
        return actions, skipped, qoe, energy


class Priced(NamedTuple):
    """A slot at prices (N,), where users' energies have ranges (N,), J: it has a bound."""

    slot: int
    price: Floats
    least: Floats
    most: Floats

    @property
    def name(self) -> tuple[int, bytes]:
        """What tells it from all others."""
        return self.slot, np.concatenate([self.price, self.least, self.most]).tobytes()


class PricedSlots(Slots):
    """The slots of a queue at prices of energy, as `_core.Queue` offers them.

    Parameters
    ----------
    gap : of each slot
    """

    def __init__(
        self, problem: Problem, gain: Floats, task: Integers, pays: str, gap: float, threads: int
    ) -> None:
        super().__init__(problem, gain, task, pays, gap)
        self._batch = GlobalBatch(problem, threads, gap)
        self.found = Found()
        self.seconds, self.stopped = inf, ""

    @property
    def free(self) -> tuple[Floats, Floats]:
        """The widest ranges of energy: 0 and surely the battery, (T, N) each."""
        most = np.broadcast_to(OUTWARD * self.problem.users.battery, self.task.shape)
        return np.zeros(most.shape), np.ascontiguousarray(most)

    def best(self, price: Floats) -> Any:
        """Return a bound on each slot (T,), and of a decision near it the figures of columns."""
        return self.within(price, *self.free)

    def within(self, price: Floats, least: Floats, most: Floats, of: Any = np.s_[:]) -> Any:
        """Return the same of some slots where users' energies have ranges (T, N)."""
        tolls = Tolls(price, least, most, self.pays == "device")
        actions, _, upper, effort = self._batch.solve_within(
            self.seconds, self.gain[of], self.task[of], tolls
        )
        self.stopped = effort.get("stopped", "")
        skipped = (actions.channel < 0) & ~(actions.frequency > 0.0)
        return upper, *self.figures(actions, skipped, of)

    def proof(self, one: Priced) -> dict[str, Any]:
        """Return what proves the bound of a slot at prices, in ranges."""
        tolls = Tolls(one.price, one.least[None], one.most[None], self.pays == "device")
        return self._batch.proof(self.gain[one.slot], self.task[one.slot], tolls)

    def bound(self, worth: Floats, price: Floats) -> float:
        """Return D of slots worth so much (T,) at prices (N,)."""
        battery = self.problem.users.battery
        limited = np.isfinite(battery)
        paid = float(price[limited] @ battery[limited])
        return rounded_up(float(worth.sum()) + paid, worth.size * len(price))

    def figures(self, actions: Actions, skipped: Any, of: Any = np.s_[:]) -> tuple[Any, ...]:
        """Return QoE, energy, channel and name of actions (S, N)."""
        clocks = self.problem.users.frequency_max[skipped.nonzero()[1]]
        actions.put(skipped, Actions.local(clocks))  # of no meaning
        slots = self.gain[of], self.task[of]
        played = evaluate(self.problem, actions, *slots)
        energy = np.where(skipped, 0.0, counted(self.problem, actions, played, *slots, self.pays))
        names = np.where(skipped, -1, self.found.add(actions))
        return skipping(played, skipped).qoe, energy, actions.channel, names

    def spread(self, channel: Integers, price: Floats) -> Columns | None:
        """Spread batteries over the slots on chosen sub-channels (T, N), from a guess of prices.

        Each user has a price of its own at which it just keeps within its battery.
        """
        battery, (_, most) = self.problem.users.battery, self.free
        low, high = np.zeros(len(battery)), np.where(price > 0.0, price, 1.0)
        best = self.levels(channel, low, most)
        cheap = best[3].sum(axis=0) <= battery
        for _ in range(HALVINGS):
            tried = self.levels(channel, high, most)
            within = tried[3].sum(axis=0) <= battery
            best = mixed(best, tried, within & ~cheap)
            if (within | cheap).all():
                break
            low, high = np.where(within, low, high), np.where(within, high, 8.0 * high)
        else:
            return None
        for _ in range(HALVINGS if not cheap.all() else 0):
            middle = 0.5 * (low + high)
            tried = self.levels(channel, middle, most)
            within = tried[3].sum(axis=0) <= battery
            best = mixed(best, tried, within & ~cheap)
            low, high = np.where(within, low, middle), np.where(within, middle, high)
        return self.filled(channel, best)

    def filled(self, channel: Integers, levels: tuple[Any, ...]) -> Columns | None:
        """Give what batteries have left to the slots that gain most by it."""
        battery, (_, most) = self.problem.users.battery, self.free
        for _ in range(FILLINGS):
            left = np.maximum(battery - levels[3].sum(axis=0), 0.0)
            more = np.minimum(levels[3] + left, most)
            tried = self.levels(channel, np.zeros(len(battery)), more)
            gains = tried[2] - levels[2]
            better = gains.max(axis=0) > 0.1 * self.gap
            if not better.any():
                break
            slots = np.arange(len(channel))[:, None]
            levels = mixed(levels, tried, (slots == gains.argmax(axis=0)) & better)
        actions, skipped, *_ = levels
        if (skipped & (channel >= 0)).any():
            return None
        return Columns(np.arange(len(channel)), *self.figures(actions, skipped))


def mixed(one: tuple[Any, ...], other: tuple[Any, ...], where: Any) -> tuple[Any, ...]:
    """Return what `Slots.levels` returned, the other's where asked for."""
    fields = zip(vars(one[0]).values(), vars(other[0]).values(), strict=True)
    actions = Actions(*(np.where(where, b, a) for a, b in fields))
    return actions, *(np.where(where, b, a) for a, b in zip(one[1:], other[1:], strict=True))
