"""Tables of a calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...console import Console, slim_table

if TYPE_CHECKING:
    from .question import Explained, Question


def print_calibration(question: Question, known: Explained) -> None:
    """Print what was measured beside what is explained, and the verdict on each parameter."""
    from .report import (
        NOT_MIXED,
        WORDS,
        figure_rows,
        notes,
        parameter_rows,
        qoe_rows,
        summary,
    )

    console = Console()
    table = slim_table("measured and explained")
    table.add_column("")
    table.add_column("")
    for heading in ("measured", "before", "fitted", "differ-\nence", "devia-\ntions"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in figure_rows(question, known):
        names = ("measured", "before", "fitted", "difference")
        cells = [_number(row[name]) for name in names]
        off = "" if row["deviations"] is None else f"{row['deviations']:+.1f}"
        table.add_row(row["setting"], row["figure"], *cells, off)
    console.print(table)
    table = slim_table("parameters")
    table.add_column("", overflow="fold")
    for heading in ("fitted", "5%", "95%", "contrac-\ntion"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for row in parameter_rows(question, known):
        cells = [_number(row[name]) for name in ("fitted", "low", "high")]
        known_of = "" if row["contraction"] is None else f"{row['contraction']:.2f}"
        word = WORDS.get(row["verdict"], NOT_MIXED if known.spread else "")
        table.add_row(row["parameter"], *cells, known_of, word)
    console.print(table)
    if rows := list(qoe_rows(question, known)):
        title = f"QoE of the optima over {rows[0]['draws']} draws of the chains"
        table = slim_table(title if known.mixed else f"{title}: {NOT_MIXED}")
        table.add_column("")
        for heading in ("mean", "5%", "95%", "best in"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            best = "" if row["best"] is None else f"{row['best']:.0%}"
            table.add_row(
                row["setting"], *(_number(row[name]) for name in ("qoe", "low", "high")), best
            )
        console.print(table)
    console.print(summary(question, known))
    for note in notes(question, known):
        console.print(note)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}"
