"""A queue that shares batteries, as a person reads it: its decisions, and the energy left."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np

from ..actions import mode_of
from ..console import Console, figure, slim_table
from ..queue import QueueResult
from .lines import ended

MOST_ROWS = 120  # of the table of decisions; a file has them all
BLOCKS = " ▁▂▃▄▅▆▇█"  # of a battery, from empty to full
WIDEST = 60  # characters of the energy left over time


def print_queue(result: QueueResult, name: str, seed: int | None = None) -> None:
    """Print each task's decision, what the queue is worth, and each battery over time.

    Parameters
    ----------
    seed : that drew the queue; None of one that is pinned
    """
    console, (slots, users) = Console(), result.task.shape
    drawn = "" if seed is None else f", seed {seed}"
    table = slim_table(f"{name}: {result.method}, {slots} slots{drawn}")
    for heading in ("slot", "user"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("task", overflow="fold")
    table.add_column("mode,\nchannel", no_wrap=True)
    for heading in ("latency\nms", "energy\nmJ", "accu-\nracy", "QoE", "left\nmJ"):
        table.add_column(f" {heading}", justify="right", no_wrap=True)
    left, spent, outcome = result.energy_left(), result.spent, result.outcome
    names = result.problem.tasks.names
    for t, n in list(np.ndindex(slots, users))[:MOST_ROWS]:
        skipped, channel = result.skipped[t, n], result.actions.channel[t, n]
        mode = "skipped" if skipped else mode_of(result.actions.take(t), n)
        table.add_row(
            str(t) if n == 0 else "",
            str(n),
            names[result.task[t, n]],
            mode + (f" {channel}" if channel >= 0 else ""),
            "" if skipped else figure(float(outcome.latency[t, n]) * 1e3, 3),
            figure(float(spent[t, n]) * 1e3, 2),
            "" if skipped else f"{outcome.accuracy[t, n]:.3f}",
            f"{outcome.qoe[t, n]:.4f}",
            figure(float(left[t, n]) * 1e3, 2) if left[t, n] < inf else "",
            end_section=n == users - 1,
        )
    console.print(table)
    if slots * users > MOST_ROWS:
        console.print(f"... {slots * users - MOST_ROWS} more rows: --json FILE holds all of them.")
    print_batteries(result)
    print_worth(result)


def print_batteries(result: QueueResult) -> None:
    """Print what is left of each battery after each slot, in a line of blocks a user."""
    batteries, left = result.problem.users.battery, result.energy_left()
    slots = len(left)
    rows = np.linspace(0, slots - 1, min(slots, WIDEST)).round().astype(int)
    table = slim_table("Energy left after each slot")
    for heading in ("user", "of mJ", "", "left, mJ", "price, QoE/mJ"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for n in np.flatnonzero(batteries < inf).tolist():
        blocks = np.ceil(left[rows, n] / batteries[n] * (len(BLOCKS) - 1)).astype(int)
        table.add_row(
            str(n),
            figure(batteries[n] * 1e3, 2),
            f" {''.join(BLOCKS[level] for level in blocks)} ",
            figure(left[-1, n] * 1e3, 2),
            f" {result.price[n] / 1e3:.4g}",
        )
    if table.row_count:
        Console().print(table)


def print_worth(result: QueueResult) -> None:
    """Print what the decisions are worth, what is proven, and how the search ended."""
    console = Console()
    console.print(worth(result))
    stopped = result.details.get("stopped")
    why = f" ({stopped})" if stopped else ""
    how = ended(result.status, result.objective, result.upper_bound)
    paid = f" A battery pays for the energy of a {result.battery_pays}."
    limited = (result.problem.users.battery < inf).any()
    console.print(f"{how}{why}; {result.seconds * 1e3:.2f} ms.{paid if limited else ''}")
    if "certificate" in result.details:
        console.print("Ctrl-C came while the certificate was made: none was written.")


def worth(result: QueueResult) -> str:
    """Return what the decisions are worth and what is proven, as a sentence."""
    tasks, skipped = result.task.size, int(result.skipped.sum())
    value, bound = result.objective, result.upper_bound
    line = f"Total QoE {value:.6f}, {value / tasks:.4f} a task, {skipped} of {tasks} skipped"
    if not isfinite(bound):
        return line
    levels = " and the levels of the grid" if result.method == "exact" else ""
    line += f"; no policy within the batteries{levels} reaches more than {bound:.6f} on this queue"
    return line + (f" ({(bound - value) / value:.3%} more)." if bound > value > 0.0 else ".")
