"""Many slots of one scenario in a batch."""

from __future__ import annotations

from collections.abc import Callable
from logging import getLogger
from math import inf, nan
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..gains import gains
from ..model import Actions
from ..problem import Floats, Integers, Problem
from ..result import INTERRUPTED, TIME_LIMIT, Result, Status
from ..worth import ill_conditioned
from .baselines import RESTRICTIONS, restriction
from .continuous import GlobalBatch
from .matching import ExactBatch
from .slot import by_names_of_today, check_threads, check_time_limit, solve
from .slots import Batch

LOG = getLogger(__name__)
PAUSE = 0.1  # s of work between two reports of progress, looks at the clock, chances of Ctrl-C
MOST_SLOTS = 4096  # slots in such a part at most


def solve_batch(
    scenario: Any,
    gain: ArrayLike,
    tasks: ArrayLike,
    method: str = "exact",
    threads: int = 0,
    progress: Callable[[int], None] = lambda done: None,
    time_limit: float | None = None,
    partial: bool = False,
    **options: Any,
) -> Batch:
    """Solve many slots of one scenario.

    Parameters
    ----------
    scenario : Scenario or Problem, a preset's name or a file's path
    gain : (S, N, K), linear power gains
    tasks : (S, N), index of each user's task among the scenario's
    method : a name of `METHODS`; exact, global, local and semantic-unaware run
        on `threads` threads
    threads : 0 for one a core; no result depends on it
    progress : called with the number of slots done so far
    time_limit : s, for all slots together; those that it leaves out stand as undecided
    partial : whether Ctrl-C returns what is solved, where else it is raised
    options : the method's own

    Raises
    ------
    ValueError
        For a bad method, option or array, naming it.

    Examples
    --------
    >>> gain = [[[0.5, 0.3], [0.9, 0.2]], [[0.6, 0.1], [0.4, 0.7]]]
    >>> solve_batch("paper", gain, [[0, 2], [1, 1]]).actions.channel.shape
    (2, 2)
    """
    method, options = by_names_of_today(method, options)
    problem = as_problem(scenario)
    gain, tasks = check_slots(problem, gain, tasks)
    check_time_limit(time_limit)
    check_threads(threads)
    work = Work(problem, gain, tasks, method, time_limit, progress)
    try:
        if solver := in_batches(problem, method, threads, options):
            work.solve_in_parts(solver)
        else:
            work.solve_one_by_one(options)
    except KeyboardInterrupt:
        if not partial:
            raise
        work.stopped = INTERRUPTED
    batch = work.batch()
    LOG.info("%r, %.3f s", batch, batch.seconds)
    return batch


