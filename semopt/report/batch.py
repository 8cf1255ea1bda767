"""Many slots, and scenarios side by side, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..console import Console, percent, slim_table

if TYPE_CHECKING:
    from ..solvers.slots import Batch


MEANS = {
    "qoe": "QoE",
    "latency_ms": "latency, ms",
    "energy_mj": "energy, mJ",
    "accuracy": "accuracy",
    "offload_share": "share offloaded",
    "infeasible_share": "share of slots infeasible",
    "undecided_share": "share of slots undecided",
}


def print_batch(batch: Batch, name: str, seed: int | None = None) -> None:
    """Print the means of a method over many slots."""
    slots, mean = len(batch.objective), batch.mean()
    drawn = "" if seed is None else f", seed {seed}"
    table = slim_table(f"{name}: {batch.method}, {slots} slots{drawn}")
    table.add_column("mean a task, over feasible slots")
    table.add_column(justify="right")
    for key, label in MEANS.items():
        value = mean[key]
        table.add_row(label, "" if value is None else f"{value:.{5 if key == 'qoe' else 4}f}")
    console = Console()
    console.print(table)
    rate = f"{batch.seconds / max(batch.solved, 1) * 1e6:.0f} us a slot on backend {batch.backend}"
    stopped = f"; {batch.solved} of {slots} slots solved, then: {batch.stopped}"
    console.print(f"{batch.seconds:.2f} s, {rate}{stopped if batch.stopped else ''}.")


def print_comparison(batches: dict[str, Batch], seed: int) -> None:
    """Print how the best decisions of scenarios differ, by kind of task and in the mean."""
    slots = max(len(batch.objective) for batch in batches.values())
    table = slim_table(f"the best decisions of {slots} slots, seed {seed}")
    for heading in ("scenario", "task"):
        table.add_column(heading, overflow="fold")
    for heading in (" local", "  raw", " semantic", " mean\nextr."):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in (" QoE a\ntask", " ms", " mJ", " accu-\nracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, batch in batches.items():
        mean = batch.mean()
        for place, (task, share) in enumerate(batch.modes().items()):
            extraction = share["extraction"]
            row = [percent(share[mode] or 0.0) for mode in ("local", "raw", "semantic")]
            row.append("" if extraction is None else f"{extraction:.3f}")
            if task == batch.total:
                keys = ("qoe", "latency_ms", "energy_mj", "accuracy")
                row += ["" if mean[key] is None else f"{mean[key]:.4g}" for key in keys]
            table.add_row(name if place == 0 else "", task, *row)
        if mean["infeasible_share"]:
            table.add_row("", f"{percent(mean['infeasible_share'])} of slots infeasible")
        table.add_section()
    Console().print(table)
