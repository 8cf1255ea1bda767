"""What methods reach over the numbers of a `--vary`, such as how many users there are."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import count, pairwise, product
from typing import Any

from ...report.charts import curves
from ...report.page import Figure, Table
from .rows import Row, lacking_intervals
from .vary import axis, meaning

LONGEST = 100  # letters of the name of a file
VARY, OPTIMUM = "--vary", "certified optimum"
ABOUT = "The certified optimum is that of the same slots, and has no interval of its own."
INTERVALS = (
    "95% intervals of the mean: of slots, or of blocks of them where neighbours resemble each "
    "other in time; of a method that learns, of its trainings."
)


def over_values(rows: Sequence[Row], asked: str) -> Iterator[tuple[Table, Figure]]:
    """Yield a table and a figure of the QoE over each axis of numbers, all else equal.

    Parameters
    ----------
    rows : of scenarios that `vary.changed` has named
    asked : the options that named them
    """
    words, taken = shlex.split(asked), set[str]()
    options = [axis(value) for word, value in pairwise(words) if word == VARY]
    named = {row.scenario: parts_of(row.scenario, options) for row in rows}
    for place, (key, values) in enumerate(options, 1):
        numbers = {f"{key}={word}": value for word, value in values}
        if len(numbers) < 2 or not all(type(value) in (int, float) for value in numbers.values()):
            continue
        others = list(dict.fromkeys(tuple(without(parts, place)) for parts in named.values()))
        for rest in others:
            lines: dict[str, dict[float, Row]] = {}
            for row in rows:
                parts = named[row.scenario]
                if tuple(without(parts, place)) == rest and parts[place] in numbers:
                    lines.setdefault(row.method, {})[numbers[parts[place]]] = row
            if any(sum(map(bool, map(measured, line.values()))) > 1 for line in lines.values()):
                several = len({parts[0] for parts in others}) > 1
                name = file_name(key, rest[not several :] if len(others) > 1 else (), taken)
                yield drawn(name, ", ".join(rest), key, lines)


def parts_of(scenario: str, options: Sequence[tuple[str, list[tuple[str, Any]]]]) -> list[str]:
    """Return the parts of a scenario's name: what was varied, and KEY=VALUE of each option.

    Values may have commas of their own.
    """
    words = [[f"{key}={word}" for word, _ in values] for key, values in options]
    for combined in product(*words):
        end = "".join(f", {part}" for part in combined)
        if end and scenario.endswith(end):
            return [scenario.removesuffix(end), *combined]
    return [scenario, *[""] * len(options)]


def without(parts: Sequence[str], place: int) -> list[str]:
    """Return all parts of a scenario's name but one."""
    return [part for at, part in enumerate(parts) if at != place]


def file_name(key: str, rest: Sequence[str], taken: set[str]) -> str:
    """Return the name of the files of an axis: with what else tells its scenarios apart."""
    word = re.sub(r"[^\w-]+", "-", "-".join(("over", key, *rest)), flags=re.ASCII)
    word = word[:LONGEST].strip("-")
    names = (word if at == 1 else f"{word}-{at}" for at in count(1))
    name = next(name for name in names if name.lower() not in taken)
    taken.add(name.lower())
    return name


def measured(row: Row) -> bool:
    """Tell whether a row has figures."""
    return row.qoe == row.qoe


def drawn(
    name: str, scenario: str, key: str, lines: dict[str, dict[float, Row]]
) -> tuple[Table, Figure]:
    """Return the table and the figure of some lines, the certified optimum first."""
    at = sorted({value for line in lines.values() for value in line})
    best = {
        value: max(
            (line[value] for line in lines.values() if value in line and measured(line[value])),
            key=lambda row: row.slots,
            default=None,
        )
        for value in at
    }
    optima = {value: row.optimum for value, row in best.items() if row is not None}
    called = {m: next(iter(line.values())).name for m, line in lines.items()}
    entries = [
        [
            value,
            optima.get(value),
            *(line[value].estimate("qoe") if value in line else None for line in lines.values()),
        ]
        for value in at
    ]
    points = {
        called[method]: {value: row for value, row in line.items() if measured(row)}
        for method, line in lines.items()
    }
    series = {OPTIMUM: ([*optima], [*optima.values()])}
    series |= {m: (sorted(line), [line[v].qoe for v in sorted(line)]) for m, line in points.items()}
    spec = curves(
        series,
        meaning(key),
        "QoE a task",
        optimum=OPTIMUM,
        bands={
            method: [
                (value, row.qoe_low, row.qoe_high)
                for value, row in sorted(line.items())
                if row.qoe_low == row.qoe_low
            ]
            for method, line in points.items()
        },
    )
    title = f"{scenario}: QoE a task by {key}"
    notes = [
        f"{called[method]} at {key} = {value:g}: {row.state}."
        for method, line in lines.items()
        for value, row in sorted(line.items())
        if row.state
    ]
    rows = [row for line in lines.values() for row in line.values()]
    without = lacking_intervals((row.name, row.without_qoe_interval) for row in rows)
    has_intervals = any(row.qoe_low == row.qoe_low for row in rows)
    notes += [f"Bands: {INTERVALS}"] * has_intervals + without
    columns = [key, OPTIMUM, *called.values()]
    comments = [ABOUT, *[f"In brackets: {INTERVALS}"] * has_intervals, *without]
    return (
        Table(name, title, columns, entries, comments=comments),
        Figure(name, title, spec, ABOUT, notes=notes),
    )