class Work:
    """Slots that are being solved: what is decided so far, and how far that is.

    Attributes
    ----------
    done : how many slots, the first, are finished
    filled : how many have all their figures, finished or not
    stopped : as of `Batch`
    """

    def __init__(
        self,
        problem: Problem,
        gain: Floats,
        tasks: Integers,
        method: str,
        time_limit: float | None,
        progress: Callable[[int], None],
    ) -> None:
        self.problem, self.gain, self.tasks, self.method = problem, gain, tasks, method
        self.progress, self.start = progress, perf_counter()
        self.deadline = inf if time_limit is None else self.start + time_limit
        self.actions, self.slots = Actions.empty(*tasks.shape), len(tasks)
        self.value, self.upper = np.full(self.slots, nan), np.full(self.slots, inf)
        self.single: list[Result] = []
        self.done, self.filled, self.stopped, self.backend, self.gap = 0, 0, "", "cpu", 0.0

    def solve_in_parts(self, solver: ExactBatch | GlobalBatch) -> None:
        """Solve many slots in each call, about as many as take `PAUSE`."""
        channels = restriction(self.problem, self.method).gain.shape[1]
        self.gap, size = solver.gap, 1
        while self.done < self.slots and (now := perf_counter()) < self.deadline:
            rows = slice(self.done, min(self.done + size, self.slots))
            part = np.ascontiguousarray(self.gain[rows, :, :channels])
            decided, optimum, bound, effort = solver.solve_within(
                self.deadline - now, part, self.tasks[rows]
            )
            self.actions.put(rows, decided)
            self.value[rows] = np.where(optimum > -inf, optimum, nan)
            self.upper[rows] = bound
            self.filled = rows.stop
            if "stopped" in effort:
                finished = bound <= optimum + self.gap
                self.done += int(np.argmin(np.append(finished, False)))
                self.stopped = effort["stopped"]
                break
            self.done = self.filled
            self.progress(self.done)
            took = max(perf_counter() - now, 1e-6)
            size = min(MOST_SLOTS, max(1, int(size * min(8.0, PAUSE / took))))
        if self.stopped == INTERRUPTED:
            raise KeyboardInterrupt

    def solve_one_by_one(self, options: dict[str, Any]) -> None:
        """Solve each slot by the method itself, within the time that is left."""
        while self.done < self.slots and (now := perf_counter()) < self.deadline:
            limit = {} if self.deadline == inf else {"time_limit": self.deadline - now}
            slot = self.problem.with_slot(self.gain[self.done], self.tasks[self.done])
            result = solve(slot, self.method, **options, **limit)
            if result.actions is not None:
                self.value[self.done] = result.objective
                self.actions.put(self.done, result.actions)
            infeasible = result.status is Status.INFEASIBLE
            self.backend = result.backend
            self.upper[self.done] = -inf if infeasible else result.upper_bound
            self.single.append(result)
            self.filled = self.done = self.done + 1
            if result.interrupted:
                raise KeyboardInterrupt
            self.progress(self.done)

    def batch(self) -> Batch:
        """Return what is decided; where Ctrl-C may have come half-way, nothing is."""
        unsolved, seconds = self.slots - self.done, perf_counter() - self.start
        half_way = slice(self.filled, None)
        self.value[half_way], self.upper[half_way] = nan, inf
        self.actions.put(half_way, Actions.empty(self.slots - self.filled, self.tasks.shape[1]))
        return Batch(
            *(self.problem, self.method, self.backend, self.gain, self.tasks, self.actions),
            *(self.value, seconds, tuple(self.single[: self.done]), unsolved),
            *(self.stopped or (TIME_LIMIT if unsolved else ""), self.upper, self.gap),
            tuple(result.status.word for result in self.single[: self.done]),
            self.deadline,
        )


def in_batches(
    problem: Problem, method: str, threads: int, options: dict[str, Any]
) -> ExactBatch | GlobalBatch | None:
    """Return what solves many slots in one call; None where the method or an option has no such."""
    if ill_conditioned(problem):
        return None
    if method == "global" and not options.keys() - {"gap"}:
        return GlobalBatch(problem, threads, **options)
    if method in ("exact", *RESTRICTIONS) and not options:
        return ExactBatch(restriction(problem, method), threads)
    return None


def as_problem(scenario: Any) -> Problem:
    """Return a scenario's arrays; a `Problem` is its own."""
    if isinstance(scenario, Problem):
        return scenario
    from ..scenario import Scenario

    return Scenario.of(scenario).template()


def check_slots(problem: Problem, gain: ArrayLike, tasks: ArrayLike) -> tuple[Floats, Integers]:
    """Return slots as arrays (S, N, K) and (S, N), or raise ValueError naming the argument."""
    (users, channels), kinds = problem.gain.shape, len(problem.tasks.names)
    checked, indices = gains(gain, (None, users, channels)), np.asarray(tasks)
    if indices.shape != checked.shape[:2] or not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(
            f"tasks: integers of shape {checked.shape[:2]} are expected, not {indices.dtype} of "
            f"{indices.shape}"
        )
    if ((indices < 0) | (indices >= kinds)).any():
        raise ValueError(f"tasks: indices from 0 to {kinds - 1} are expected")
    return checked, indices.astype(np.int64)
