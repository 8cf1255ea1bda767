"""What methods reach over the numbers of a `--vary`, such as how many users there are."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import count, pairwise

from ...report.charts import curves
from ...report.page import Figure, Table
from ..questions import known
from .rows import Row
from .vary import axis

VARY = "--vary"
ABOUT = (
    "Bands are 95% intervals of the mean: of slots, or of a method that learns of its trainings, "
    "where there are five."
)


def over_values(rows: Sequence[Row], asked: str) -> Iterator[tuple[Table, Figure]]:
    """Yield a table and a figure of the QoE over each axis of numbers, all else equal.

    Parameters
    ----------
    rows : of scenarios that `vary.changed` has named
    asked : the options that named them
    """
    words, places = shlex.split(asked), count()
    options = [axis(value) for word, value in pairwise(words) if word == VARY]
    available = [row for row in rows if row.slots and row.qoe == row.qoe]
    named = {row.scenario: row.scenario.rsplit(", ", len(options)) for row in available}
    for place, (key, values) in enumerate(options, 1):
        numbers = {f"{key}={word}": value for word, value in values}
        if len(numbers) < 2 or not all(type(value) in (int, float) for value in numbers.values()):
            continue
        for rest in dict.fromkeys(tuple(without(parts, place)) for parts in named.values()):
            lines: dict[str, list[tuple[float, Row]]] = {}
            for row in available:
                parts = named[row.scenario]
                if tuple(without(parts, place)) == rest and parts[place] in numbers:
                    lines.setdefault(row.method, []).append((numbers[parts[place]], row))
            if any(len(points) > 1 for points in lines.values()):
                yield drawn(f"over-{next(places)}", ", ".join(rest), key, lines)


def without(parts: Sequence[str], place: int) -> list[str]:
    """Return all parts of a scenario's name but one."""
    return [part for at, part in enumerate(parts) if at != place]


def drawn(
    name: str, scenario: str, key: str, lines: dict[str, list[tuple[float, Row]]]
) -> tuple[Table, Figure]:
    """Return the table and the figure of some lines."""
    at = sorted({value for points in lines.values() for value, _ in points})
    entries = []
    for value in at:
        found = (dict(points).get(value) for points in lines.values())
        entries.append([f"{value:g}", *(written(row) if row else None for row in found)])
    spec = curves(
        {m: ([v for v, _ in points], [r.qoe for _, r in points]) for m, points in lines.items()},
        key,
        "QoE a task",
        bands={
            m: [(v, r.qoe_low, r.qoe_high) for v, r in points if r.qoe_low == r.qoe_low]
            for m, points in lines.items()
        },
    )
    title = f"{scenario}: QoE a task by {key}"
    return Table(name, title, [key, *lines], entries), Figure(name, title, spec, ABOUT)


def written(row: Row) -> str | None:
    """Return a mean with its interval, where it has one."""
    if known(row.qoe) is None:
        return None
    ends = f" ({row.qoe_low:.4f}-{row.qoe_high:.4f})" if row.qoe_low == row.qoe_low else ""
    return f"{row.qoe:.4f}{ends}"
