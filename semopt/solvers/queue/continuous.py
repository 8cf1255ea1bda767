"""A queue with continuous power, frequency and extraction: slots with prices, solved by `global`.

With tolls y on energy each slot's bound is that of branch and bound over boxes whose scores carry
the toll (csrc/global/bounds.h), so D(y) is a bound on every policy as it is on the grid. What is
best at some prices joins the efficient actions of its cells, among which decisions are looked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import _core
from ...model import Actions, evaluate, skipping
from ...problem import Floats, Integers, Problem
from ..continuous import GlobalBatch

FIRST_NAME = 1 << 24  # of actions off the grid, above all numbers of the grid's


class PricedSlots:
    """The slots of a queue at prices of energy, as `_core.Queue` offers them.

    Parameters
    ----------
    queue : whose cells take up what is found
    gap : of each slot
    """

    def __init__(
        self,
        problem: Problem,
        gain: Floats,
        task: Integers,
        queue: _core.Queue,
        gap: float,
        threads: int,
    ) -> None:
        self.problem, self.gain, self.task, self.queue = problem, gain, task, queue
        self._batch = GlobalBatch(problem, threads, gap)
        self.actions: list[Actions] = []  # one task each, by name less `FIRST_NAME`
        self.seconds, self.stopped = np.inf, ""

    def best(self, price: Floats) -> Any:
        """Return a bound on each slot (T,), and of a decision near it the figures of columns."""
        actions, _, upper, effort = self._batch.solve_within(
            self.seconds, self.gain, self.task, price
        )
        self.stopped = effort.get("stopped", "")
        local = actions.channel < 0
        skipped = local & ~(actions.frequency > 0.0)
        clocks = self.problem.users.frequency_max[skipped.nonzero()[1]]
        actions.put(skipped, Actions.local(clocks))  # of no meaning
        outcome = skipping(evaluate(self.problem, actions, self.gain, self.task), skipped)
        offloaders = (actions.channel >= 0).sum(axis=1)
        names = np.full(self.task.shape, -1)
        for t, n in np.argwhere(~skipped).tolist():
            names[t, n] = FIRST_NAME + len(self.actions)
            self.actions.append(actions.take((t, n)))
            figures = float(outcome.qoe[t, n]), float(outcome.energy[t, n]), int(names[t, n])
            self.queue.add(t, n, int(actions.channel[t, n]), int(offloaders[t]), [figures])
        return upper, outcome.qoe, outcome.energy, actions.channel, names
