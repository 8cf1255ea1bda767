"""Whole queues played by a policy: the rules of `battery.step`, figures of the reference model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Flags, Floats, Integers
from ..battery import in_place_of_skips, step
from ..problem import Problem
from ..records import Record
from ..worth import within_limits
from .cells import Cells
from .policy import GridPolicy, Policy


@dataclass(frozen=True)
class Played(Record):
    """What E queues of T slots gave: arrays (E, T, N), and of the end (E, N).

    Attributes
    ----------
    qoe : 0 where a task is skipped or breaks a limit
    latency, energy, accuracy : s, J; latency and accuracy are NaN where a task is skipped
    skipped, infeasible : bool
    unpaid : bool, skipped since the battery could not pay, and offloaded: it keeps its place in m
    left : (E, N) float64, J, energy left at the end; inf without a battery
    """

    qoe: Floats
    latency: Floats
    energy: Floats
    accuracy: Floats
    skipped: Flags
    infeasible: Flags
    unpaid: Flags
    left: Floats

    @classmethod
    def joined(cls, parts: Sequence[Played]) -> Played:
        """Return what several lots of queues gave as one."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    @property
    def value(self) -> Floats:
        """QoE a task of each queue: (E,) float64."""
        value: Floats = self.qoe.mean(axis=(1, 2))
        return value


def play(
    problem: Problem, policy: Policy, gain: Floats, task: Integers, cells: Cells | None = None
) -> Played:
    """Play queues side by side, each from full batteries to its last task.

    Parameters
    ----------
    gain : (E, T, N, K) float64, linear power gain
    task : (E, T, N) int64, index into the scenario's tasks
    cells : of the same slots, those of a queue side by side, where they are known already
    """
    queues, length = task.shape[:2]
    left, rows = np.tile(problem.users.battery, (queues, 1)), np.arange(queues) * length
    lots: list[Played] = []
    for t in range(length):
        now = np.ascontiguousarray(gain[:, t]), np.ascontiguousarray(task[:, t])
        if cells is not None and isinstance(policy, GridPolicy):
            part = cells.take(rows + t)
            actions, chosen = part.decoded(policy.choose(part, left, length - t))
        else:
            actions, chosen = policy(*now, left, length - t)
        played = step(problem, actions, chosen, left, *now)
        outcome, left = played.outcome, played.left
        executed = in_place_of_skips(problem, actions, chosen)
        kept = played.skipped | within_limits(problem, executed, outcome, now[1])
        qoe = np.where(kept, outcome.qoe, 0.0)
        figures = outcome.latency, outcome.energy, outcome.accuracy
        unpaid = played.skipped & executed.offload
        lots.append(Played(qoe, *figures, played.skipped, ~kept, unpaid, left))
    tasks = [name for name in vars(lots[0]) if name != "left"]
    stacked = {name: np.stack([vars(lot)[name] for lot in lots], axis=1) for name in tasks}
    return replace(lots[-1], **stacked)
