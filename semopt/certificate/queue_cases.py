"""Re-checks the cases of a queue on the grid, every action of which is scored in balls.

The efficient actions are found by comparing balls, and each case's prices prove its bound
(`queue_format`, "On the grid"). Sums of their ends are formed in doubles, with an allowance of many
times their rounding errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import fsum, inf, nextafter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..problem import Floats, Problem
from .claims import Progress, require, whole
from .exact import FINE

if TYPE_CHECKING:
    from flint import arb

    from .balls import OneUser

ROUNDINGS = 2.0**-46  # relative allowance for sums of fewer than 10,000 terms in doubles
ALIKE = 1e-13  # of the QoE of two actions of which one stands for both
TABLES = 0.8  # of the time that a check takes: that of the actions


def check_grid(slots: list[Problem], body: dict[str, Any], upper: float, progress: Progress) -> str:
    """Check that no decision with levels of the grid is worth more than `upper`."""
    table = tabulated(slots, body["battery_pays"], lambda done: progress(TABLES * done))
    Cases(slots, table, upper).check(
        body["cases"], lambda done: progress(TABLES + (1.0 - TABLES) * done)
    )
    return f"{len(body['cases'])} cases, {table.scored} actions"


class Table(NamedTuple):
    """The efficient actions of a queue, doubles that enclose them: arrays (T, N, 1 + M K, F).

    Of each slot and user the lists are that at home, then those beside 0, 1, ... others on each
    sub-channel; lists are filled up with a QoE of -inf.
    """

    qoe: Floats  # at most
    least: Floats  # energy at least, J
    most: Floats  # energy at most, J
    scored: int  # actions in all


def tabulated(slots: list[Problem], pays: str, progress: Progress) -> Table:
    """Score every action of the grid in balls; return the efficient ones."""
    users, channels = slots[0].gain.shape
    battery = slots[0].users.battery
    lists, scored = [], 0
    for t, slot in enumerate(slots):
        for n in range(users):
            for m, k in [(0, -1), *product(range(1, min(users, channels) + 1), range(channels))]:
                ends = np.array(list(scored_actions(slot, n, k, m, pays))).reshape(-1, 4)
                scored += len(ends)
                if m == 0:  # a skipped task
                    ends = np.vstack([ends, [0.0, nextafter(0.0, 1.0), 0.0, 0.0]])
                lists.append(efficient(ends[ends[:, 2] <= battery[n]]))
        progress((t + 1) / len(slots))
    widest = max(1, *map(len, lists))
    table = np.full((3, len(lists), widest), 0.0)
    table[0] = -inf
    for place, one in enumerate(lists):
        table[:, place, : len(one)] = one[:, 1:].T
    qoe, least, most = table.reshape(3, len(slots), users, -1, widest)
    return Table(qoe, least, most, scored)


def scored_actions(
    slot: Problem, user: int, channel: int, m: int, pays: str
) -> Iterator[tuple[float, float, float, float]]:
    """Yield the ends of QoE and of energy of a user's actions that may keep its limits."""
    from .balls import PRECISIONS, OneUser, precision

    power, frequency, extraction = (levels.tolist() for levels in slot.grid_levels(user))
    if m == 0:
        modes = {"local": [(1.0, 1.0, f) for f in frequency]}
    else:
        modes = {
            "raw": [(p, 1.0, frequency[0]) for p in power],
            "semantic": list(product(power, extraction, frequency)),
        }
    gain = float(slot.gain[user, channel]) if m else 1.0
    for mode, actions in modes.items():
        for bits in PRECISIONS if actions else ():
            with precision(bits):
                one = OneUser(slot, user, mode, gain, m)
                found = [score(one, action, pays) for action in actions]
            if all(narrow for _, narrow in found):
                break
        yield from (ends for ends, _ in found if ends)


def score(
    user: OneUser, action: tuple[float, float, float], pays: str
) -> tuple[tuple[float, float, float, float] | None, bool]:
    """Return the ends of QoE and energy, None where a limit is broken; and if balls are narrow."""
    costs = user.costs(*action)
    for cost, of_limit in zip(costs, user.scores, strict=True):
        if of_limit.limit is not None and cost > of_limit.limit:
            return None, True
    qoe, energy = user.worth(costs), user.counted(costs[1], pays)
    return (*ends_of(qoe), *ends_of(energy)), bool(qoe.rad() < FINE)


def ends_of(ball: arb) -> tuple[float, float]:
    """Return doubles below and above all of a ball."""
    return nextafter(float(ball.lower()), -inf), nextafter(float(ball.upper()), inf)


def efficient(ends: Floats) -> Floats:
    """Return the rows (QoE, energy: their ends) that no other one surely equals or betters.

    The ends of a ball differ, so that no row betters itself, and none of two each other. Where two
    are as good, balls never say so: of the rest a row goes for one that stays and is worth at most
    `ALIKE` less.
    """
    by_energy = ends[np.argsort(ends[:, 3], kind="stable")]
    most = np.maximum.accumulate(by_energy[:, 0])
    cheaper = np.searchsorted(by_energy[:, 3], ends[:, 2], side="right")  # surely no dearer
    ends = ends[~(np.concatenate([[-inf], most])[cheaper] >= ends[:, 1])]
    kept: list[Any] = []
    best, waiting = -inf, 0  # of those that stay and are surely no dearer
    for row in ends[np.argsort(ends[:, 2], kind="stable")]:
        while waiting < len(kept) and kept[waiting][3] <= row[2]:
            best = max(best, kept[waiting][0])
            waiting += 1
        if best < row[1] - ALIKE:
            kept.append(row)
    return np.array(kept).reshape(-1, 4)


