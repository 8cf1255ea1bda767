"""Tables of studies and audits."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING

from ..console import Console, slim_table

if TYPE_CHECKING:
    from ..studies.audit import Checked
    from ..studies.gap_rows import Row

GAP = (
    *("gap a\ntask", "95%\ninterval", "99% of\nslots", "worst", "hits", "clos-\nure"),
    *("infea-\nsible", "us a\nslot"),
)


def print_gaps(rows: Sequence[Row], alike: dict[str, float], seeds: int) -> None:
    """Print each method's gap; on scenarios that are `alike` methods hardly differ."""
    console = Console()
    for scenario in dict.fromkeys(row.scenario for row in rows):
        table = slim_table(f"{scenario}: gap to the certified optimum, QoE a task")
        table.add_column("", overflow="fold", max_width=20)
        for heading in GAP:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            if row.scenario == scenario:
                table.add_row(row.method + _lacking(row, seeds), *_figures(row))
        console.print(table)
    console.print(
        "Intervals resample slots, in pairs with the optimum's. A slot without a decision lacks "
        "all of the optimum; a task that breaks a limit scores 0."
    )
    for scenario, spread in alike.items():
        console.print(
            f"{scenario} hardly tells methods apart: the best fixed action for each kind of task "
            f"lacks {spread:.5f} a task."
        )


def _lacking(row: Row, seeds: int) -> str:
    """Return what a row lacks of so many seeds, in brackets."""
    if not row.slots or row.seeds == seeds:
        return ""
    failed = f", {row.failed} failed" if row.failed else ""
    return f" ({row.seeds} of {seeds} seeds{failed})"


def _figures(row: Row) -> list[str]:
    if not row.slots:
        return [f"{row.failed} failed" if row.failed else "not there yet"]
    return [
        f"{row.gap:.5f}",
        "" if isnan(row.low) else f"{row.low:.5f}-{row.high:.5f}",
        *(f"{row.gap_p99:.3f}", f"{row.worst:.3f}", f"{row.hit_share:.0%}"),
        "" if isnan(row.closure) else f"{row.closure:.4f}",
        *(f"{row.infeasible_share:.1%}", f"{row.decision_us:.0f}"),
    ]


def print_audit(rows: Sequence[Checked]) -> None:
    """Print what an audit found, claims that do not hold first."""
    table = slim_table("audit")
    for heading in ("cell", "method", "slot", ""):
        table.add_column(heading, overflow="fold")
    for row in sorted(rows, key=lambda row: row.holds):
        words = row.words if row.holds else f"DOES NOT HOLD: {row.words}"
        table.add_row(row.file[:12], row.method, str(row.slot), words)
    console = Console()
    console.print(table)
    kept = sum(row.holds for row in rows)
    console.print(f"{kept} of {len(rows)} rows drawn hold.")
