"""What policies choose from: the efficient actions of all cells of many slots, found once."""

from __future__ import annotations

from copy import copy

import numpy as np

from .. import _core
from ..actions import Actions
from ..arrays import Flags, Floats, Integers
from ..backends import packing
from ..battery import reading_of
from ..problem import Problem
from ..queue import within_batteries
from ..solvers.queue.continuous import Found
from ..solvers.queue.prices import Columns
from ..solvers.queue.search import decoded
from .terms import Terms


class Cells:
    """The efficient actions of slots, and what is best of them with so much energy left.

    Parameters
    ----------
    gain : (S, N, K) float64, linear power gain
    task : (S, N) int64, index into the scenario's tasks
    threads : 0 for one a core
    """

    def __init__(self, problem: Problem, gain: Floats, task: Integers, threads: int = 0) -> None:
        pays = reading_of(problem)
        scenario = packing.scenario(within_batteries(problem, pays))
        self.problem, self.task, self.battery = problem, task, problem.users.battery
        self.queue = _core.Queue(scenario, gain, task, pays == "device", threads)
        self._rows = np.arange(len(task))

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, rows: Integers) -> Cells:
        """Return some of the slots; nothing is found again."""
        part = copy(self)
        part.task, part._rows = self.task[rows], self._rows[rows]
        return part

    def best(
        self,
        left: Floats,
        terms: Terms,
    ) -> Columns:
        """Return in each slot the joint action of the highest sum of what `terms` says.

        `left` : (S, N) float64, J: no user takes more
        """
        answer = self.queue.best_within(*self._purses(left, terms))
        return Columns(np.arange(len(self)), *answer[1:])

    def worth_by_energy(self, left: Floats, value: Floats) -> Floats:
        """Return what slots are worth to all by the energy that one user has left: (S, N, G).

        The others have what `left` (S, N) says. Energies are those of `value` (N, G).
        """
        return self.queue.worth_by_energy(*self._purses(left, Terms(value=value)))

    def decoded(self, choice: Columns) -> tuple[Actions, Flags]:
        """Return a choice as actions (S, N), and which tasks are skipped."""
        return decoded(self.problem, self.task, choice, Found())

    def _purses(
        self, left: Floats, terms: Terms
    ) -> tuple[Integers, Floats, Floats, Floats, Floats, Floats]:
        def whole(figure: Floats | float) -> Floats:
            return np.array(np.broadcast_to(figure, self.task.shape), dtype=float)

        value = np.zeros((len(self.battery), 2)) if terms.value is None else terms.value
        held, value = whole(np.minimum(left, self.battery)), np.ascontiguousarray(value)
        return self._rows, held, whole(terms.most), whole(terms.price), self.battery, value
