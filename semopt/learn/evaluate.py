"""Policies and methods on the same slots, against the certified optimum.

A task that breaks a limit scores 0 and counts as infeasible; slots whose P0 is infeasible are left
out and counted. Whatever decides is a function from slots to actions, its outcome that of
`model.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..allowed import one_of
from ..limits import coupled, refuse_battery, unpriced
from ..problem import Floats, Integers, Problem
from ..records import Record, Shown
from ..result import number
from ..scenario import Scenario
from ..solvers.batch import solve_batch
from ..statistics import interval
from ..worth import ALL_LOCAL, FIGURES, closure, figures, tasks_in
from .deciders import Fixed, Method, Policy, decider, home, named
from .refine import Decider, Refined

HIT = 1e-4  # a slot is hit when it misses at most so much QoE a task
MEANS = ("qoe", "gap", "ratio")  # figures of a slot whose mean has an interval
SLOTS = 1000  # unless another number is asked for
TIMED = 200  # decisions of one slot each, timed
LONGEST = 5.0  # s after which no further one is


@dataclass(frozen=True)
class Score:
    """A method on many slots: the keys of the JSON of `semopt evaluate`.

    Attributes
    ----------
    qoe, reference_qoe : mean a task
    ratio, ratio_p1, ratio_worst : of objective to reference: mean, 1st percentile, smallest slot
    closure : (qoe - 0.5) / (reference_qoe - 0.5), the part of the gain over local that is reached
    hit_share : of slots within 1e-4 a task of the reference
    latency_ms, energy_mj, accuracy : mean a task
    infeasible_share : of tasks that break a limit
    decision_us : median time of a decision, one slot at a time
    """

    qoe: float
    reference_qoe: float
    ratio: float
    ratio_p1: float
    ratio_worst: float
    closure: float | None
    hit_share: float
    latency_ms: float
    energy_mj: float
    accuracy: float
    infeasible_share: float
    decision_us: float


@dataclass(frozen=True)
class Evaluation(Shown, Record):
    """Scores by name, on the F slots whose P0 is feasible.

    Attributes
    ----------
    scenario, objective : name of the scenario, and what its slots are worth: "sum" or "min" of QoE
    reference : the method whose optimum is the measure
    slots, seed : how many slots were drawn, and from which seed
    infeasible_slots : how many of them are left out
    scores : `Score` by name
    missing : names without a score yet
    slot : (F,) int64, which of the slots drawn they are
    optimum : (F,) float64, QoE a task of the reference
    qoe : by name, (F,) float64, QoE a task
    """

    scenario: str
    objective: str
    reference: str
    slots: int
    infeasible_slots: int
    scores: dict[str, Score]
    missing: tuple[str, ...] = ()
    seed: int = 0
    slot: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    optimum: Floats = field(default_factory=lambda: np.empty(0))
    qoe: dict[str, Floats] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the mean shares of the optimum, in one line."""
        ratios = ", ".join(f"{name} {score.ratio:.4f}" for name, score in self.scores.items())
        return (
            f"<Evaluation on {self.slots} slots of {self.scenario}: share of {self.reference} "
            f"{ratios or 'unknown yet'}>"
        )

    def show(self) -> None:
        """Print the table of scores, as `semopt evaluate` does."""
        from ..report.learning import print_evaluation

        print_evaluation(self)

    def plot(self) -> Any:
        """Return the gaps drawn, their distribution and their means, as a chart of Altair.

        Raises
        ------
        ValueError
            Where Altair is missing
        """
        from ..report.plots import of_evaluation

        return of_evaluation(self)

    @property
    def gaps(self) -> dict[str, Floats]:
        """What each slot lacks of the optimum: by name, (F,) float64, QoE a task."""
        return {name: self.optimum - reached for name, reached in self.qoe.items()}

    def interval(self, name: str, figure: str = "gap") -> tuple[float, float]:
        """Return the 95% interval of a mean over slots: see `statistics.interval`.

        It says what other slots would give; of a trained policy, not what another training would.

        Parameters
        ----------
        name : of a score
        figure : "gap" or "qoe", a task, or "ratio", the share of the optimum

        Raises
        ------
        ValueError
            For a name or a figure that is not there
        """
        one_of("name", name, tuple(self.qoe))
        one_of("figure", figure, MEANS)
        reached = self.qoe[name]
        values = {"gap": self.optimum - reached, "qoe": reached, "ratio": reached / self.optimum}
        return interval(values[figure])

    def to_json(self) -> dict[str, Any]:
        """Return the document of `semopt evaluate --json`."""
        intervals = {
            name: {f"{mean}_interval": [*map(number, self.interval(name, mean))] for mean in MEANS}
            for name in self.qoe
        }
        return {
            "schema": 1,
            "scenario": self.scenario,
            "objective": self.objective,
            "reference": self.reference,
            "slots": self.slots,
            "infeasible_slots": self.infeasible_slots,
            "methods": {
                name: asdict(score) | intervals.get(name, {}) for name, score in self.scores.items()
            },
            **({"missing": list(self.missing)} if self.missing else {}),
        }


