"""Batteries in the environment: what is left of them, what a step takes, what is seen of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Flags
from ..battery import reading_of
from ..model import Actions, Outcome
from ..problem import Floats, Integers, Problem
from ..records import Record
from . import compiled
from .decisions import Bytes, Singles, check_array


@dataclass(frozen=True)
class Ahead(Record):
    """What queues with batteries have ahead of them.

    Attributes
    ----------
    left : (rows, N) float64, J, energy left; inf without a battery
    tasks : (rows,) int64, tasks left of each user, that of the slot included
    """

    left: Floats
    tasks: Integers


class Batteries:
    """The batteries of queues that are handled side by side.

    Parameters
    ----------
    problem : says what batteries hold, and what they pay for
    rows : queues
    length : tasks of a queue
    threads : at most

    Attributes
    ----------
    ahead : before the step
    after : behind what was last played, until it is taken on
    skipped : (rows, N) bool, what was last played and not executed, by choice or after the fact
    """

    def __init__(self, problem: Problem, rows: int, length: int, threads: int) -> None:
        self.full, self.length, self.threads = problem.users.battery, length, threads
        shape = rows, len(self.full)
        self.ahead = Ahead(np.empty(shape), np.empty(rows, np.int64))
        self.after = Ahead(np.empty(shape), np.empty(rows, np.int64))
        self.skipped: Flags = np.zeros(shape, bool)
        users, tasks, system = problem.users, problem.tasks, problem.system
        self._figures = (
            (tasks.local_flop, tasks.extract_flop, tasks.bits, tasks.semantic_bits),
            (users.flop_per_cycle, users.energy_coefficient),
            (
                *(system.bandwidth, system.noise),
                *(system.compress_exponent, system.extract_exponent),
            ),
        )
        self._counted = np.empty(shape) if reading_of(problem) == "device" else None
        self.refill()

    def refill(self, handled: int = 0) -> None:
        """Begin a queue with full batteries, of which some tasks have been handled."""
        self.ahead.left[:], self.ahead.tasks[:] = self.full, self.length - handled
        self._played = False

    def finite(self) -> Floats:
        """Return the energy left of those who have a battery: (rows, those) float64, J."""
        return self.ahead.left[:, self.full < np.inf]

    def take_finite(self, left: Floats) -> None:
        """Take up what `finite` gave."""
        self.ahead.left[:, self.full < np.inf] = left

    def charge(
        self,
        mode: Bytes,
        actions: Actions,
        gain: Floats,
        task: Integers,
        outcome: Outcome,
        reward: Singles,
    ) -> None:
        """Take the energy of what is played, and make a skip of what is not affordable.

        Outcome and reward of a task that is not executed become those of a skip.
        """
        counted = outcome.energy
        if self._counted is not None:
            counted = self._counted
            played = actions.channel, actions.power, actions.frequency, actions.extraction
            compiled.user_energy(counted, gain, task, played, *self._figures, threads=self.threads)
        compiled.charge(
            self.ahead.left,
            counted,
            mode,
            self.after.left,
            self.skipped,
            (outcome.latency, outcome.energy, outcome.accuracy, outcome.qoe),
            outcome.violations,
            reward,
            threads=self.threads,
        )
        np.subtract(self.ahead.tasks, 1, out=self.after.tasks)
        self._played = True

    def advance(self, ended: bool) -> None:
        """Take on what is left after what was played; begin a queue where one has ended."""
        if ended:
            return self.refill()
        if self._played:
            self.ahead.left[:] = self.after.left
        np.subtract(self.ahead.tasks, 1, out=self.ahead.tasks)
        self._played = False

    def observe(self, ahead: Ahead | None, out: Singles, shared: bool) -> None:
        """Write the last entries of observations (rows, viewers, size).

        The energy left, of the viewer or of all users in turn, and the tasks left: shares of a full
        battery, which who has none always has, and of the queue, as of mean 0 and deviation 1 were
        they anything from 0 to 1.
        """
        rows, users = len(out), len(self.full)
        if ahead is None:
            raise ValueError("ahead: the energy and the tasks left of each row are expected")
        if ahead is not self.ahead and ahead is not self.after:
            check_array("ahead.left", ahead.left, (rows, users), np.float64)
            check_array("ahead.tasks", ahead.tasks, (rows,), np.int64)
        start = out.shape[2] - (users if shared else 1) - 1
        scale = self.full, self.length, shared, start
        compiled.observe_ahead(ahead.left, ahead.tasks, *scale, out, threads=self.threads)
