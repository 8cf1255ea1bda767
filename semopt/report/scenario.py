"""A scenario in a line, and as tables with its units and marks."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ..arrays import Floats
from ..console import Console, Sheet, count
from .lines import print_line, print_written

if TYPE_CHECKING:
    from ..scenario import Scenario

LAGS = 1, 10, 100  # slots, after which measured gains are compared; at most a quarter of a trace
LONGEST_ARRAY = 12  # entries of an array that are shown before the rest is counted
_SECTIONS = ("system", "qoe", "user", "grid", "slot", "queue", "channel")


def summary(scenario: Scenario) -> str:
    """Return a scenario in a line."""
    grid = scenario.grid
    parts = [
        f"{scenario.users} users",
        f"{scenario.channels} sub-channels",
        f"tasks {', '.join(scenario.tasks)}",
        f"grid {grid.power} x {grid.frequency} x {grid.extraction}",
    ]
    if scenario.slot:
        parts.append(f"a slot of {count(scenario.problem().joint_actions())} joint actions")
    if scenario.channel:
        parts.append(f"channel {scenario.channel.model}{_measured(scenario)}")
    return f"{scenario.name}: {', '.join(parts)}"


def print_scenario(scenario: Scenario) -> None:
    """Print a scenario's tables, and why what no source gives is assumed."""
    console, document, marks = Console(), scenario.to_dict(), _marks(scenario)
    console.print(f"{scenario.name}: {scenario.description}", style="bold")
    tables = [_section(name, document[name], marks) for name in _SECTIONS if name in document]
    tables.insert(3, _tasks(document["tasks"], marks))
    if users := document.get("users"):
        tables.insert(
            3, _columns("users", {f"user {n}": override for n, override in enumerate(users)}, marks)
        )
    for table in tables:
        console.print()
        console.print(table)
    if marks:
        console.print()
    for reason, (mark, paths) in _notes(marks, scenario.assumed).items():
        text = f"{mark} assumed: {', '.join(paths)}: {reason}"
        console.print(text)


def _measured(scenario: Scenario) -> str:
    """Return how many gains are measured, which slots learning sees, and how they spread."""
    from ..channel.samplers import rows_of
    from ..channel.traces import parts

    if scenario.channel is None or scenario.length() is None:
        return ""
    gain = rows_of(scenario.channel_law())
    split = parts(len(gain), scenario.channel.split)
    lengths = ", ".join(f"{name} {len(rows)}" for name, rows in split.items())
    return f", a trace of {len(gain)} slots ({lengths}), {_spread(gain)}"


def print_gains(gain: Floats, file: str | Path) -> None:
    """Print how gains spread, and how a scenario takes them from their file."""
    slots, users, channels = gain.shape
    numbers = f"{slots} slots of {users} users on {channels} sub-channels"
    print_line(f"{numbers}, mean {gain.mean():.4g}, {_spread(gain)}")
    print_written(file)
    print_line(
        f"a scenario takes them: semopt scenario new my.toml --users {users} --channels {channels} "
        f"--set channel.model=trace --set {quote(f'channel.file={file}')}"
    )


def _spread(gain: Floats) -> str:
    """Return how gains (S, N, K) spread, and how alike they are from slot to slot."""
    from ..channel.traces import autocorrelation

    low, high = (10.0 * log10(x) for x in (gain.min(), gain.max()))
    words = f"gains from {low:.1f} to {high:.1f} dB"
    if (gain == gain[0]).all():
        return f"{words} that never change"
    alike = [
        f"{round(autocorrelation(gain, lag), 2) + 0.0:.2f} after {lag} slot{'s' * (lag > 1)}"
        for lag in LAGS
        if 4 * lag <= len(gain)
    ]
    return f"{words}, autocorrelation {', '.join(alike)}" if alike else words


def _marks(scenario: Scenario) -> dict[str, str]:
    """Return the mark of each assumed path: paths with one reason share a number."""
    numbers = {
        reason: f"*{i + 1}" for i, reason in enumerate(dict.fromkeys(scenario.assumed.values()))
    }
    return {path: numbers[reason] for path, reason in scenario.assumed.items()}


def _notes(marks: dict[str, str], assumed: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Return each reason with its mark and the paths that share it."""
    notes: dict[str, tuple[str, list[str]]] = {}
    for path, reason in assumed.items():
        notes.setdefault(reason, (marks[path], []))[1].append(path)
    return notes


def _mark(path: str, marks: dict[str, str]) -> str:
    """Return the mark of a key: its own, or that of a table around it."""
    while path not in marks and "." in path:
        path = path.rpartition(".")[0]
    return marks.get(path, "")


def _section(name: str, section: dict[str, Any], marks: dict[str, str]) -> Sheet:
    from ..scenario.sections import keys_of, section_at

    model = section_at((name,))
    sentences = keys_of(model) if model else {}
    rows = [
        (key, _text(value), _mark(f"{name}.{key}", marks), sentences.get(key, ""))
        for key, value in section.items()
    ]
    return _table([f"[{name}]", "", "", ""], rows)


def _tasks(tasks: dict[str, Any], marks: dict[str, str]) -> Sheet:
    rows = {
        name: {k: v for k, v in task.items() if k != "accuracy"} | _surface(task["accuracy"])
        for name, task in tasks.items()
    }
    return _columns("tasks", rows, marks)


def _surface(accuracy: dict[str, Any]) -> dict[str, str]:
    """Return the rows that sum an accuracy table up."""
    mu, snr, table = accuracy["extraction"], accuracy["snr_db"], accuracy["table"]
    rows = {
        "accuracy": f"{table[0][0]:g} to {table[-1][-1]:g}",
        "  extraction": f"{mu[0]:g} to {mu[-1]:g} in {len(mu)}",
        "  snr_db": f"{snr[0]:g} to {snr[-1]:g} in {len(snr)}",
    }
    if raw := accuracy.get("raw"):
        rows["  raw"] = f"{raw[0]:g} to {raw[-1]:g}"
    return rows


def _columns(name: str, entries: dict[str, dict[str, Any]], marks: dict[str, str]) -> Sheet:
    """Return a table with a column for each entry and a row for each key that any of them has."""
    rows = []
    for key in dict.fromkeys(key for entry in entries.values() for key in entry):
        values = [_text(entry[key]) if key in entry else "-" for entry in entries.values()]
        of_each = [_mark(f"{name}.{entry}.{key}", marks) for entry in entries]
        if len(set(of_each)) > 1:  # of some columns alone
            values = [
                f"{value} {mark}".rstrip() for value, mark in zip(values, of_each, strict=True)
            ]
        rows.append((key, *values, of_each[0] if len(set(of_each)) == 1 else ""))
    return _table([f"[{name}]", *entries, ""], rows)


def _table(heads: list[str], rows: Sequence[tuple[str, ...]]) -> Sheet:
    table = Sheet(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column, head in enumerate(heads):
        table.add_column(head, no_wrap=column == 0)
    for row in rows:
        table.add_row(*row)
    return table


def _text(value: Any) -> str:
    """Return a value in few characters; rows of an array each take a line."""
    if isinstance(value, list):
        between = "\n" if value and isinstance(value[0], list) else " "
        remainder = [f"... ({len(value)} in all)"] if len(value) > LONGEST_ARRAY else []
        return between.join([_text(item) for item in value[:LONGEST_ARRAY]] + remainder)
    return f"{value:g}" if isinstance(value, float) else str(value)
