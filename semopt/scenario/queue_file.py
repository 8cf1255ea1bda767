"""Tasks of real queues in a CSV file of their own: `[queue] file = "tasks.csv"` of a scenario."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

from ..files import read_bytes
from ..rows import read_rows, whole_number
from . import toml
from .faults import KeyPath, quoted
from .surface import Source, beginning, reason

LAYOUTS = (
    'a row a slot, below the headings "slot" and then the users\' numbers from 0; or a row for '
    "each task, below the headings slot, user, task"
)
COLUMNS = ("slot", "user", "task")
PATH: KeyPath = ("queue", "file")


def with_queue(
    data: dict[str, Any], folder: Path | None
) -> tuple[dict[str, Any], dict[str, Source], list[tuple[KeyPath, str]]]:
    """Put the tasks of `[queue] file` into a document; see `surface.with_tables`."""
    queue = data.get("queue")
    if not (isinstance(queue, dict) and "file" in queue):
        return data, {}, []
    rest = {key: value for key, value in queue.items() if key != "file"}
    filled, file = {**data, "queue": rest}, queue["file"]
    if not isinstance(file, str):
        return filled, {}, [(PATH, f"= {quoted(file)}: must be the name of a CSV file")]
    if folder is None:
        words = "the tasks themselves must stand here, since this document stands alone"
        return filled, {}, [(PATH, f"= {quoted(file)}: {words}")]
    if "tasks" in rest:
        return filled, {}, [(("queue", "tasks"), f"must not stand beside file = {toml.text(file)}")]
    try:
        rest["tasks"] = read_tasks(folder / file)
    except (OSError, ValueError) as error:
        return filled, {}, [(PATH, f"= {toml.text(file)}: {reason(error)}")]
    return filled, {"queue.tasks": Source(file, {})}, []


def read_tasks(file: Path) -> list[list[str]]:
    """Return the task of each user in each slot from CSV: `LAYOUTS`, slots and users from 0.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, is neither, or has not each user's task in each slot once
    """
    content = read_bytes(file)
    rows, _ = read_rows(content)
    headings = [cell.lower() for cell in rows[0]] if rows else []
    if set(COLUMNS) <= set(headings):
        places = [headings.index(name) for name in COLUMNS]
        cells = [[row[p] if p < len(row) else "" for p in places] for row in rows[1:]]
    elif headings[:1] == ["slot"] and headings[1:] == [str(n) for n in range(len(headings) - 1)]:
        cells = [[row[0], str(n), task] for row in rows[1:] for n, task in enumerate(row[1:])]
    else:
        words = f"is no table of tasks: must be {LAYOUTS}"
        raise ValueError(f"{words}; it begins: {beginning(content)}")
    tasks: dict[tuple[int, int], str] = {}
    for slot, user, task in cells:
        key = whole_number("slot", slot), whole_number("user", user)
        if key in tasks:
            raise ValueError(f"has slot {slot}, user {user} twice: each task must come once")
        tasks[key] = task
    slots, users = (1 + max((key[i] for key in tasks), default=-1) for i in (0, 1))
    for t, n in product(range(slots), range(users)):
        if (t, n) not in tasks:
            raise ValueError(f"has no task of user {n} in slot {t}, both from 0")
    return [[tasks[t, n] for n in range(users)] for t in range(slots)]