def evaluate(
    policies: Policy | Sequence[Policy],
    scenario: Scenario | str | Path | None = None,
    slots: int | None = None,
    seed: int = 0,
    *,
    refine: bool = False,
    reference: str | None = None,
    tick: Callable[[str, float], None] = lambda what, done: None,
    report: Callable[[Evaluation], None] = lambda evaluation: None,
) -> Evaluation:
    """Score policies and methods on the same slots against the certified optimum.

    Parameters
    ----------
    policies : one or several of: folders of checkpoints, methods of `solve`, "constant",
        "module:function", "file.py:function", or functions (see Notes)
    scenario : from whose channel the slots are drawn, of a trace from its part for evaluation; also
        a preset's name or a file's path; the first checkpoint's own unless given, else "paper"
    slots, seed : of the draw; 1000 slots unless given, or as many as the part of a trace for
        evaluation has
    refine : also score each with its levels optimised, as "NAME refined"
    reference : a method of `solve`; else the strongest that honours the scenario's objective and
        limits: "global"; "exact" for the objective "min" and where a limit is none of
        `limits.PRICED`; "exhaustive" where the server's energy is limited
    tick : told what is at work and the share of it that is done
    report : told what is found so far, after each score

    Raises
    ------
    ValueError
        For a name that is none of these, a checkpoint or a policy that does not fit, or a scenario
        without any feasible slot.

    Notes
    -----
    A function gets observations (S, N, O) float32 of S slots, for each of N users in this order:

    - K gains and two features of the task, its load on the device and on the server, of the users
      in turn, 0 to N - 1; where the function has an attribute `observation = "own"`, of the user
      alone. Gains are logarithms, less their mean and divided by their deviation; features are
      standardised over the kinds of task;
    - N numbers of which one is 1: which user it is.

    It returns numbers from 0 to 1, (S, N, 4 + K): the mode (local below 1/3, raw below 2/3, else
    semantic); where power, frequency and extraction lie in their ranges; a preference for each
    sub-channel, by which offloaders take them. Or it returns `Actions` of arrays (S, N), in SI
    units. Whatever else it returns or raises is a ValueError of one sentence.

    Examples
    --------
    >>> scored = evaluate(["local", "exact"], "contended", slots=50, reference="exact")
    >>> scored.scores["exact"].ratio, round(scored.scores["local"].qoe, 4)
    (1.0, 0.5128)
    >>> low, high = scored.interval("local", "qoe")
    >>> round(low, 2) <= 0.51 <= round(high, 2)
    True
    """
    names = named(policies)
    scenario = home(list(names)) if scenario is None else Scenario.of(scenario)
    problem = scenario.template()
    refuse_battery(problem, "evaluate")
    reference = strongest(problem) if reference is None else reference
    deciders = {name: decider(given, scenario, seed) for name, given in names.items()}
    if slots is None:
        slots = min(SLOTS, scenario.length("evaluation") or SLOTS)
    gain, task = scenario.draw(slots, seed, part="evaluation")
    for decide in deciders.values():  # what a user's code cannot do is said before the long part
        if not isinstance(decide, Method | Fixed):
            decide(gain[:2], task[:2])
    title = f"reference, {reference}"
    batch = solve_batch(
        scenario, gain, task, reference, progress=lambda done: tick(title, done / slots)
    )
    optimum = batch.objective
    feasible = ~np.isnan(optimum)
    if not feasible.any():
        raise ValueError(f"scenario {scenario.name}: none of {slots} slots drawn is feasible")
    gain, task, optimum = gain[feasible], task[feasible], optimum[feasible]
    left_out = int((~feasible).sum())
    evaluation = Evaluation(
        *(scenario.name, problem.objective, reference, slots, left_out, {}),
        seed=seed,
        slot=np.flatnonzero(feasible),
        optimum=optimum / tasks_in(problem),
    )
    labels = [label for name in deciders for label in (name, refined(name))[: 1 + refine]]
    for name, decide in deciders.items():
        tick(name, 0.0)
        if isinstance(decide, Fixed):
            decide.fit(partial(tick, name))
        ways: dict[str, Decider] = {name: decide}
        if refine:
            ways[refined(name)] = Refined(problem, decide)
        for label, way in ways.items():
            options = {"tick": partial(tick, label)} if isinstance(way, Method) else {}
            actions = way(gain, task, **options)
            time = decision_time(way, gain, task, partial(tick, f"{label}, timed"))
            worth = figures(problem, actions, gain, task)
            scores = evaluation.scores | {label: score(problem, worth, optimum, time)}
            missing = tuple(key for key in labels if key not in scores)
            qoe = evaluation.qoe | {label: worth["value"] / tasks_in(problem)}
            evaluation = replace(evaluation, scores=scores, missing=missing, qoe=qoe)
            report(evaluation)
    return evaluation


