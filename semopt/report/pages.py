"""What `--report FILE` writes: a slot, many slots, scores of policies or a training as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..actions import mode_of
from . import charts_queue
from .batch import MEANS
from .charts_batch import distribution, modes
from .charts_batch import worth as worths
from .charts_learning import LEAST, bands, losses, means, qoe, regret, within
from .charts_slot import places, spent, worth
from .page import Figure, Report, Table
from .queue import worth as worth_of_queue
from .slot import reasons, verdict

if TYPE_CHECKING:
    from ..learn.scores import Evaluation
    from ..queue import QueueResult
    from ..result import Result
    from ..solvers.slots import Batch

USERS = {  # of a result file
    "task": "task",
    "channel": "sub-channel",
    "power_mw": "power, mW",
    "frequency_ghz": "GPU, GHz",
    "extraction": "extraction",
    "latency_ms": "latency, ms",
    "energy_mj": "energy, mJ",
    "accuracy": "accuracy",
    "qoe": "QoE",
}


ENERGY = ("energy_left_mj", "prices_per_mj")  # of a result file of a queue, an entry a user


def of_slot(result: Result, name: str, command: str) -> Report:
    """Return the page of one slot: its decision drawn, or why there is none."""
    document = result.to_json()
    title, about = f"{name}: {result.method}", {"problem": document["problem"]}
    summary = " ".join(verdict(result))
    if result.actions is None:
        return Report(title, summary, command, [], [], reasons(result), about)
    table = Table(
        "users",
        "The decision",
        ["user", "mode", *USERS.values()],
        [
            [str(n), mode_of(result.actions, n), *(row[key] for key in USERS)]
            for n, row in enumerate(document["users"])
        ],
    )
    figures = [
        Figure(
            "places",
            "Who offloads where",
            places(result),
            "A sub-channel goes to one user at most, and a user takes one at most.",
        ),
        Figure(
            "time",
            "Where time goes",
            spent(result, "latency"),
            "Ticks stand at the limit of a task.",
        ),
        Figure(
            "energy",
            "Where energy goes",
            spent(result, "energy"),
            "What the server takes is charged to whoever offloads. Ticks stand at a user's limit, "
            "where it has one.",
        ),
        Figure(
            "worth",
            "What it is worth",
            worth(result),
            "Ticks stand at the best local execution. A user may lose by a decision that is the "
            "best for all together.",
        ),
    ]
    return Report(title, summary, command, [table], figures, (), about)


def of_queue(result: QueueResult, name: str, command: str) -> Report:
    """Return the page of a queue: its decisions, and the energy that they leave."""
    document, batteries = result.to_json(), result.problem.users.battery
    holders = np.flatnonzero(batteries < inf).tolist()
    decisions = Table(
        "decisions",
        "The decisions",
        ["slot", "user", "mode", *USERS.values()],
        [
            [str(t), str(n), "skip" if row["skip"] else mode_of(result.actions.take(t), n)]
            + [None if row["skip"] and key != "task" else row[key] for key in USERS]
            for t, slot in enumerate(document["slots"])
            for n, row in enumerate(slot["users"])
        ],
    )
    held = Table(
        "batteries",
        "The batteries",
        ["user", "battery, mJ", "left, mJ", "price, QoE/mJ"],
        [
            [str(n), float(batteries[n]) * 1e3, *(document[key][n] for key in ENERGY)]
            for n in holders
        ],
    )
    figures = [
        Figure(
            "modes",
            "What is done with each task",
            charts_queue.modes(result),
            "A skipped task takes neither energy nor a sub-channel.",
        )
    ]
    if holders:
        left = charts_queue.energy(result)
        about = "After each slot; the grey line is even spending."
        figures.insert(0, Figure("energy", "Energy left", left, about))
    slots, users = result.task.shape
    title = f"{name}: {result.method}, {slots} slots of {users} users"
    tables = [held, decisions] if holders else [decisions]
    summary = f"{result.status.word}: {worth_of_queue(result)}"
    return Report(title, summary, command, tables, figures, (), {"problem": document["problem"]})


def of_batch(batch: Batch, name: str, seed: int, command: str) -> Report:
    """Return the page of many slots."""
    mean, slots = batch.mean(), len(batch.objective)
    known = worths(batch)
    figures_of_a_task = Table(
        "means",
        "Means a task, over feasible slots",
        ["figure", "mean"],
        [[words, mean[key]] for key, words in MEANS.items()],
    )
    shares = [
        [task, *(share[mode] for mode in ("local", "raw", "semantic", "extraction"))]
        for task, share in batch.modes().items()
    ]
    columns = ["task", "local", "raw", "semantic", "mean extraction"]
    figures = [
        Figure(
            "modes",
            "How tasks are executed",
            modes(batch),
            "Locally, offloaded raw, or offloaded after semantic extraction.",
        ),
        Figure(
            "slots",
            "What slots are worth",
            distribution(known, "QoE a task"),
            f"Slots by their QoE, of {len(known)} that have a decision.",
        ),
    ]
    notes = [f"{batch.solved} of {slots} slots solved, then: {batch.stopped}"]
    return Report(
        f"{name}: {batch.method}, {slots} slots",
        f"{slots} slots drawn with seed {seed}; {batch.seconds:.2f} s on backend {batch.backend}.",
        command,
        [figures_of_a_task, Table("modes", "Modes by kind of task", columns, shares)],
        figures if len(known) else [],
        notes if batch.stopped else (),
        {"problem": batch.problem.to_json()},
    )


def of_evaluation(evaluation: Evaluation, command: str) -> Report:
    """Return the page of scores."""
    scores = evaluation.to_json()["methods"]
    columns = [key for key in next(iter(scores.values())) if not key.endswith("_interval")]
    table = Table(
        "scores",
        "Scores",
        ["method", *(column.replace("_", " ") for column in columns)],
        [[name, *(score[column] for column in columns)] for name, score in scores.items()],
    )
    figures = [
        Figure(
            "means",
            "Mean gap",
            means(evaluation),
            f"What is lacking of the {evaluation.best} ({evaluation.reference}); bars are 95% "
            f"intervals, {evaluation.units} resampled.",
        ),
        Figure(
            "profile",
            f"{evaluation.units.capitalize()} within a gap",
            within(evaluation),
            f"A line that rises early is good. Gaps below {LEAST:g} are drawn there; "
            f"{bands(evaluation)}.",
        ),
    ]
    infeasible = evaluation.infeasible_slots
    return Report(
        f"{evaluation.scenario}: {', '.join(scores)}",
        f"{evaluation.drawn} drawn with seed {evaluation.seed}, against "
        f"{evaluation.reference}. A task that breaks a limit scores 0.",
        command,
        [table],
        figures,
        [f"{infeasible} infeasible slots are left out."] if infeasible else (),
        {key: value for key, value in evaluation.to_json().items() if key != "methods"},
    )


def of_training(
    log: Sequence[Mapping[str, Any]], title: str, ended: str, about: dict[str, Any], command: str
) -> Report:
    """Return the page of a training run, from the lines of its log."""
    columns = ["updates", "agent_steps", "seconds", "reward", "qoe", "regret", "offloading"]
    table = Table(
        "log",
        "Validations",
        [column.replace("_", " ") for column in columns],
        [[row[column] for column in columns] for row in log],
    )
    figures = [
        Figure(
            "regret",
            "Regret while it learns",
            regret(log),
            "What the policy lacks of the certified optimum on the validation slots.",
        ),
        Figure("qoe", "QoE beside the optimum", qoe(log), "On the validation slots."),
        Figure(
            "losses",
            "What is learned from",
            losses(log),
            "In the last update before each validation: the entropy of the modes, which falls as "
            "the policy becomes sure; of an algorithm without one, its losses.",
        ),
    ]
    notes = list(dict.fromkeys(row["note"] for row in log if row.get("note")))
    return Report(title, f"{ended}.", command, [table], figures, notes, about)
