"""Policies on whole queues with batteries, against a bound that knows the future.

The reference is the hindsight problem of each queue (semopt/solvers/queue/hindsight.py): what it is
worth at most bounds every policy within the batteries on that queue (a task that is offloaded
though the battery cannot pay keeps its place in m, which no decision has). Its search ends after
`LONGEST` seconds; the bound holds then too, and the evaluation counts the queues where it is no
more than the search's gap above a decision. Of policies of the grid it is that of the grid; where
one may leave the grid, that of continuous power, frequency and extraction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np

from .. import online
from ..actions import Actions
from ..allowed import whole
from ..arrays import Flags
from ..battery import reading_of
from ..methods import QUEUE_POLICIES
from ..model import TOLERANCE
from ..online.cells import Cells
from ..online.play import Played, play
from ..online.policy import GridPolicy
from ..online.policy import Policy as QueuePolicy
from ..online.refined import Refined
from ..online.training import Training, cells_of_slot
from ..problem import Floats, Integers, Problem
from ..result import Status, number
from ..scenario import Scenario
from ..solvers.queue import solve_queue
from ..solvers.queue.hindsight import check_options
from ..worth import closure
from .deciders import Policy, is_folder, trained_for_queues
from .plugged import is_plug, plugged_for_queues, queue_policy
from .refine import refined
from .scores import HIT, Evaluation, Score, shares

REFERENCE = "hindsight"
BASE = ""  # the name of greedy as what closure begins at
SLOTS = 1000  # of all queues, unless another number is asked for,
FEWEST = 20  # and so many queues at least
LONGEST = 2.0  # s for the reference of a queue
LOT = 20  # queues that are scored at a time, so that Ctrl-C loses no more,
CELLS = 50_000  # with fewer where users and sub-channels make more cells than these
TIMED = 200  # decisions of one queue each, timed
LONGEST_TIMED = 5.0  # s after which no further queue is


@dataclass(frozen=True)
class QueueScore(Score):
    """A policy on many queues: as `Score`, of queues in place of slots, and two figures more.

    `closure` is the part of what lies between greedy and the reference that is reached; latency,
    energy and accuracy are means of the tasks that are executed.

    Attributes
    ----------
    skipped_share : of tasks that are not executed
    unpaid_share : of tasks that were offloaded though the battery could not pay: since these keep
        their place in m, others may be better off than within the batteries, which the bound is of
    energy_left_mj : mean of a user with a battery at the end of its queue
    """

    skipped_share: float
    unpaid_share: float
    energy_left_mj: float


@dataclass(frozen=True)
class QueueEvaluation(Evaluation):
    """Scores by name on F queues, which stand where `Evaluation` has slots.

    Attributes
    ----------
    queues, asked : how many queues are scored, and how many were asked for
    length : slots of a queue
    levels : of the reference, "grid" or "continuous"
    closed : (F,) bool, where a decision reaches it within 1e-4 a task, so that it is no mere bound
    """

    queues: int = 0
    asked: int = 0
    length: int = 0
    levels: str = "grid"
    closed: Flags = field(default_factory=lambda: np.zeros(0, bool))

    units: ClassVar[str] = "queues"
    best: ClassVar[str] = "hindsight bound"

    @property
    def drawn(self) -> str:
        """What was drawn, in words."""
        return f"{self.queues} queue{'s' * (self.queues != 1)} of {self.length}"

    def __repr__(self) -> str:
        """Return the mean QoE a task, in one line."""
        means = ", ".join(f"{name} {score.qoe:.4f}" for name, score in self.scores.items())
        return f"<QueueEvaluation on {self.drawn} of {self.scenario}: QoE a task {means}>"

    @property
    def finished(self) -> str:
        """How much of what was asked for is there, in words."""
        return f"{self.queues} of {self.asked} queues"

    def show(self) -> None:
        """Print the table of scores, as `semopt evaluate` does."""
        from ..report.learning import print_queue_evaluation

        print_queue_evaluation(self)

    def to_json(self) -> dict[str, Any]:
        """Return the document of `semopt evaluate --json`."""
        document = super().to_json()
        for score in document["methods"].values():  # means of no executed task are none
            for figure in ("latency_ms", "energy_mj", "accuracy"):
                score[figure] = number(score[figure])
        return document | {
            "queues": self.queues,
            "length": self.length,
            "reference_levels": self.levels,
            "closed_queues": int(self.closed.sum()),
        }


def evaluate_queues(
    named: dict[str, Policy],
    scenario: Scenario,
    slots: int | None,
    seed: int,
    refine: bool,
    tick: Callable[[str, float], None],
    report: Callable[[Evaluation], None],
) -> QueueEvaluation:
    """Score policies on the same queues; the arguments are those of `evaluate.evaluate`.

    Raises
    ------
    ValueError
        For a name that is none of a policy, a number of slots that makes no whole queues, or where
        levels are to be refined and no policy tells what energy is worth to it
    """
    problem, training = scenario.template(), Training(scenario, seed)
    check_options(problem, "exact", reading_of(problem))
    queues = number_of_queues(scenario, slots)
    policies: dict[str, QueuePolicy] = {}
    for name, given in named.items():
        training.tick = partial(tick, f"{name}, fitted")
        policies[name] = queue_decider(given, training)
        if refine and isinstance(policy := policies[name], GridPolicy):
            policies[refined(name)] = Refined(policy)
    if refine and len(policies) == len(named):
        raise ValueError(
            "refine: of queues the levels of policies by name are refined "
            f"({', '.join(QUEUE_POLICIES)}); {next(iter(policies))} does not tell what energy is "
            "worth to it"
        )
    length, in_time = scenario.queue_length, scenario.in_time
    drawn_gain, drawn_task = scenario.draw(queues * length, seed, part="evaluation")
    gain = drawn_gain.reshape(queues, length, *drawn_gain.shape[1:])
    task = drawn_task.reshape(queues, length, -1)
    for policy in policies.values():  # what a user's code cannot do is said before the long part
        if not isinstance(policy, GridPolicy):
            play(problem, policy, gain[:2], task[:2])
    times: dict[str, float] = {}
    for name, policy in policies.items():
        tick(f"{name}, timed", 0.0)
        times[name] = decision_time(problem, policy, gain, task)
    free = not all(isinstance(policy, GridPolicy) for policy in policies.values())
    base = policies.get("greedy", online.make("greedy", training))
    lot = min(LOT, max(1, CELLS // (cells_of_slot(scenario) * length)))
    bounds, closed = np.empty(queues), np.zeros(queues, bool)
    parts: dict[str, list[Played]] = {name: [] for name in [*policies, BASE]}
    for start in range(0, queues, lot):
        end = min(start + lot, queues)
        for q in range(start, end):
            tick("queues", q / queues)
            bounds[q], closed[q] = reference(scenario, gain[q], task[q], free)
        cells = Cells(
            problem,
            drawn_gain[start * length : end * length],
            drawn_task[start * length : end * length],
        )
        for name, policy in [*policies.items(), (BASE, base)]:
            parts[name].append(play(problem, policy, gain[start:end], task[start:end], cells))
        optimum = bounds[:end] / task[0].size
        played = {name: Played.joined(lots) for name, lots in parts.items()}
        least = played.pop(BASE).value
        scores: dict[str, Score] = {
            name: score(problem, whole, optimum, least, times[name])
            for name, whole in played.items()
        }
        evaluation = QueueEvaluation(
            *(scenario.name, problem.objective, REFERENCE, end * length, 0, scores),
            seed=seed,
            slot=np.arange(end),
            optimum=optimum,
            qoe={name: whole.value for name, whole in played.items()},
            in_time=in_time._replace(memory=max(in_time.memory / length, 1.0)),
            queues=end,
            asked=queues,
            length=length,
            levels="continuous" if free else "grid",
            closed=closed[:end],
        )
        report(evaluation)
    return evaluation


def number_of_queues(scenario: Scenario, slots: int | None) -> int:
    """Return how many queues so many slots make; raise ValueError where they are not whole."""
    length, most = scenario.queue_length, scenario.length("evaluation")
    if slots is None:
        queues = max(SLOTS // length, FEWEST)
        slots = (queues if most is None else min(queues, most // length)) * length
    whole("slots", slots, 1)
    if slots < length or slots % length:
        ends = f", and its part for evaluation {most}" if most is not None else ""
        raise ValueError(
            f"slots = {slots}: a queue of scenario {scenario.name} has {length}{ends}: a multiple "
            "of that is expected"
        )
    return slots // length


def queue_decider(name: Policy, training: Training) -> QueuePolicy:
    """Return what a name on the command line stands for, or a function, as a policy for queues."""
    scenario = training.scenario
    if not isinstance(name, str):
        return queue_policy(name, scenario)
    if name in QUEUE_POLICIES:
        return online.make(name, training)
    if is_folder(name):
        return trained_for_queues(Path(name), scenario)
    if is_plug(name):
        return plugged_for_queues(name, scenario)
    raise ValueError(
        f"{name!r} decides no queues with batteries: {', '.join(QUEUE_POLICIES)}, the folder "
        "of a checkpoint, or a module:function or file.py:function is expected"
    )


def decision_time(problem: Problem, policy: QueuePolicy, gain: Floats, task: Integers) -> float:
    """Return the median time of a decision in one queue, s: of 200, or as many as 5 s allow."""
    times: list[float] = []

    def timed(gain: Floats, task: Integers, left: Floats, tasks_left: int) -> tuple[Actions, Flags]:
        start = perf_counter()
        answer = policy(gain, task, left, tasks_left)
        times.append(perf_counter() - start)
        return answer

    for q in range(len(task)):
        if len(times) >= TIMED or sum(times) > LONGEST_TIMED:
            break
        play(problem, timed, gain[q : q + 1], task[q : q + 1])
    return float(np.median(times))


def reference(scenario: Scenario, gain: Floats, task: Integers, free: bool) -> tuple[float, bool]:
    """Return what no policy is worth more than on a queue, and whether a decision is as much.

    `free` : of the levels of the grid
    """
    method = "global" if free else "exact"
    result = solve_queue(scenario, gain, task, method, time_limit=LONGEST)
    if result.interrupted:
        raise KeyboardInterrupt
    return result.upper_bound, result.status is Status.OPTIMAL


def score(
    problem: Problem, played: Played, optimum: Floats, least: Floats, time: float
) -> QueueScore:
    """Return the score of what was played, against references and greedy (F,), QoE a task."""
    reached = played.value
    executed, limited = ~played.skipped, np.isfinite(problem.users.battery)
    mean, best, ratio = float(reached.mean()), float(optimum.mean()), shares(reached, optimum)
    lowest = float(least.mean())

    def of_executed(figure: Floats) -> float:
        return float(figure[executed].mean()) if executed.any() else float("nan")

    return QueueScore(
        qoe=mean,
        reference_qoe=best,
        ratio=float(ratio.mean()),
        ratio_p1=float(np.quantile(ratio, 0.01)),
        ratio_worst=float(ratio.min()),
        closure=closure(mean, best, lowest) if best - lowest > TOLERANCE else None,
        hit_share=float((optimum - reached <= HIT).mean()),
        latency_ms=of_executed(played.latency) * 1e3,
        energy_mj=of_executed(played.energy) * 1e3,
        accuracy=of_executed(played.accuracy),
        infeasible_share=float(played.infeasible.mean()),
        decision_us=time * 1e6,
        skipped_share=float(played.skipped.mean()),
        unpaid_share=float(played.unpaid.mean()),
        energy_left_mj=float(played.left[:, limited].mean()) * 1e3,
    )
