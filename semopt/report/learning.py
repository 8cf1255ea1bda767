"""What learning prints: a line an evaluation of a run, and the table of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console import Console, slim_table
from .lines import print_line, print_message

if TYPE_CHECKING:
    from ..learn.evaluate import Evaluation
    from ..learn.train import Report

HEADINGS = (
    *("QoE", "ratio", "p1", "worst", "clos-\nure", "hits", "ms", "mJ", "accu-\nracy"),
    *("infea-\nsible", "us a\nslot"),
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
    table.add_column("", overflow="fold", max_width=18)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, score in evaluation.scores.items():
        closure = "" if score.closure is None else f"{score.closure:.4f}"
        table.add_row(
            name,
            f"{score.qoe:.5f}",
            f"{score.ratio:.4f}",
            f"{score.ratio_p1:.3f}",
            f"{score.ratio_worst:.3f}",
            closure,
            f"{score.hit_share:.0%}",
            f"{score.latency_ms:.2f}",
            f"{score.energy_mj:.1f}",
            f"{score.accuracy:.3f}",
            f"{score.infeasible_share:.1%}",
            f"{time:.0f}" if (time := score.decision_us) < 9999.5 else f"{time / 1e3:.0f}k",
        )
    console = Console()
    console.print(table)
    best = next(iter(evaluation.scores.values())).reference_qoe
    infeasible = evaluation.infeasible_slots
    note = f"; {infeasible} infeasible slots are left out" if infeasible else ""
    unit = "of the worst user" if evaluation.objective == "min" else "a task"
    console.print(
        f"Reference {evaluation.reference}: QoE {best:.5f} {unit}. Closure: the part of its gain "
        f"over local, 0.5, that is reached. A task that breaks a limit scores 0{note}.",
    )
