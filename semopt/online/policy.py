"""What a policy for batteries is, and those that choose among the actions of the grid."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..actions import Actions
from ..allowed import whole
from ..arrays import Flags, Floats, Integers
from ..problem import Problem
from ..solvers.batch import check_slots
from ..solvers.queue.prices import Columns
from .cells import Cells
from .terms import Terms


class Policy(Protocol):
    """Decides a slot of many queues by what is known now."""

    def __call__(
        self, gain: Floats, task: Integers, left: Floats, tasks_left: int
    ) -> tuple[Actions, Flags]:
        """Return actions (E, N), and which tasks are skipped, (E, N) bool.

        Parameters
        ----------
        gain : (E, N, K) float64, linear power gain, of E queues at the same step
        task : (E, N) int64, index into the scenario's tasks
        left : (E, N) float64, J, energy left; inf without a battery
        tasks_left : this one included: the queue's length at its first task, 1 at its last
        """
        ...


class GridPolicy:
    """A policy that chooses among the actions of the grid, each by its own terms.

    Parameters
    ----------
    problem : the scenario; its own slot is not used
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def __call__(
        self, gain: Floats, task: Integers, left: Floats, tasks_left: int
    ) -> tuple[Actions, Flags]:
        """Decide a slot of many queues, as `Policy` says.

        Raises
        ------
        ValueError
            For arrays of other shapes, or numbers that are none of a queue
        """
        gain, task, left = self.checked(gain, task, left, tasks_left)
        cells = Cells(self.problem, gain, task)
        return cells.decoded(self.choose(cells, left, tasks_left))

    def checked(
        self, gain: Floats, task: Integers, left: Floats, tasks_left: int
    ) -> tuple[Floats, Integers, Floats]:
        """Return gain, task and left as arrays, or raise ValueError for what is none of a queue."""
        gain, task = check_slots(self.problem, gain, task)
        left = np.asarray(left, dtype=float)
        if left.shape != task.shape:
            raise ValueError(f"left has shape {left.shape}: {task.shape} is expected")
        if not (left >= 0.0).all():
            queue, user = np.argwhere(~(left >= 0.0))[0].tolist()
            raise ValueError(
                f"left = {left[queue, user]:g} of user {user} in queue {queue}: numbers of at "
                "least 0, J, are expected"
            )
        whole("tasks_left", tasks_left, 1)
        return gain, task, left

    def choose(self, cells: Cells, left: Floats, tasks_left: int) -> Columns:
        """Return the same from cells that are known already."""
        return cells.best(left, self.terms(left, tasks_left))

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth: asked once a slot, in the order of the queue.

        `left` : (E, N) float64, J; `tasks_left` includes this one
        """
        raise NotImplementedError