def refined(name: str) -> str:
    """Return what the scores call a policy whose levels are optimised."""
    return f"{name} refined"


def strongest(problem: Problem) -> str:
    """Return the method whose optimum policies are measured by."""
    if coupled(problem):
        return "exhaustive"
    return "global" if problem.objective == "sum" and not unpriced(problem) else "exact"


def score(problem: Problem, columns: dict[str, Floats], optimum: Floats, time: float) -> Score:
    """Return the score of what decisions are worth, `figures`, against optima (S,); `time` in s."""
    reached, tasks = columns["value"], tasks_in(problem)
    ratio = reached / optimum
    mean, best = float(reached.mean()) / tasks, float(optimum.mean()) / tasks
    return Score(
        qoe=mean,
        reference_qoe=best,
        ratio=float(ratio.mean()),
        ratio_p1=float(np.quantile(ratio, 0.01)),
        ratio_worst=float(ratio.min()),
        closure=closure(mean, best) if best != ALL_LOCAL else None,
        hit_share=float((optimum - reached <= HIT * tasks).mean()),
        **{name: float(columns[name].mean()) for name in FIGURES[2:]},
        decision_us=time * 1e6,
    )


def decision_time(
    decide: Decider, gain: Floats, task: Integers, tick: Callable[[float], None] = lambda _: None
) -> float:
    """Return the median time of deciding one slot, s: of 200, or as many as 5 s allow."""
    times, slots = list[float](), min(TIMED, len(task))
    for s in range(slots):
        if sum(times) > LONGEST:
            break
        tick(s / slots)
        start = perf_counter()
        decide(gain[s : s + 1], task[s : s + 1])
        times.append(perf_counter() - start)
    return float(np.median(times))
