"""What learning prints: a line an evaluation of a run, and the table of scores."""

from __future__ import annotations

from collections.abc import Collection
from math import isfinite, isnan
from typing import TYPE_CHECKING, cast

from ..console import Console, figure, in_four_digits, percent, slim_table
from ..methods import METHODS
from .lines import by_reason, print_line, print_message, short

if TYPE_CHECKING:
    from ..learn.queues import QueueEvaluation, QueueScore
    from ..learn.scores import Evaluation
    from ..learn.train import Report

HEADINGS = (
    *("QoE", "ratio", "p1", "worst", "clos-\nure", "hits", "ms", "mJ", "accu-\nracy"),
    *("infea-\nsible", "us a\nslot"),
)
QUEUE_HEADINGS = (
    *("QoE", "gap", "95% of it", "clos-\nure", "skip-\nped", "left\nmJ", "ms", "mJ"),
    "us a\nslot",
)
HEADING = " updates agent-steps seconds  reward     QoE   regret offload steps/s"


def print_report(report: Report, heading: bool = False) -> None:
    """Print one line of progress, the first below its heading."""
    if heading:
        print_line(HEADING)
    print_line(
        f"{report.updates:8d} {report.agent_steps:11,d} {report.seconds:7.1f} {report.reward:7.4f} "
        f"{report.qoe:7.5f} {report.regret:8.5f} {report.offloading:7.1%} "
        f"{report.steps_per_second / 1e3:6.0f}k"
    )
    if report.note:
        print_message(f"warning: {report.note}")


def print_evaluation(evaluation: Evaluation) -> None:
    """Print the table of scores."""
    table = slim_table(f"{evaluation.scenario}: {evaluation.slots} slots, seed {evaluation.seed}")
    table.add_column("", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    names = short(list(evaluation.scores))
    for name, score in evaluation.scores.items():
        closure = "" if score.closure is None else f"{score.closure:.4f}"
        table.add_row(
            names[name],
            f"{score.qoe:.5f}",
            f"{score.ratio:.4f}",
            f"{score.ratio_p1:.3f}",
            f"{score.ratio_worst:.3f}",
            closure,
            percent(score.hit_share, 0),
            figure(score.latency_ms, 2),
            figure(score.energy_mj, 1),
            f"{score.accuracy:.3f}",
            percent(score.infeasible_share),
            in_four_digits(score.decision_us),
        )
    console = Console()
    console.print(table)
    best = next(iter(evaluation.scores.values())).reference_qoe
    infeasible = evaluation.infeasible_slots
    note = f"; {infeasible} infeasible slots are left out" if infeasible else ""
    unit = "of the worst user" if evaluation.objective == "min" else "a task"
    console.print(
        f"Reference {evaluation.reference}: QoE {best:.5f} {unit}. Closure: the part of its gain "
        f"over 0.5, all local at the reference frequency, that is reached. A task that breaks a "
        f"limit scores 0{note}.",
    )
    if sentence := of_times([*evaluation.scores]):
        console.print(sentence)
    if evaluation.in_time.depend:
        console.print(
            "Slots resemble their neighbours in time, and say less than as many independent ones: "
            "intervals, in --json and --plot, take long blocks of them."
        )
    print_without_interval(console, evaluation)


def of_times(names: Collection[str]) -> str:
    """Return what the times of a decision include; "" where no two are of different things."""
    if "exact" not in names or not any(name in METHODS for name in {*names} - {"exact"}):
        return ""
    return (
        "us a slot: exact by a Solver that stands ready; other methods of solve by a whole call "
        "each, which for a plain method is mostly preparation."
    )


def print_queue_evaluation(evaluation: QueueEvaluation) -> None:
    """Print the table of scores on queues with batteries."""
    table = slim_table(f"{evaluation.scenario}: {evaluation.drawn}, seed {evaluation.seed}")
    table.add_column("", overflow="fold")
    for heading in QUEUE_HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    infeasible, unpaid, names = {}, {}, short(list(evaluation.scores))
    for name, score in evaluation.scores.items():
        of_queue = cast("QueueScore", score)
        low, high = evaluation.interval(name, "gap")
        table.add_row(
            names[name],
            f"{score.qoe:.4f}",
            f"{score.reference_qoe - score.qoe:.4f}",
            f"{low:.4f}-{high:.4f}" if isfinite(low) else "",
            "" if score.closure is None else f"{score.closure:.3f}",
            percent(of_queue.skipped_share),
            figure(of_queue.energy_left_mj, 1),
            "" if isnan(score.latency_ms) else figure(score.latency_ms, 2),
            "" if isnan(score.energy_mj) else figure(score.energy_mj, 1),
            in_four_digits(score.decision_us),
        )
        if score.infeasible_share:
            infeasible[name] = score.infeasible_share
        if of_queue.unpaid_share:
            unpaid[name] = of_queue.unpaid_share
    console = Console()
    console.print(table)
    best = next(iter(evaluation.scores.values())).reference_qoe
    closed = int(evaluation.closed.sum())
    part = closed < evaluation.queues
    console.print(
        f"Reference hindsight ({evaluation.levels} levels), an upper bound that knows the future: "
        f"QoE {best:.5f} a task. On {f'{closed} of the' if part else 'all'} queues a decision "
        f"reaches it within 1e-4 a task{'; on the others it is a bound alone' if part else ''}. "
        "Gap: what is lacking of it, in the mean. Closure: the part of what lies between greedy "
        "and the reference that is reached."
    )
    if evaluation.in_time.depend:
        console.print(
            "Queues resemble their neighbours in time: intervals take blocks of them that hardly "
            "do."
        )
    print_without_interval(console, evaluation)
    for name, share in infeasible.items():
        console.print(f"{name}: {percent(share)} of its tasks break a limit, and score 0.")
    for name, share in unpaid.items():
        console.print(
            f"{name}: {percent(share)} of its tasks are offloaded though the battery cannot pay. "
            "They are skipped, and keep their place among the offloaders, by which others may "
            "save energy: the reference bounds what is within the batteries alone."
        )


def print_without_interval(console: Console, evaluation: Evaluation) -> None:
    """Print why some scores have no interval, and what gives them one."""
    names = short(list(evaluation.scores))
    without = ((names[name], why) for name, why in evaluation.without_interval.items())
    for why, of in by_reason(without).items():
        console.print(f"No interval of {of}: {why}.")
