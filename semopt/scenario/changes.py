"""The document of a scenario with some of its keys changed, for `Scenario.replace`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from ..channel.keys import KEYS, keys
from ..channel.laws import LAWS
from . import toml
from .faults import KeyPath, ScenarioError, dotted, nearest
from .sections import keys_of, section_at

_PART = re.compile(r'(?:^|\.)(?P<key>[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*")|\[(?P<index>\d{1,9})\]')
SIZES = ("users", "channels")
FILE_RECORD = ("sha256", "shape")  # of a trace, that another file makes void
MOST = 100_000  # entries of [[users]] that one key of a user makes


def changed(
    document: dict[str, Any],
    changes: Iterable[tuple[str, Any]],
    sizes: tuple[int, int],
    source: str,
) -> dict[str, Any]:
    """Return a copy of a sound document with values put at paths; nothing of it is checked yet.

    Tables are put before their parts, and numbers of users before the users, so that no change
    undoes another, in whatever order they come.

    Parameters
    ----------
    document : as `Scenario.to_dict` gives it
    changes : paths, as messages write them, and values; None takes a key away. "users" as a number
        and "channels" mean the keys of [system]; a key of one user makes an entry for each
    sizes : numbers of users and sub-channels of the document
    source : what faults call the scenario

    Raises
    ------
    ScenarioError
        A path that leads nowhere, or is given twice
    """
    new, paths, values = deepcopy(document), dict[KeyPath, str](), dict[KeyPath, Any]()
    for name, value in changes:
        with _naming(source, name):
            written = plain(value)
            path = _path(name, written)
            if path in paths:
                same = f"means the same as {paths[path]}: give one of them"
                raise ValueError("is given twice: give it once" if name == paths[path] else same)
            paths[path], values[path] = name, written
    for path in sorted(paths, key=lambda path: (path[0] == "users", len(path))):
        with _naming(source, paths[path]):
            if path[0] == "users" and len(path) > 1:
                _make_users(new, sizes[0], whole=("users",) in paths)
            _put(new, path, values[path])
    system = new.get("system")
    if isinstance(system, dict):
        _fit_slot(new, system, paths, sizes)
    if ("channel", "file") in paths and isinstance(new.get("channel"), dict):
        for key in FILE_RECORD:
            if ("channel", key) not in paths:
                new["channel"].pop(key, None)
    if ("channel", "model") in paths and isinstance(new.get("channel"), dict):
        _fit_law(new["channel"], {path[1] for path in paths if path[0] == "channel" and path[1:]})
    if ("assumed",) not in paths:
        _forget_reasons(new, paths)
    return new


@contextmanager
def _naming(source: str, name: Any) -> Iterator[None]:
    """Say of which change a fault is."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        words = str(error) if isinstance(error, ValueError) else "is nested too deeply"
        raise ScenarioError(source, [(str(name) or "''", words)]) from None


def plain(value: Any) -> Any:
    """Return a value in the types of TOML: of NumPy's numbers and arrays, tuples and paths too."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def _path(name: str, value: Any) -> KeyPath:
    """Return the path of the key that is changed."""
    if name == "channels" or (name == "users" and not isinstance(value, list | None)):
        return "system", name
    path = _parts(name) if isinstance(name, str) else ()
    if not path or isinstance(path[0], int):
        raise ValueError("is no path of a key, such as system.bandwidth_mhz or users[0].power_mw")
    return path


def _parts(name: str) -> KeyPath:
    """Return the parts of a path as `faults.dotted` writes it; none where it is none."""
    parts, place = list[str | int](), 0
    while match := _PART.match(name, place):
        key, index = match["key"], match["index"]
        try:
            parts.append(int(index) if key is None else next(iter(tomllib.loads(f"{key} = 0"))))
        except ValueError:  # a quoted key that is none of TOML
            return ()
        place = match.end()
    return tuple(parts) if place == len(name) else ()


def _make_users(document: dict[str, Any], users: int, whole: bool) -> None:
    """Make an entry of [[users]] for each of the users that a document now has.

    `users` is their number if the document does not say it. Entries that were given as a `whole`
    are left for the checks.
    """
    entries, system, slot = (document.get(key) for key in ("users", "system", "slot"))
    if isinstance(system, dict) and type(system.get("users")) is int:
        users = system["users"]
    elif isinstance(slot, dict) and isinstance(slot.get("tasks"), list):
        users = len(slot["tasks"])
    if entries is None:
        entries = document["users"] = []
    elif whole or not isinstance(entries, list):
        return
    if users > MOST:
        raise ValueError(f"makes an entry for each of {users} users: at most {MOST} can have one")
    entries += [{} for _ in range(users - len(entries))]


def _put(document: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Put a value at a path, making the tables around it; raise ValueError where there is none."""
    table: Any = document
    for depth, part in enumerate(path[:-1]):
        if isinstance(table, dict) and isinstance(part, str) and part not in table:
            if depth == 1 and path[0] == "tasks":
                candidate = nearest(part, table)
                hint = f": did you mean {candidate}?" if candidate else ""
                raise ValueError(
                    f"is of a task that is not there{hint or ':'} the tasks are {', '.join(table)}"
                )
            table[part] = {}
        table = table[part] if _holds(table, part, path[:depth]) else None
    key = path[-1]
    if isinstance(table, dict) and isinstance(key, str):
        section = section_at(path[:-1])
        if value is not None or (section and key not in keys_of(section)):
            table[key] = value  # of a key that is not known, the checks say so
        else:
            table.pop(key, None)
    elif _holds(table, key, path[:-1]):
        table[key] = value


