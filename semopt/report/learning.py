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


def print_report(told: Report, heading: bool = False) -> None:
    """Print one line of progress, the first below its heading."""
    if heading:
        print_line(HEADING)
    print_line(
        f"{told.updates:8d} {told.agent_steps:11,d} {told.seconds:7.1f} {told.reward:7.4f} "
        f"{told.qoe:7.5f} {told.regret:8.5f} {told.offloading:7.1%} "
        f"{told.steps_per_second / 1e3:6.0f}k"
    )
    if told.note:
        print_message(f"warning: {told.note}")


def print_evaluation(found: Evaluation, seed: int) -> None:
    """Print the table of scores."""
    table = slim_table(f"{found.scenario}: {found.slots} slots, seed {seed}")
    table.add_column("", overflow="fold", max_width=18)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, s in found.scores.items():
        closure = "" if s.closure is None else f"{s.closure:.4f}"
        table.add_row(
            name,
            f"{s.qoe:.5f}",
            f"{s.ratio:.4f}",
            f"{s.ratio_p1:.3f}",
            f"{s.ratio_worst:.3f}",
            closure,
            f"{s.hit_share:.0%}",
            f"{s.latency_ms:.2f}",
            f"{s.energy_mj:.1f}",
            f"{s.accuracy:.3f}",
            f"{s.infeasible_share:.1%}",
            f"{s.decision_us:.0f}" if s.decision_us < 9999.5 else f"{s.decision_us / 1e3:.0f}k",
        )
    console = Console()
    console.print(table)
    best = next(iter(found.scores.values())).reference_qoe
    left = found.infeasible_slots
    left_out = f"; {left} infeasible slots are left out" if left else ""
    of = "of the worst user" if found.objective == "min" else "a task"
    console.print(
        f"Reference {found.reference}: QoE {best:.5f} {of}. Closure: the part of its gain over "
        f"local, 0.5, that is reached. A task that breaks a limit scores 0{left_out}.",
    )
