"""A problem in the words and units of a scenario file, wherever its numbers came from.

Units are converted back: a figure may move by its last digit.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

from .figures import SLOPES, SYSTEM, TASK, USER, WEIGHTS, Figure


def document_of(problem: Any) -> dict[str, Any]:
    """Return the scenario of a `Problem` as `Scenario.from_dict` reads it, but for its slot."""
    system, users, tasks = problem.system, problem.users, problem.tasks
    rows = [_keys(USER + WEIGHTS, users, n) for n in range(len(users.power_min))]
    weights = [figure.key for figure in WEIGHTS]
    shared = {key: rows[0][key] for key in rows[0] if all(key in row for row in rows)}
    document: dict[str, Any] = {
        "name": "problem",
        "system": _keys(SYSTEM, system),
        "qoe": {key: shared[key] for key in weights}
        | _keys(SLOPES, system)
        | {"objective": problem.objective},
        "user": {key: value for key, value in shared.items() if key not in weights},
        "tasks": {
            name: _keys(TASK, tasks, t) | {"accuracy": _table(tasks.accuracy[t])}
            for t, name in enumerate(tasks.names)
        },
        "grid": dict(vars(problem.grid)),
    }
    if any(row != rows[0] for row in rows):
        document["users"] = [
            {key: value for key, value in row.items() if value != shared.get(key)} for row in rows
        ]
    return document


def _keys(figures: tuple[Figure, ...], owner: Any, place: int | None = None) -> dict[str, Any]:
    """Return the keys of figures; those that stand at what stands in for them are left out."""
    keys: dict[str, Any] = {}
    for figure in figures:
        value = _value(owner, figure.name, place)
        default = figure.default
        if isinstance(default, str):
            default = _value(owner, default, place)
        if figure.optional and (value == default or not isfinite(value)):
            continue
        number = figure.in_file(value)
        if figure.end is None:
            keys[figure.key] = number
        else:
            ends = keys.setdefault(figure.key, [number, 1.0])  # of extraction, 1 is the upper end
            ends[figure.end] = number
    return keys


def _value(owner: Any, name: str, place: int | None) -> float:
    value = getattr(owner, name)
    return float(value if place is None else value[place])


def _table(table: Any) -> dict[str, Any]:
    parts = {name: getattr(table, name).tolist() for name in ("extraction", "snr_db", "table")}
    raw = table.raw.tolist()
    return parts | ({} if raw == parts["table"][-1] else {"raw": raw})
