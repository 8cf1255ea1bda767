"""A warm solver, for a decision in every slot of a scenario."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import nan
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..gains import gains
from ..model import Actions
from ..problem import Problem
from ..records import Record
from .batch import as_problem
from .matching import ExactBatch

TIMED = 1 << 16  # decisions whose times a solver keeps


@dataclass(frozen=True)
class Decision(Record):
    """A slot's decision.

    Attributes
    ----------
    objective : float, -inf where the slot is infeasible
    actions : arrays (N,), -1 and NaN where infeasible
    """

    objective: float
    actions: Actions


class Solver:
    """A warm exact solver for a decision in every slot of a scenario.

    Tables that do not depend on the slot are built once; a decision allocates its own answer alone.
    Threads may share a solver: each decision has memory of its own. A copy, by `copy` or `pickle`,
    decides alike and shares nothing; it has its own times.

    Examples
    --------
    >>> from semopt import Scenario, Solver
    >>> solver = Solver(Scenario.load("paper"))
    >>> decision = solver.decide([[0.5, 0.3], [0.9, 0.2]], [0, 2])
    >>> decision.actions.channel.shape
    (2,)
    """

    def __init__(self, scenario: Any) -> None:
        self.problem = as_problem(scenario)
        self._batch = ExactBatch(self.problem)
        self._times: deque[float] = deque(maxlen=TIMED)

    def __repr__(self) -> str:
        """Return what it decides, and how long that took."""
        times = self.decision_times()
        took = f", p50 {times['p50_us']:.0f} us" if times["decisions"] else ""
        return f"<Solver of {self.problem}: {times['decisions']} decisions{took}>"

    def __reduce__(self) -> tuple[type[Solver], tuple[Problem]]:
        """Copy and pickle as what it was made from."""
        return type(self), (self.problem,)

    def decide(self, gain: ArrayLike, tasks: ArrayLike) -> Decision:
        """Return the optimal decision for gains (N, K) and task indices (N,)."""
        start = perf_counter()
        slot = gains(gain, self.problem.gain.shape)
        kinds = np.ascontiguousarray(tasks)
        if kinds.shape != self.problem.task.shape or kinds.dtype.kind not in "iu":
            raise ValueError(
                f"tasks: integers of shape {self.problem.task.shape} are expected, not "
                f"{kinds.dtype} of {kinds.shape}"
            )
        kinds = kinds[None].astype(np.int64, copy=False)
        actions, value, _ = self._batch.solve(slot[None], kinds)
        decision = Decision(float(value[0]), actions.take(0))
        self._times.append(perf_counter() - start)
        return decision

    def decision_times(self) -> dict[str, float]:
        """Return how many decisions were timed, and the median and 99th percentile of their time.

        The last `TIMED` decisions count: a solver may run for months.
        """
        if not self._times:
            return {"decisions": 0, "p50_us": nan, "p99_us": nan}
        p50, p99 = np.percentile(list(self._times), [50, 99]) * 1e6
        return {"decisions": len(self._times), "p50_us": float(p50), "p99_us": float(p99)}
