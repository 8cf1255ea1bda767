"""Certificates of queues: what a file holds that proves a bound on every policy.

A certificate is one JSON document (compressed where the file's name ends in `.gz`):

    format, version   "semopt-queue-certificate", 1, of policies with levels of the grid;
                      "semopt-continuous-queue-certificate", 1, of all
    problem           as of a certificate of one slot (`format`), but `gain` (T, N, K) and `task`
                      (T, N) are of all slots, and `battery` (N) in J, null where there is none
    battery_pays      "task" or "device": the energy that counts, (9) or (7) alone
    scenario          the scenario with this queue pinned, as a file has it; null where the queue
                      was not made from one
    status            "optimal" or "limit_reached"
    objective         sum of QoE of the decision, over slots and users
    upper_bound       no decision, and so no policy within the batteries, is worth more
    gap               what upper_bound - objective was to be at most; "optimal" says that it is
    decision          `skipped`, `channel` (-1 local), `power`, `frequency`, `extraction`, (T, N)
    cases             in preorder; see below
    prices, proofs    off the grid: what the cases rest on
    digest            SHA-256 of the rest, so that no accident goes unnoticed; it is no signature

All numbers are JSON numbers of at most 1e100 in size, and there are no other keys (`schema`). A
decision may miss its limits, levels and batteries by 1e-9 of them, and its objective by 1e-9.

On the grid
-----------
An action of a user in a slot, on a sub-channel beside m - 1 other offloaders or at home, is
efficient where no other one there has as much QoE, within 1e-13, for as little energy; a skipped
task stands among those at home. Decisions of efficient actions are all that need to be bounded, to
1e-13 a task. The first case allows all of them. A case has

    price             (N,) >= 0, y, of energy, QoE/J, 0 without a battery
    duals             (T, M, 1 + K), for each slot and each number m of offloaders from 1 to
                      M = min(N, K) the price o of an offloader, and those c >= 0 of sub-channels
    split             null, or [slot, user, energy]

With home[n] the largest QoE - y E of the allowed actions of user n at home, and cell[n, k] the same
on sub-channel k beside m - 1 others, a slot's joint actions with m offloaders are worth at most

    sum_n max(home[n], max_k (cell[n, k] - c[k] - o)) + sum_k c[k] + m o

(linear programming duality of the assignment), the slot at most the largest of these, and the case

    D(y)  =  sum of all slots  +  sum_n y[n] battery[n]  +  1e-13 T N.

A case without a split may not exceed `upper_bound`. Of one with a split each action goes that takes
part in no joint action for which these terms leave D above `upper_bound`; then two cases follow:
that where the user takes at most `energy` in the slot, with all cases below it, and that where it
takes more. So no decision is left out, and no case needs to say which actions it allows.

Off the grid
------------
A case is the decisions in which users' energies of slots lie in ranges: the first allows all up to
the batteries. It has

    split             null, or [slot, user, energy]: then follow the case where that user takes at
                      most `energy` there, with all cases below it, and that where it takes at least
                      as much
    proofs            null, or of a case without a split the indices of a proof of each slot

A case with neither is empty: what is least adds up to more than a battery. `prices` are prices of
energy y (N,) >= 0, QoE/J, 0 without a battery. A proof has

    slot, price       which slot, at which of the prices
    least, most       (N,) J, ranges of energy, null without an end; those of a case lie within,
                      where a user takes no more than its battery less what is least elsewhere
    local, sizes      what bounds the slot, as in a certificate of one slot (`format`), without its
                      `bound`; an action's worth is its QoE less y times its energy, and where the
                      energy is less than `least`, worth and QoE are those of so much

Skipped tasks, worth -y least, stand beside the local ones. That less energy counts as the least
only adds to what is bounded, and a larger gain still means no less worth. The case's bound is

    D(y)  =  sum of all slots  +  sum_n y[n] battery[n],

with the same prices in all its proofs, and may not exceed `upper_bound`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ..problem import Floats, Integers, Problem
from ..queue import QueueResult
from ..result import number
from .format import closed, digest, problem_from_json, problem_to_json

FORMAT, CONTINUOUS, VERSION = (
    "semopt-queue-certificate",
    "semopt-continuous-queue-certificate",
    1,
)
MOST_OF_CELL = 4_000_000  # actions: who checks scores them in balls, some 7 us each, and holds them


def queue_document(result: QueueResult, gap: float, proof: dict[str, Any]) -> dict[str, Any]:
    """Return the certificate of a queue.

    Parameters
    ----------
    result : of method `exact` or `global`
    gap : what was asked for
    proof : `cases`, and what they rest on
    """
    actions, pays = result.actions, result.battery_pays
    names = ("channel", "power", "frequency", "extraction")
    problem = queue_to_json(result.problem, result.gain, result.task)
    body = {
        "format": CONTINUOUS if "proofs" in proof else FORMAT,
        "version": VERSION,
        "problem": problem,
        "battery_pays": pays,
        "scenario": scenario_of(result, problem),
        "status": result.status.word,
        "objective": result.objective,
        "upper_bound": result.upper_bound,
        "gap": gap,
        "decision": {name: getattr(actions, name).tolist() for name in names}
        | {"skipped": result.skipped.tolist()},
        **proof,
    }
    return body | {"digest": digest(body)}


def check_size(problem: Problem) -> None:
    """Raise ValueError for a grid that is too fine to be scored in balls."""
    users, kinds = range(len(problem.task)), range(len(problem.tasks.names))
    most = max(max(problem.action_counts(*one)) for one in product(users, kinds))
    if most > MOST_OF_CELL:
        raise ValueError(
            f"grid: a user has {most} actions on a sub-channel; a certificate of a queue has at "
            f"most {MOST_OF_CELL}: fewer levels are expected"
        )


def queue_to_json(problem: Problem, gain: Floats, task: Integers) -> dict[str, Any]:
    """Return the numbers of a queue in SI units; null stands for an infinite limit."""
    return problem_to_json(problem) | {
        "gain": gain.tolist(),
        "task": task.tolist(),
        "battery": [number(battery) for battery in problem.users.battery.tolist()],
    }


def queue_from_json(data: dict[str, Any], scored: bool) -> list[Problem]:
    """Return the slots that `queue_to_json` wrote; all actions of their grids may be scored.

    Raises
    ------
    ValueError
        Naming the field that is missing, of another shape, or outside what is allowed
    """
    gain, task, battery = data["gain"], data["task"], data["battery"]
    if not len(gain) == len(task) > 0:
        raise ValueError(f"problem: gain of {len(gain)} slots, task of {len(task)}")
    numbers = {key: value for key, value in data.items() if key != "battery"}
    first = problem_from_json(numbers | {"gain": gain[0], "task": task[0]})
    held = np.array([np.inf if joules is None else joules for joules in battery], dtype=float)
    if held.shape != first.task.shape or not (held > 0.0).all():
        raise ValueError("problem: battery: a positive number or null is expected for each user")
    queue = replace(first, users=replace(first.users, battery=held))
    if scored:
        check_size(queue)
    try:
        return [queue.with_slot(*slot) for slot in zip(gain, task, strict=True)]
    except ValueError as error:
        raise ValueError(f"problem: {error}") from None


def scenario_of(result: QueueResult, problem: dict[str, Any]) -> dict[str, Any] | None:
    """Return the scenario whose queue this is; None where none says just its numbers."""
    try:
        scenario = result.document()
        return scenario if reads_as(scenario, problem, result.battery_pays) else None
    except ValueError:
        return None


def reads_as(scenario: dict[str, Any], problem: dict[str, Any], pays: str) -> bool:
    """Tell whether the queue of a scenario is this one, as `queue_to_json` has it.

    Kinds of task are numbered as in the queue: a file of JSON does not keep their order.

    Raises
    ------
    ValueError
        For what is no scenario, or pins no queue
    """
    tasks, names = scenario.get("tasks", {}), problem["tasks"]["names"]
    if not isinstance(tasks, dict) or set(names) != set(tasks):
        closed(scenario)  # which says what is wrong where it is none
        return False
    ordered = closed(scenario | {"tasks": {name: tasks[name] for name in names}})
    if not (ordered.queue and ordered.queue.slots):
        raise ValueError("queue.slots is missing: which queue it is, is not known")
    same = queue_to_json(ordered.template(), *ordered.draw_queue())
    return same == problem and ordered.queue.battery_pays == pays