def _holds(table: Any, part: str | int, path: KeyPath) -> bool:
    """Tell that a table or an array has such an entry, or raise ValueError saying what is there."""
    if isinstance(table, dict) and isinstance(part, str):
        return part in table
    if not isinstance(table, list) or not isinstance(part, int):
        kind = "a table" if isinstance(table, dict) else "an array"
        kind = kind if isinstance(table, dict | list) else "one value"
        raise ValueError(f"leads nowhere: {dotted(path)} is {kind}")
    if part >= len(table):
        raise ValueError(f"leads nowhere: {dotted(path)} has {len(table)} entries")
    return True


def _fit_slot(
    document: dict[str, Any], system: dict[str, Any], paths: Any, sizes: tuple[int, int]
) -> None:
    """Leave out a pinned slot of other sizes where [channel] draws slots, and keep its sizes."""
    pinned = dict(zip(SIZES, sizes, strict=True))
    untouched = not any(path[0] == "slot" for path in paths)
    fits = all(system.get(key, size) == size for key, size in pinned.items())
    if untouched and not fits and "channel" in document:
        document.pop("slot", None)
    if "slot" not in document:
        for key, size in pinned.items():
            system.setdefault(key, size)


def _fit_law(channel: dict[str, Any], given: set[str | int]) -> None:
    """Leave out what the law of another model does not take, unless it was given."""
    law = LAWS.get(model) if isinstance(model := channel.get("model"), str) else None
    taken = keys([*law.takes]) if law else ()
    for row in KEYS.values():
        if law and row.key not in taken and row.key not in given:
            channel.pop(row.key, None)


def _forget_reasons(document: dict[str, Any], paths: Any) -> None:
    """Leave out of [assumed] what was changed: the reason was that of another value.

    The reason of a table of which a part was changed goes to the other parts.
    """
    if not isinstance(assumed := document.get("assumed"), dict):
        return
    gone = [dotted(path) for path in paths]
    if "slot" not in document:
        gone.append("slot")
    kept: dict[str, Any] = {}
    for name, reason in assumed.items():
        value: Any = document
        for part in _parts(name):
            value = value[part] if _is_in(value, part) else None
        kept |= dict.fromkeys(_unchanged(name, value, gone), reason)
    document["assumed"] = kept


def _is_in(table: Any, part: str | int) -> bool:
    """Tell whether a table or an array has such an entry."""
    if isinstance(table, list):
        return isinstance(part, int) and part < len(table)
    return isinstance(table, dict) and part in table


def _unchanged(name: str, value: Any, gone: list[str]) -> Iterator[str]:
    """Yield the paths of the largest parts of a value that hold nothing that was changed."""
    if any(_lies_in(name, path) for path in gone):
        return
    if not any(_lies_in(path, name) for path in gone):
        yield name
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _unchanged(toml.join(name, key), part, gone)
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _unchanged(f"{name}[{place}]", part, gone)


def _lies_in(path: str, table: str) -> bool:
    """Tell whether a path is that of a table, or of a part of it."""
    return path == table or path.startswith((f"{table}.", f"{table}["))