class Cases:
    """The tree of cases of a queue, re-checked in preorder.

    Parameters
    ----------
    slots : of the queue
    table : their efficient actions
    upper : what is claimed to bound them
    """

    def __init__(self, slots: list[Problem], table: Table, upper: float) -> None:
        self.table, self.upper = table, upper
        self.battery = slots[0].users.battery
        self.users, self.channels = slots[0].gain.shape
        self.slots, self.most = len(slots), min(slots[0].gain.shape)

    def check(self, cases: list[dict[str, Any]], progress: Progress) -> None:
        """Check that the cases cover all decisions, and that each one's prices prove the bound."""
        waiting = [self.table.qoe > -inf]
        for place, case in enumerate(cases):
            path = f"cases[{place}]"
            require(bool(waiting), f"{path}: all decisions are covered before it")
            allowed = waiting.pop()
            bound, joint = self.bound(case, allowed, path)
            if case["split"] is None:
                claim = f"{path}: its prices prove {bound}, not {self.upper}"
                require(bound <= self.upper, claim)
            else:
                waiting += self.parts(case["split"], allowed & (joint > self.upper), path)
            progress((place + 1) / len(cases))
        require(not waiting, f"cases: {len(waiting)} of them have no proof")

    def parts(self, split: list[Any], allowed: Any, path: str) -> list[Any]:
        """Return what is allowed in the two cases of a split, the one of more energy first."""
        t = whole(split[0], 0, self.slots, f"{path}.split: slot")
        n = whole(split[1], 0, self.users, f"{path}.split: user")
        below, above = allowed.copy(), allowed.copy()
        below[t, n] &= self.table.least[t, n] <= split[2]
        above[t, n] &= self.table.most[t, n] > split[2]
        return [above, below]

    def bound(self, case: dict[str, Any], allowed: Any, path: str) -> tuple[float, Floats]:
        """Return what prices prove of a case, and of the joint actions with each action in it."""
        price, duals = np.array(case["price"]), self.duals(case["duals"], path)
        require(price.shape == (self.users,), f"{path}.price: not one number a user")
        require(bool((price >= 0.0).all()), f"{path}.price: a price is negative")
        free = bool((price[self.battery == inf] == 0.0).all())
        require(free, f"{path}.price: a user without a battery has one")
        toll = price[:, None, None] * self.table.least
        worth = self.table.qoe - toll
        worth += ROUNDINGS * (np.where(allowed, np.abs(self.table.qoe), 0.0) + np.abs(toll))
        worth = np.where(allowed, worth, -inf)
        of_list = worth.max(axis=-1)
        home = of_list[:, None, :, 0]
        shape = self.slots, self.users, self.most, self.channels
        cells = of_list[:, :, 1:].reshape(shape).transpose(0, 2, 1, 3)
        offloader, channel = duals[..., 0], duals[..., 1:]
        net = (cells - channel[:, :, None] - offloader[..., None, None]).max(axis=-1)
        user = np.concatenate([home, np.maximum(home, net)], axis=1)  # for m from 0
        others = channel.sum(axis=-1) + np.arange(1, self.most + 1) * offloader
        assigned = user.sum(axis=-1)
        assigned[:, 1:] += others
        size = np.where(user > -inf, np.abs(user), 0.0).sum(axis=-1)
        size[:, 1:] += self.users * (channel.sum(axis=-1) + np.abs(offloader))
        assigned += ROUNDINGS * size
        limited = self.battery < inf
        terms = [*assigned.max(axis=1), *(price * np.where(limited, self.battery, 0.0))]
        total = fsum(terms) + ROUNDINGS * fsum(abs(x) for x in terms if x > -inf)
        total += ALIKE * self.slots * self.users
        if total == -inf:
            return total, np.full_like(worth, -inf)
        # Of the joint actions with a user's action: what else they bring, and the action.
        rest = total - assigned.max(axis=1, keepdims=True)
        possible = assigned[..., None] > -inf
        rest = np.where(
            possible, (rest + assigned)[..., None] - np.where(possible, user, 0.0), -inf
        )
        rest += ROUNDINGS * (abs(total) + 2.0 * size[..., None])
        at_cells = rest[:, 1:, :, None] - channel[:, :, None] - offloader[..., None, None]
        at_cells = at_cells.transpose(0, 2, 1, 3).reshape(self.slots, self.users, -1)
        beside = np.concatenate([rest.max(axis=1)[..., None], at_cells], axis=-1)
        return total, np.where(allowed, worth, 0.0) + beside[..., None]

    def duals(self, numbers: Any, path: str) -> Floats:
        """Return the duals of a case as an array (T, M, 1 + K)."""
        ragged = any(len(row) != 1 + self.channels for slot in numbers for row in slot)
        whole_queue = len(numbers) == self.slots and all(len(slot) == self.most for slot in numbers)
        require(
            whole_queue and not ragged,
            f"{path}.duals: not the prices of {self.slots} slots, {self.most} numbers of "
            f"offloaders and {self.channels} sub-channels",
        )
        duals = np.array(numbers, dtype=float).reshape(self.slots, self.most, 1 + self.channels)
        require(bool((duals[..., 1:] >= 0.0).all()), f"{path}.duals: a price is negative")
        return duals
