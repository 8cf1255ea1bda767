"""Policies and methods on the same slots, against the certified optimum.

A task that breaks a limit scores 0 and counts as infeasible; slots whose P0 is infeasible are left
out and counted. Whatever decides is a function from slots to actions, its outcome that of
`model.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from ..limits import coupled, has_battery, unpriced
from ..problem import Floats, Integers, Problem
from ..scenario import Scenario
from ..solvers.batch import solve_batch
from ..worth import FIGURES, REFERENCE_QOE, closure, figures, tasks_in
from .deciders import Fixed, Method, Policy, decider, home, named
from .queues import REFERENCE, evaluate_queues
from .refine import Decider, Refined, refined
from .scores import HIT, Evaluation, Score, shares

SLOTS = 1000  # unless another number is asked for
TIMED = 200  # decisions of one slot each, timed
LONGEST = 5.0  # s after which no further one is


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

    Where users have batteries, whole queues are played and a `queues.QueueEvaluation` is returned.

    Parameters
    ----------
    policies : one or several of: folders of checkpoints, methods of `solve`, "constant",
        "module:function", "file.py:function", or functions (see Notes); of queues with batteries
        "greedy", "equal-split", "price", "receding-price", "lyapunov", "dp", or code of your own
    scenario : from whose channel the slots are drawn, of a trace from its part for evaluation; also
        a preset's name or a file's path; the first checkpoint's own unless given, else "paper"
    slots, seed : of the draw; 1000 slots unless given, or as many as the part of a trace for
        evaluation has; of queues a multiple of their length, 20 queues at least unless given
    refine : also score each with its levels optimised, as "NAME refined"; of queues the policies by
        name alone, since others do not tell what energy is worth to them
    reference : a method of `solve`; else the strongest that honours the scenario's objective and
        limits: "global"; "exact" for the objective "min" and where a limit is none of
        `limits.PRICED`; "exhaustive" where the server's energy is limited. Of queues "hindsight",
        an upper bound
    tick : told what is at work and the share of it that is done
    report : told what is found so far, after each score, or after each lot of queues

    Raises
    ------
    ValueError
        For a name that is none of these, a checkpoint or a policy that does not fit, a scenario
        without any feasible slot, or slots that make no whole queues.

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

    Of queues with batteries, observations end with the energy left, of all users in turn or of the
    user alone, and the tasks left, and the modes are quarters, the last one skip. With
    `Actions` may come, as a pair, which tasks are skipped, (S, N) bool. A function whose attribute
    `observation` is "plain" gets in place of observations what `online.policy.Policy` does: gain
    (S, N, K), task (S, N), left (S, N) in J, and tasks_left.

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
    if has_battery(problem):
        if reference not in (None, REFERENCE):
            raise ValueError(
                f"reference = {reference!r}: of queues with batteries it is {REFERENCE!r}"
            )
        return evaluate_queues(names, scenario, slots, seed, refine, tick, report)
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
        in_time=scenario.in_time,
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


def strongest(problem: Problem) -> str:
    """Return the method whose optimum policies are measured by."""
    if coupled(problem):
        return "exhaustive"
    return "global" if problem.objective == "sum" and not unpriced(problem) else "exact"


def score(problem: Problem, columns: dict[str, Floats], optimum: Floats, time: float) -> Score:
    """Return the score of what decisions are worth, `figures`, against optima (S,); `time` in s."""
    reached, tasks = columns["value"], tasks_in(problem)
    ratio = shares(reached, optimum)
    mean, best = float(reached.mean()) / tasks, float(optimum.mean()) / tasks
    return Score(
        qoe=mean,
        reference_qoe=best,
        ratio=float(ratio.mean()),
        ratio_p1=float(np.quantile(ratio, 0.01)),
        ratio_worst=float(ratio.min()),
        closure=closure(mean, best) if best != REFERENCE_QOE else None,
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
