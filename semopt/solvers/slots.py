"""The decisions of many slots: what they are worth, and each slot as files have it.

Files go through a batch in parts, so that memory does not grow with the slots, and figures are
computed for all slots of a part at once. The file is long since a batch has one class, and whatever
reads its slots goes through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from decimal import Decimal
from functools import cached_property
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import worth
from ..allowed import check_path, whole
from ..arrays import Floats, Integers
from ..counts import joint_actions
from ..files import read_bytes
from ..model import MODES, Actions, Outcome, evaluate
from ..problem import Problem
from ..records import Record, Shown
from ..result import ROUNDING_ERRORS, Result, Status
from .baselines import restriction
from .columns import Progress, arrow, entries, fields_of, tables, text, write_table
from .infeasibility import SECONDS, infeasible

PART = 4096  # slots
LARGEST_PARQUET = 1 << 34  # bytes of a Parquet file that is read
OF_SLOTS = ("gain", "task", "objective", "upper", "single", "ended")  # fields of a batch, (S, ...)


@dataclass(frozen=True)
class Batch(Shown, Record):
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
        inf where none is known
    gap : by how much an optimum may lie below its bound
    ended : words of `Status` of the first slots, where bounds do not say it
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
    single: tuple[Result, ...] = field(default=(), compare=False)
    unsolved: int = 0
    stopped: str = ""
    upper: Floats = field(default_factory=lambda: np.empty(0))
    gap: float = 0.0
    ended: tuple[str, ...] = field(default=(), compare=False)
    deadline: float = field(default=inf, compare=False)

    def __repr__(self) -> str:
        """Return how many slots are decided, and the mean QoE of a task, in one line."""
        mean, slots = self.mean(), len(self.objective)
        qoe = "" if mean["qoe"] is None else f", QoE {mean['qoe']:g} a task"
        share = mean["infeasible_share"]
        return (
            f"<Batch of {slots} slots by {self.method} on {self.backend}: {self.solved} solved"
            f"{f', {100 * share:.3g}% infeasible' if share else ''}{qoe}>"
        )

    def show(self) -> None:
        """Print the means, as `semopt solve --slots` does."""
        from ..report.batch import print_batch

        print_batch(self, self.problem.origin.get("name", "a problem"))

    def plot(self) -> Any:
        """Return the shares of modes and what slots are worth, drawn, as a chart of Altair.

        Raises
        ------
        ValueError
            Where Altair is missing
        """
        from ..report.plots import of_batch

        return of_batch(self, self.problem.origin.get("name", "a problem"))

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

        Raises
        ------
        ValueError
            There is no such slot
        """
        whole("s", s, 0, len(self.objective) - 1)
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

    @property
    def upper_bound(self) -> Floats:
        """Proven upper bounds of the slots, (S,) float64; inf where none is known."""
        return np.abs(self.upper)  # of an infeasible slot it says nothing

    @cached_property
    def statuses(self) -> NDArray[np.object_]:
        """How the slots ended, (S,) words of `Status`."""
        words = np.full(len(self.objective), Status.LIMIT_REACHED.word, dtype=object)
        with np.errstate(invalid="ignore"):  # without a decision there is no gap
            words[self.upper - self.objective <= self.gap] = Status.OPTIMAL.word
        words[self.upper == -inf] = Status.INFEASIBLE.word
        words[: len(self.ended)] = self.ended
        return words

    def status(self, s: int) -> Status:
        """Return how slot `s` ended."""
        whole("s", s, 0, len(self.objective) - 1)
        return next(status for status in Status if status.word == self.statuses[s])

    def bound(self, s: int) -> float:
        """Return the proven upper bound of slot `s`; inf where none is known."""
        whole("s", s, 0, len(self.objective) - 1)
        return abs(float(self.upper[s]))

    def first(self, slots: int) -> Batch:
        """Return the batch of the first slots alone."""
        whole("slots", slots, 0, len(self.objective))
        return replace(
            self,
            **{name: getattr(self, name)[:slots] for name in OF_SLOTS},
            actions=self.actions.take(slice(slots)),
            unsolved=max(self.unsolved - (len(self.objective) - slots), 0),
        )

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
        task, actions = self.task[decided], self.actions.take(decided)
        mode, semantic = actions.mode, actions.semantic
        kinds = {name: task == kind for kind, name in enumerate(self.problem.tasks.names)}
        return {
            name: {
                **{word: float((mode[members] == m).mean()) for m, word in enumerate(MODES)},
                "extraction": float(actions.extraction[members & semantic].mean())
                if (members & semantic).any()
                else None,
            }
            for name, members in {**kinds, self.total: np.ones_like(task, dtype=bool)}.items()
            if members.any()
        }

    def mean(self) -> dict[str, float | None]:
        """Return means over users and decided slots, and the shares of the other slots."""
        decided = ~np.isnan(self.objective)
        open_slots = ~decided & (self.statuses != Status.INFEASIBLE.word)
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
        return head(self, seed) | {"slots": list(entries(parts(self)))}

    def text(
        self, seed: int | None = None, progress: Progress = lambda done: None
    ) -> Iterator[str]:
        """Yield the JSON document of `to_json`, a line a slot, as few at a time as memory allows.

        `progress` takes the number of slots written.
        """
        return text(head(self, seed), parts(self), len(self.objective), progress)

    def to_arrow(self, seed: int | None = None) -> Any:
        """Return a `pyarrow.Table` with a row for each slot and user, in the units of files.

        pandas, polars and DuckDB take it as it is; `from_arrow` reads it back.

        Parameters
        ----------
        seed : that drew the slots, if one did; `verify` draws them again

        Raises
        ------
        ValueError
            pyarrow is missing
        """
        return arrow("to_arrow")[0].concat_tables(tables(head(self, seed), parts(self)))

    def to_parquet(
        self,
        file: str | Path,
        seed: int | None = None,
        progress: Progress = lambda written: None,
    ) -> None:
        """Write the table of `to_arrow` as a Parquet file, part by part.

        `progress` takes the number of slots written.

        Raises
        ------
        ValueError
            pyarrow is missing, or the file cannot be written
        """
        check_path("file", file)
        write_table(file, head(self, seed), parts(self), progress)

    @classmethod
    def from_arrow(cls, table: Any) -> Batch:
        """Return the batch of such a table, or of whole slots of one.

        Raises
        ------
        ValueError
            Naming what is missing of such a table

        Examples
        --------
        >>> import semopt
        >>> gain, task = semopt.Scenario.load("paper").draw(5, seed=0)
        >>> batch = semopt.solve_batch("paper", gain, task)
        >>> table = batch.to_arrow(seed=0)
        >>> table.num_rows, table["power_mw"].type, Batch.from_arrow(table).solved
        (10, DataType(double), 5)
        """
        pa, _ = arrow("from_arrow")
        if not isinstance(table, pa.Table):
            kind = type(table).__name__
            raise ValueError(f"table: a pyarrow.Table of to_arrow is expected, not {kind}")
        return cls(**fields_of(table, "the table"))

    @classmethod
    def from_parquet(cls, file: str | Path) -> Batch:
        """Return the batch of a file that `to_parquet` or `semopt solve --json` wrote.

        Raises
        ------
        ValueError
            The file cannot be read, or holds no batch
        """
        check_path("file", file)
        pa, parquet = arrow(str(file))
        try:
            table = parquet.read_table(pa.BufferReader(read_bytes(file, LARGEST_PARQUET)))
        except (OSError, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise ValueError(f"{file} cannot be read as Parquet: {reason}") from None
        return cls(**fields_of(table, str(file)))


def batch_of(result: Result) -> Batch:
    """Return one slot's result as a batch."""
    problem, actions = result.problem, result.actions
    shape = 1, len(problem.task)
    if actions is None:
        actions = Actions.empty(shape[1])
    one = Actions(*(getattr(actions, f.name).reshape(shape) for f in fields(Actions)))
    return Batch(
        *(problem, result.method, result.backend, problem.gain[None], problem.task[None], one),
        *(np.array([result.objective]), result.seconds, (result,)),
        upper=np.array([result.upper_bound]),
        ended=(result.status.word,),
    )


def head(batch: Batch, seed: int | None) -> dict[str, Any]:
    """Return what a file says of a batch besides its slots."""
    if seed is not None:
        whole("seed", seed, 0)
    gap = batch.single[0].details.get("gap") if batch.single else None
    gap = batch.gap if batch.continuous and not batch.single else gap
    details = {"gap": gap, "stopped": batch.stopped or None, "unsolved": batch.unsolved or None}
    details = {name: value for name, value in details.items() if value is not None}
    return {
        "schema": 1,
        "method": batch.method,
        "backend": batch.backend,
        "seconds": batch.seconds,
        "seed": seed,
        "readings": asdict(batch.problem.readings),
        "problem": batch.problem.document(),
        "mean": batch.mean(),
        **({"details": details} if details else {}),
    }


def parts(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the columns of a file, for so many slots at a time as memory allows."""
    problem, counts = batch.problem, dict[bytes, int | Decimal]()
    users, channels = batch.gain.shape[1:]
    names = np.array(problem.tasks.names, dtype=object)
    user_counts = [
        [problem.action_counts(n, kind) for kind in range(len(names))] for n in range(users)
    ]
    statuses = batch.statuses
    size = max(1, min(PART, 4_000_000 // (users * (channels + 10))))
    for first in range(0, len(batch.objective), size):
        rows = slice(first, first + size)
        gain, task, value = batch.gain[rows], batch.task[rows], batch.objective[rows]
        actions = batch.actions.take(rows)
        decided = ~np.isnan(value)
        outcome = evaluate(problem, actions, gain, task)
        if worth.ill_conditioned(problem):
            for slot in np.flatnonzero(decided).tolist():
                outcome.qoe[slot] = batch.result(first + slot).qoe()
        recomputed = worth.objective(problem, outcome.qoe)
        places = range(first, first + len(value))
        status, bound = statuses[rows], batch.upper_bound[rows]
        feasible = worth.within_limits(problem, actions, outcome, task)
        for row in np.flatnonzero(decided & ~feasible.all(axis=1)):  # a limit, to the last digit
            broken = {user for user, _ in batch.result(first + int(row)).broken()}
            feasible[row] = [n not in broken for n in range(users)]
        for kinds in task:
            if kinds.tobytes() not in counts:
                actions_of = [user_counts[n][kind] for n, kind in enumerate(kinds)]
                counts[kinds.tobytes()] = joint_actions(actions_of, channels)
        yield {
            "task": names[task],
            "offload": actions.offload,
            "channel": actions.channel,
            "power_mw": actions.power * 1e3,
            "frequency_ghz": actions.frequency / 1e9,
            "extraction": actions.extraction,
            "latency_ms": outcome.latency * 1e3,
            "energy_mj": outcome.energy * 1e3,
            "accuracy": outcome.accuracy,
            "qoe": outcome.qoe,
            "feasible": feasible,
            "gain": gain,
            "status": status,
            "objective": value,
            "upper_bound": bound,
            "gap": gaps(bound, recomputed, decided),
            "joint_actions": [counts[kinds.tobytes()] for kinds in task],
            "decided": decided,
            "infeasible": [
                reason.to_json()
                if word == Status.INFEASIBLE.word and (reason := batch.result(s).infeasibility)
                else None
                for s, word in zip(places, status, strict=True)
            ],
        }


def gaps(bound: Floats, value: Floats, decided: Any) -> Floats:
    """Return bound - value, from the recomputed value; inf where either is unknown."""
    gap: Floats = np.full(len(bound), inf)
    np.subtract(bound, value, out=gap, where=decided)
    return gap
