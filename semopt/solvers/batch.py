"""Many slots of one scenario in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from math import inf, nan
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..gains import gains
from ..model import Actions, Outcome, evaluate
from ..problem import Floats, Integers, Problem
from ..records import Record
from ..result import INTERRUPTED, ROUNDING_ERRORS, TIME_LIMIT, Result, Status
from ..worth import steep
from .baselines import RESTRICTIONS, restriction
from .branch import GlobalBatch
from .infeasibility import SECONDS, infeasible
from .matching import ExactBatch
from .slot import by_names_of_today, check_threads, check_time_limit, solve

PAUSE = 0.1  # s of work between two reports of progress, looks at the clock, chances of Ctrl-C
LARGEST = 4096  # slots in such a part at most


@dataclass(frozen=True)
class Batch(Record):
    """A method's decisions in S slots.

    Attributes
    ----------
    problem : the scenario; its own slot has no meaning here
    gain, task : (S, N, K) float64 and (S, N) int64, the slots
    actions : arrays (S, N); every user local and all else NaN where a slot has no decision
    objective : (S,) float64, NaN where a slot has no decision
    seconds : wall time of all slots
    single : the slots' own results, where the method solved them one by one
    unsolved : how many slots at the end were not finished, since time was up or by Ctrl-C
    stopped : why, "time limit" or "interrupted"; "" where all were solved
    upper : (S,) float64, a proven bound on the optimum of each slot: -inf where it is infeasible,
        inf where none is known; not used where `single` holds the slot's result
    gap : by how much an optimum may lie below its bound
    deadline : of `perf_counter`, up to which reasons of infeasibility are looked for
    """

    problem: Problem
    method: str
    backend: str
    gain: Floats
    task: Integers
    actions: Actions
    objective: Floats
    seconds: float = field(compare=False)
    single: tuple[Result, ...] = ()
    unsolved: int = 0
    stopped: str = ""
    upper: Floats = field(default_factory=lambda: np.empty(0))
    gap: float = 0.0
    deadline: float = field(default=inf, compare=False)

    def __repr__(self) -> str:
        """Return how many slots are decided, and the mean QoE of a task, in one line."""
        mean, slots = self.mean(), len(self.objective)
        qoe = "" if mean["qoe"] is None else f", QoE {mean['qoe']:g} a task"
        share = mean["infeasible_share"]
        return (
            f"<Batch of {slots} slots by {self.method} on {self.backend}: {self.solved} solved"
            f"{f', {share:.1%} infeasible' if share else ''}{qoe}>"
        )

    def outcome(self) -> Outcome:
        """Evaluate the decisions with the reference model: arrays (S, N)."""
        return evaluate(self.problem, self.actions, self.gain, self.task)

    @property
    def solved(self) -> int:
        """Number of slots, the first, that were solved."""
        return len(self.objective) - self.unsolved

    def results(self) -> Iterator[Result]:
        """Yield each slot's own `Result`, as `result` returns it."""
        yield from (self.result(s) for s in range(len(self.objective)))

    def result(self, s: int) -> Result:
        """Return the `Result` of slot `s`, with the reason where it is infeasible.

        Reasons take what is left of the time for all slots, at most 10 s each; one that was not
        found by then says so. Ctrl-C is raised.
        """
        if s < len(self.single):
            return self.single[s]
        slot, value = self.problem.with_slot(self.gain[s], self.task[s]), float(self.objective[s])
        status, bound, details = self.status(s), self.bound(s), dict[str, Any]()
        if status is Status.INFEASIBLE:
            return self.explained(slot)
        if self.continuous:
            details["gap"] = self.gap
        if status is Status.LIMIT_REACHED:
            details["stopped"] = self.stopped if s >= self.solved else ROUNDING_ERRORS
        actions = None if np.isnan(value) else self.actions.take(s)
        return Result(
            *(slot, self.method, self.backend, status, actions, value, bound),
            continuous_bound=bound if self.continuous else inf,
            details=details,
        )

    def explained(self, slot: Problem) -> Result:
        """Return the result of an infeasible slot with its reason."""
        restricted = restriction(slot, self.method)
        seconds = min(max(self.deadline - perf_counter(), 0.0), SECONDS)
        result = Result(restricted, self.method, self.backend, Status.INFEASIBLE)
        result = infeasible(result, continuous=self.continuous, seconds=seconds)
        if result.interrupted:
            raise KeyboardInterrupt
        return replace(result, problem=slot)

    def status(self, s: int) -> Status:
        """Return how slot `s` ended."""
        if s < len(self.single):
            return self.single[s].status
        if self.upper[s] == -inf:
            return Status.INFEASIBLE
        closed = self.upper[s] - self.objective[s] <= self.gap
        return Status.OPTIMAL if closed else Status.LIMIT_REACHED

    def bound(self, s: int) -> float:
        """Return the proven upper bound of slot `s`; inf where none is known."""
        if s < len(self.single):
            return self.single[s].upper_bound
        return abs(float(self.upper[s]))  # of an infeasible slot it says nothing

    @property
    def continuous(self) -> bool:
        """Whether decisions are those of the continuous problem."""
        return self.method == "global"

    @property
    def total(self) -> str:
        """Name of all tasks together: "all", and longer where a kind of task has that name."""
        name = "all"
        while name in self.problem.tasks.names:
            name += " tasks"
        return name

    def modes(self) -> dict[str, dict[str, float | None]]:
        """Return, for each kind of task and last for `total`, the shares of the modes.

        They are shares of the tasks in decided slots. "extraction" is the mean over tasks in
        semantic mode, None where there is none.
        """
        decided = ~np.isnan(self.objective)
        task = self.task[decided]
        channel = self.actions.channel[decided]
        extraction = self.actions.extraction[decided]
        semantic = (channel >= 0) & (extraction < 1.0)
        raw = (channel >= 0) & ~semantic
        kinds = {name: task == kind for kind, name in enumerate(self.problem.tasks.names)}
        return {
            name: {
                "local": float((channel[members] < 0).mean()),
                "raw": float(raw[members].mean()),
                "semantic": float(semantic[members].mean()),
                "extraction": float(extraction[members & semantic].mean())
                if (members & semantic).any()
                else None,
            }
            for name, members in {**kinds, self.total: np.ones_like(task, dtype=bool)}.items()
            if members.any()
        }

    def mean(self) -> dict[str, float | None]:
        """Return means over users and decided slots, and the shares of the other slots."""
        decided = ~np.isnan(self.objective)
        open_slots = ~decided
        for s in np.flatnonzero(~decided).tolist():
            open_slots[s] = self.status(s) is not Status.INFEASIBLE
        outcome = self.outcome().take(decided)
        means: dict[str, float | None] = dict.fromkeys(
            ("qoe", "latency_ms", "energy_mj", "accuracy", "offload_share")
        )
        if decided.any():
            means = {
                "qoe": float(outcome.qoe.mean()),
                "latency_ms": float(outcome.latency.mean()) * 1e3,
                "energy_mj": float(outcome.energy.mean()) * 1e3,
                "accuracy": float(outcome.accuracy.mean()),
                "offload_share": float((self.actions.channel[decided] >= 0).mean()),
            }
        return means | {
            "infeasible_share": float((~decided & ~open_slots).mean()),
            "undecided_share": float(open_slots.mean()),
        }

    def to_json(self, seed: int | None = None) -> dict[str, Any]:
        """Return the means and one entry a slot, in the words and units of a result file."""
        from .columns import entries, head

        return head(self, seed) | {"slots": list(entries(self))}


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
    return work.batch()


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
            size = min(LARGEST, max(1, int(size * min(8.0, PAUSE / took))))
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
            self.backend = result.backend
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
            self.deadline,
        )


def in_batches(
    problem: Problem, method: str, threads: int, options: dict[str, Any]
) -> ExactBatch | GlobalBatch | None:
    """Return what solves many slots in one call; None where the method or an option has no such."""
    if steep(problem):
        return None
    if method == "global" and not options.keys() - {"gap"}:
        return GlobalBatch(problem, threads, **options)
    if method in ("exact", *RESTRICTIONS) and not options:
        return ExactBatch(restriction(problem, method), threads)
    return None


def of_one(result: Result) -> Batch:
    """Return one slot's result as a batch."""
    problem, actions = result.problem, result.actions
    shape = 1, len(problem.task)
    if actions is None:
        actions = Actions.empty(shape[1])
    one = Actions(*(getattr(actions, f.name).reshape(shape) for f in fields(Actions)))
    return Batch(
        *(problem, result.method, result.backend, problem.gain[None], problem.task[None], one),
        *(np.array([result.objective]), result.seconds, (result,)),
    )


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
