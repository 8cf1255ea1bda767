"""A bound on every policy for batteries that does not know the future.

The hindsight bound includes the worth of knowing all gains and tasks. Here slots come one by one,
and the users part instead (Hawkins, 2003; Adelman and Mersereau, 2008). In a slot each user chooses
its place, its action and a number m of offloaders by itself, and m may differ from user to user. It
pays c_mk >= 0 for sub-channel k and o_m for offloading at all, gets (sum_k c_mk + m o_m) / N of
what is paid, and l_mn, where sum_n l_mn = 0. A joint action of m offloaders gives the users no less
than its QoE then. These figures may depend on the slot's gains and tasks and on how many tasks are
left, but on no battery. So no policy is worth more than the sum over users of V_T,n(battery_n),

    V_k,n(b)  =  E max over a of [ QoE - what a pays + V_{k-1,n}(b - E) ],   V_0 = 0,

a dynamic program over one battery. Energies are rounded down to parts of the battery. Means over
draws stand for the expectation, other draws for each k: as the mean of a maximum is no less than
the maximum of means, what is computed is in expectation no less than V. Of independent replications
Student's t gives a bound that holds with a stated confidence. Good figures c, o, l come from
subgradients of what users gain at the energies that dynamic programming leaves them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _core
from ..arrays import Flags, Floats, Integers
from ..channel.laws import LAWS
from ..queue import rounded_up
from ..records import Record
from ..scenario import Scenario
from ..statistics import mean_at_most
from .cells import Cells
from .policies import make
from .training import Training

PARTS = 4096  # of a battery, to which energies are rounded down
SAMPLE = 16  # energies left at which the prices of a slot are tuned
STEPS = 300  # of subgradients
FIRST_STEP = 0.3  # QoE, then falling as the square root of the step
RESTART = 20  # steps from the best prices so far
SHORT = 10.0  # QoE a battery that a user lacks, where prices are tuned
STREAM = 5  # of the seed's children
QUANTILES = (np.arange(SAMPLE) + 0.5) / SAMPLE


@dataclass(frozen=True)
class PolicyBound(Record):
    """What no policy is worth more than, QoE a task.

    Attributes
    ----------
    value : the mean of the replications
    upper : the bound, which holds with a probability of `level`
    level : confidence, one-sided
    each : (R,) float64, the replications, each in expectation no less than any policy's value
    """

    value: float
    upper: float
    level: float
    each: Floats


def policy_bound(
    scenario: Scenario,
    *,
    level: float = 0.99,
    replications: int = 8,
    slots: int = 200,
    seed: int = 0,
    tick: Callable[[float], None] = lambda done: None,
) -> PolicyBound:
    """Return a bound on what any online policy gains in the mean on a scenario's queues.

    On the grid, from full batteries, of slots that do not depend on each other.

    Parameters
    ----------
    scenario : with batteries, and a channel of which slots are independent
    level : confidence of the bound, above 0.5 and below 1
    replications : independent ones, at least 2; the more, the lower the bound
    slots : drawn for each number of tasks left, in each replication
    seed : of the draws
    tick : told the share that is done

    Raises
    ------
    ValueError
        For a bad argument, or a scenario that is another than these

    Examples
    --------
    >>> import semopt
    >>> bound = policy_bound(semopt.Scenario.load("battery"), replications=2, slots=20)
    >>> 0.5 < bound.value < bound.upper
    True
    """
    check(scenario, level, replications, slots)
    training = Training(scenario, seed)
    _, before = training.play(make("dp", training))
    tasks = scenario.queue_length * scenario.users
    each = np.empty(replications)
    children = np.random.SeedSequence(seed, spawn_key=(STREAM,)).spawn(replications)
    for r, child in enumerate(children):
        seeds = child.generate_state(scenario.queue_length)
        each[r] = rounded_up(replicated(scenario, slots, seeds, before), tasks) / tasks
        tick((r + 1) / replications)
    return PolicyBound(float(each.mean()), mean_at_most(each, level), level, each)


def check(scenario: Scenario, level: float, replications: int, slots: int) -> None:
    """Raise ValueError for what the bound does not hold of."""
    channel = scenario.channel
    if channel is None or LAWS[channel.model].correlated:
        model = "pinned slots" if channel is None else f"channel.model = {channel.model!r}"
        raise ValueError(f"{model}: a bound on policies needs a channel of independent slots")
    if not 0.5 < level < 1.0:
        raise ValueError(f"level = {level!r}: must lie above 0.5 and below 1")
    for name, number, least in (("replications", replications, 2), ("slots", slots, 1)):
        if not (isinstance(number, int) and number >= least):
            raise ValueError(f"{name} = {number!r}: must be a whole number of at least {least}")


def replicated(scenario: Scenario, slots: int, seeds: Any, before: Floats) -> float:
    """Return the sum of V_T,n(battery_n) over users, by draws of its own for each k."""
    problem, users = scenario.template(), scenario.users
    value = np.zeros((users, PARTS + 1))
    for k, seed in enumerate(seeds, start=1):
        gain, task = scenario.draw(slots, int(seed))
        drawn = Drawn(Cells(problem, gain, task), gain.shape)
        left = before[len(before) - k]
        extra = drawn.tuned(drawn.worth_at(np.quantile(left, QUANTILES, axis=0), value))
        value = drawn.mean_worth(extra, value)
    return float(value[:, -1].sum())


class Drawn:
    """Slots and the options of their users: a number m of offloaders and a place, one a row.

    Parameters
    ----------
    cells : of the slots
    shape : S, N, K
    """

    def __init__(self, cells: Cells, shape: tuple[int, ...]) -> None:
        self.slots, self.users, self.channels = shape
        self.most = min(self.users, self.channels)
        finite = np.isfinite(cells.battery)
        self.battery = np.where(finite, cells.battery, 1.0)
        self.limited = finite
        rows = [(m, k) for m in range(self.most + 1) for k in range(-1, self.channels if m else 0)]
        self.m, self.place = np.array(rows).T  # of each option
        self.list = np.where(
            self.place < 0, 0, 1 + (self.m - 1) * self.channels + np.maximum(self.place, 0)
        )
        lists = [(-1, 0), *((k, m) for m in range(1, self.most + 1) for k in range(self.channels))]
        self.fronts = [
            [[cells.queue.front(s, n, *one)[:2] for one in lists] for n in range(self.users)]
            for s in range(self.slots)
        ]
        self.possible = self._possible()

    def _possible(self) -> Flags:
        """Return which numbers of offloaders have a joint action: (S, 1 + most)."""
        possible = np.ones((self.slots, self.most + 1), bool)
        for s, fronts in enumerate(self.fronts):
            there = np.array([[len(front[0]) > 0 for front in lists[1:]] for lists in fronts])
            for m in range(1, self.most + 1):
                there_m = there[:, (m - 1) * self.channels : m * self.channels]
                weight = np.where(there_m, 0.0, -1.0)
                possible[s, m] = _core.assign(weight, np.zeros(self.users), m)[0] == 0.0
        return possible

    def parts(self, user: int, energy: Floats) -> Floats:
        """Return energies as shares of the user's battery; 0 without one."""
        return energy / self.battery[user] if self.limited[user] else 0.0 * energy

    def worth_at(self, left: Floats, value: Floats) -> Floats:
        """Return the best QoE + V(left - E) of each option at energies left (P, N): (S, N, A, P).

        What a user cannot pay is worth so much the less; an option without action, -4 N.
        """
        share = np.where(self.limited, left / self.battery, 1.0).T
        knots = np.linspace(0.0, 1.0, value.shape[1])
        lists = 1 + self.most * self.channels
        worth = np.full((self.slots, self.users, lists, left.shape[0]), -4.0 * self.users)
        for s, n, i in np.ndindex(worth.shape[:3]):
            qoe, energy = self.fronts[s][n][i]
            if len(qoe):
                rest = share[n][:, None] - self.parts(n, energy)
                later = np.interp(rest, knots, value[n]) + SHORT * np.minimum(rest, 0.0)
                worth[s, n, i] = (qoe + later).max(axis=1)
        return worth[:, :, self.list]

    def tuned(self, worth: Floats) -> Floats:
        """Return what each option pays or gets beyond its QoE: (S, N, A), -inf where of no use.

        Subgradient steps on the sum over users of the mean over P of the best option.
        """
        channel = np.zeros((self.slots, self.most + 1, self.channels))
        offloader = np.zeros(channel.shape[:2])
        claim = np.zeros((self.slots, self.most + 1, self.users))
        self._start(worth.mean(axis=3), offloader, claim)
        figures = [channel, offloader, claim]
        best, kept = np.full(self.slots, np.inf), [figure.copy() for figure in figures]
        for step in range(STEPS):
            if step % RESTART == 0:
                figures = [figure.copy() for figure in kept]
            channel, offloader, claim = figures
            gained = worth + self.extra(*figures)[..., None]
            chosen, total = gained.argmax(axis=2), gained.max(axis=2).mean(axis=2).sum(axis=1)
            better = total < best
            best = np.where(better, total, best)
            for old, new in zip(kept, figures, strict=True):
                old[better] = new[better]
            slopes = self._slopes(chosen, channel)
            length = np.sqrt(sum((g.reshape(self.slots, -1) ** 2).sum(axis=1) for g in slopes))
            size = FIRST_STEP / np.sqrt(1.0 + step) / np.maximum(length, 1e-9)
            for figure, slope in zip(figures, slopes, strict=True):
                figure -= size.reshape(-1, *(1,) * (figure.ndim - 1)) * slope
            np.maximum(channel, 0.0, out=channel)
        return self.extra(*kept)

    def _slopes(self, chosen: Integers, channel: Floats) -> tuple[Floats, Floats, Floats]:
        """Return subgradients by c, o and l where users choose options (S, N, P)."""
        numbers, offload = np.arange(self.most + 1), self.place >= 0
        options = range(len(self.m))
        share = np.stack([(chosen == a).mean(axis=2) for a in options], axis=2)  # (S, N, A)
        of_m = np.stack([share[:, :, self.m == m].sum(axis=2) for m in numbers], axis=1)
        sent = [share[:, :, (self.m == m) & offload].sum(axis=1) for m in numbers[1:]]
        used = np.stack([np.zeros_like(channel[:, 0]), *sent], axis=1)
        part = of_m.sum(axis=2) / self.users
        by_channel = part[..., None] - used
        by_channel[:, 0] = 0.0
        by_channel[(channel <= 0.0) & (by_channel > 0.0)] = 0.0
        by_offloader = numbers * part - used.sum(axis=2)
        return by_channel, by_offloader, of_m - of_m.mean(axis=2, keepdims=True)

    def _start(self, worth: Floats, offloader: Floats, claim: Floats) -> None:
        """Set o_m to what the m-th user gains by offloading, l so that users care for no m."""
        local = worth[:, :, 0]
        each = [local]
        for m in range(1, self.most + 1):
            away = worth[:, :, (self.m == m) & (self.place >= 0)].max(axis=2)
            offloader[:, m] = np.sort(away - local, axis=1)[:, -m]
            price = offloader[:, m, None]
            each.append(np.maximum(local, away - price) + m * price / self.users)
        whole = np.stack(each, axis=1)
        claim[...] = whole.mean(axis=2, keepdims=True) - whole

    def extra(self, channel: Floats, offloader: Floats, claim: Floats) -> Floats:
        """Return what options pay or get by c (S, M, K), o (S, M) and l (S, M, N): (S, N, A)."""
        claim = claim - claim.mean(axis=2, keepdims=True)
        part = (channel.sum(axis=2) + np.arange(self.most + 1) * offloader) / self.users
        price = channel[:, self.m, np.maximum(self.place, 0)] + offloader[:, self.m]
        paid = np.where(self.place >= 0, price, 0.0) - part[:, self.m]
        got = claim[:, self.m].transpose(0, 2, 1) - paid[:, None]
        return np.where(self.possible[:, None, self.m], got, -np.inf)

    def mean_worth(self, extra: Floats, value: Floats) -> Floats:
        """Return V of one more task at all parts of the batteries: (N, G)."""
        new = np.zeros(value.shape)
        for s, n in np.ndindex(self.slots, self.users):
            lists = self.fronts[s][n]
            sums, parts = [], []
            for i, (qoe, energy) in enumerate(lists):
                here = extra[s, n, self.list == i].max()
                if len(qoe) and here > -np.inf:
                    sums.append(qoe + here)
                    parts.append(self.parts(n, energy))
            gained = np.concatenate(sums)
            part = np.floor(np.concatenate(parts) * (PARTS * (1.0 - 1e-12))).astype(int)
            order = np.lexsort((-gained, part))
            gained, part = gained[order], part[order]
            most = np.maximum.accumulate(gained)
            useful = np.r_[True, gained[1:] > most[:-1]] & (part <= PARTS)
            best = np.full(PARTS + 1, -np.inf)
            for worth, p in zip(gained[useful].tolist(), part[useful].tolist(), strict=True):
                np.maximum(best[p:], worth + value[n, : PARTS + 1 - p], out=best[p:])
            new[n] += best
        return new / self.slots
