"""What is decided for a queue of slots that share batteries, and how that proves itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import inf, isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .battery import counted, in_place_of_skips, remaining
from .model import Actions, Outcome, evaluate, exceeds, skipping
from .problem import Floats, Integers, Problem
from .records import Record
from .result import INTERRUPTED, Result, Status, number


@dataclass(frozen=True)
class QueueResult(Record):
    """The decision for a queue, and a bound on what any policy reaches on it.

    Attributes
    ----------
    problem : the scenario; its own slot is not used
    gain : (T, N, K) float64, linear power gain
    task : (T, N) int64, index into the scenario's tasks
    method : "exact" on the grid, "global" with continuous variables
    status : how the search ended
    actions : arrays (T, N)
    skipped : (T, N) bool, tasks that are not executed; their actions say nothing
    objective : sum of QoE over slots and users
    upper_bound : proven bound on it
    price : (N,) float64, QoE/J: what a little more of each battery is worth by the bound
    battery_pays : "task" or "device": the energy that counts, (9) or (7) alone
    seconds : wall time
    details : further figures, JSON values only
    """

    problem: Problem
    gain: Floats
    task: Integers
    method: str
    status: Status
    actions: Actions
    skipped: NDArray[np.bool_]
    objective: float
    upper_bound: float
    price: Floats
    battery_pays: str = "task"
    seconds: float = nan
    details: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return what is known, in one line."""
        slots, users = self.task.shape
        return (
            f"<QueueResult of {self.method}, {slots} slots of {users} users: {self.status.word}, "
            f"value {self.objective:g}, bound {self.upper_bound:g}>"
        )

    def plot(self) -> Any:
        """Return the energy left over time, and all modes and skips, as a chart of Altair.

        Raises
        ------
        ValueError
            Where Altair is missing
        """
        from .report.plots import of_queue

        return of_queue(self, self.problem.origin.get("name", "a problem"))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut the search short."""
        return bool(self.details.get("stopped") == INTERRUPTED)

    @cached_property
    def outcome(self) -> Outcome:
        """What the decisions give by the reference model: arrays (T, N), NaN where skipped."""
        executed = evaluate(self.problem, self.executed, self.gain, self.task)
        return skipping(executed, self.skipped)

    @property
    def executed(self) -> Actions:
        """The actions, with a local one in place of each skipped task: arrays (T, N)."""
        return in_place_of_skips(self.problem, self.actions, self.skipped)

    @cached_property
    def spent(self) -> Floats:
        """Energy that counts, of each task: (T, N) float64, J."""
        slots = self.gain, self.task, self.battery_pays
        energy = counted(self.problem, self.executed, self.outcome, *slots)
        return np.where(self.skipped, 0.0, energy)

    def energy_left(self) -> Floats:
        """Return what is left of each battery after each slot: (T, N) float64, J; inf without."""
        return remaining(self.problem.users.battery, np.cumsum(self.spent, axis=0))

    def recompute(self) -> float:
        """Return the sum of QoE by the reference model."""
        return float(self.outcome.qoe.sum())

    def gap(self) -> float:
        """Return bound - value, from the recomputed value."""
        return self.upper_bound - self.recompute()

    def slots(self) -> list[Result]:
        """Return each slot as a result of its own, with a local action where a task is skipped."""
        whole = self.executed
        return [
            Result(
                self.problem.with_slot(self.gain[t], self.task[t]),
                *(self.method, "cpu", Status.FEASIBLE),
                actions=whole.take(t),
            )
            for t in range(len(self.task))
        ]

    def slots_json(self) -> list[list[dict[str, Any]]]:
        """Return one entry a user and slot: its decision and what it gives."""
        return [
            [
                entry | (SKIP if skip else {}) | {"skip": bool(skip)}
                for entry, skip in zip(slot.users_json(), self.skipped[t], strict=True)
            ]
            for t, slot in enumerate(self.slots())
        ]

    def violations(self) -> list[str]:
        """Return a sentence for each limit, range or battery that is exceeded (1e-9 relative)."""
        faults = [
            f"slot {t}: user {user} breaks its {name} limit"
            for t, slot in enumerate(self.slots())
            for user, name in slot.broken()
            if not self.skipped[t, user]
        ]
        total = self.spent.sum(axis=0)
        empty = np.flatnonzero(exceeds(total, self.problem.users.battery)).tolist()
        return faults + [f"user {n} spends more than its battery holds" for n in empty]

    def document(self) -> dict[str, Any]:
        """Return the scenario in the words and units of a file, with this queue pinned."""
        names = self.problem.tasks.names
        pinned = [
            {"tasks": [names[kind] for kind in kinds], "gain": gain.tolist()}
            for kinds, gain in zip(self.task, self.gain, strict=True)
        ]
        queue = {"length": len(pinned), "battery_pays": self.battery_pays, "slots": pinned}
        return self.problem.document() | {"queue": queue}

    def to_json(self) -> dict[str, Any]:
        """Return the result in the words and units of its file format (schema 1)."""
        batteries, left = self.problem.users.battery, self.energy_left()[-1]
        return {
            "schema": 1,
            "method": self.method,
            "status": self.status.word,
            "objective": self.objective,
            "upper_bound": number(self.upper_bound),
            "gap": number(self.gap()),
            "prices_per_mj": (self.price / 1e3).tolist(),
            "energy_left_mj": [
                number(energy * 1e3) if battery < inf else None
                for energy, battery in zip(left, batteries, strict=True)
            ],
            "seconds": number(self.seconds),
            "readings": asdict(self.problem.readings) | {"battery_pays": self.battery_pays},
            "problem": self.document(),
            "slots": [{"users": users} for users in self.slots_json()],
            "details": self.details,
        }


SKIP = {
    "offload": False,
    "channel": None,
    "power_mw": 0.0,
    "frequency_ghz": None,
    "extraction": 1.0,
    "latency_ms": None,
    "energy_mj": 0.0,
    "accuracy": None,
    "qoe": 0.0,
    "feasible": True,
}


def within_batteries(problem: Problem, pays: str) -> Problem:
    """Return the problem in which no task may take more than its user's whole battery."""
    if pays != "task":
        return problem
    users = problem.users
    return replace(
        problem, users=replace(users, energy_max=np.minimum(users.energy_max, users.battery))
    )


def rounded_up(bound: float, tasks: int) -> float:
    """Return a bound with what the rounding of sums over so many tasks may have lost."""
    return bound + (abs(bound) + tasks) * (tasks + 16) * 2.0**-52 if isfinite(bound) else bound
