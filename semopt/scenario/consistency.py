"""Checks keys of a scenario file against each other, wherever they are sound alone.

It looks at the plain document, not at validated models, so that a fault of one key hides no other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import allowed
from ..allowed import Fault
from ..channel import laws
from ..channel.keys import KEYS, keys
from ..channel.laws import LAWS, MEANS, Law
from ..channel.traces import load_trace, other_shape
from ..figures import WEIGHTS
from ..gains import RESPONSES
from . import toml
from .faults import KeyPath, affected, dotted, nearest, quoted
from .sections import Channel, keys_of

WEIGHT_KEYS = tuple(figure.key for figure in WEIGHTS)
SEMANTIC_KEYS = (("semantic_kbit",), ("server_raw_mflop",), ("accuracy", "raw"))


class View:
    """A view of a document without its faults: what is missing or faulty reads as None."""

    def __init__(self, data: dict[str, Any], unsound: set[KeyPath]) -> None:
        self.data, self.unsound = data, unsound

    def get(self, *path: str | int) -> Any:
        """Return the value at a path, if it and everything in it is there and sound."""
        if affected(path, self.unsound):
            return None
        return self.raw(*path)

    def raw(self, *path: str | int) -> Any:
        """Return the value at a path, sound or not."""
        value: Any = self.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def names(self, *path: str | int) -> list[str]:
        """Return the keys of a table, whose values may hold faults."""
        value = self.raw(*path)
        return list(value) if isinstance(value, dict) else []

    def entries(self, *path: str | int) -> list[Any]:
        """Return the entries of an array, which may hold faults."""
        value = self.raw(*path)
        return value if isinstance(value, list) else []


def cross_faults(view: View, folder: Path | None) -> Iterator[Fault]:
    """Yield every fault between keys; a trace is looked for in `folder`, if there is one."""
    yield from _sizes(view)
    yield from _weights(view)
    for name in view.names("tasks"):
        yield from _task(view, name)
    yield from _shares(view)
    for place in _pinned(view):
        yield from _slot(view, place)
    yield from _queue(view)
    yield from _channel(view, folder)
    yield from _assumed(view)


def _pinned(view: View) -> list[KeyPath]:
    """Return the paths of the slots that the file pins: [slot] and those of [queue]."""
    slots = range(len(view.entries("queue", "slots")))
    return [("slot",)] * ("slot" in view.data) + [("queue", "slots", t) for t in slots]


def _counts(view: View) -> tuple[int | None, int | None]:
    """Return the numbers of users and of sub-channels, as far as the file says them."""
    users, channels = view.get("system", "users"), view.get("system", "channels")
    place = next(iter(_pinned(view)), ())
    lengths = Counter(len(row) for row in view.entries(*place, "gain") if isinstance(row, list))
    if users is None:
        users = len(view.entries(*place, "tasks")) or None
    if channels is None and lengths:
        channels = max(lengths, key=lambda length: (lengths[length], length))
    return users, channels


def _sizes(view: View) -> Iterator[Fault]:
    pinned = _pinned(view)
    if not pinned and "channel" not in view.data:
        yield (
            "slot",
            "table is missing: give a [slot] of pinned gains, a [channel] that draws them, or both",
        )
    if not pinned and "channel" in view.data and isinstance(view.raw("system"), dict):
        for key in ("users", "channels"):
            if view.raw("system", key) is None:
                yield f"system.{key}", "is missing: without a [slot] nothing else says it"
    users, _ = _counts(view)
    overrides = view.raw("users")
    if isinstance(overrides, list) and users is not None and len(overrides) != users:
        yield "users", f"has length {len(overrides)}: must have {users}, an entry for each user"


def _weights(view: View) -> Iterator[Fault]:
    shared = [view.get("qoe", key) for key in WEIGHT_KEYS]
    if None not in shared and not allowed.sums_to_one(sum(shared)):
        yield _sum_fault("qoe", shared)
        shared = [None] * len(WEIGHT_KEYS)
    for n, _ in enumerate(view.entries("users")):
        present = [key for key in WEIGHT_KEYS if view.raw("users", n, key) is not None]
        weights = [
            view.get("users", n, key) if key in present else value
            for key, value in zip(WEIGHT_KEYS, shared, strict=True)
        ]
        if present and None not in weights and not allowed.sums_to_one(sum(weights)):
            yield _sum_fault(f"users[{n}]", weights)


def _sum_fault(path: str, weights: list[float]) -> Fault:
    total = " + ".join(f"{w:g}" for w in weights)
    return (
        f"{path}.weight_latency + weight_energy + weight_accuracy",
        f"= {total} = {sum(weights):g}: must be 1 (within {allowed.WEIGHT_TOLERANCE:g})",
    )


def _task(view: View, name: str) -> Iterator[Fault]:
    path = ("tasks", name)
    parts = [view.get(*path, "accuracy", key) for key in ("extraction", "snr_db", "table", "raw")]
    yield from allowed.table_faults(dotted((*path, "accuracy")), *parts)
    present = [".".join(keys) for keys in SEMANTIC_KEYS if view.raw(*path, *keys) is not None]
    if present and view.raw(*path, "extraction_max") is None:
        words = f"is missing: must be given and below 1 beside {', '.join(present)}"
        yield dotted((*path, "extraction_max")), words
    elif present and view.get(*path, "extraction_max") == 1.0:
        yield (
            dotted((*path, "extraction_max")),
            f"= 1.0: must be below 1 beside {', '.join(present)}",
        )


def _shares(view: View) -> Iterator[Fault]:
    names = view.names("tasks")
    present = [name for name in names if view.raw("tasks", name, "share") is not None]
    if not present:
        return
    for name in names:
        if name not in present and isinstance(view.raw("tasks", name), dict):
            yield dotted(("tasks", name, "share")), "is missing: give every task a share, or none"
    shares = [view.get("tasks", name, "share") for name in names]
    if None not in shares and not allowed.sums_to_one(sum(shares)):
        total = " + ".join(f"{share:g}" for share in shares)
        yield (
            "tasks.*.share",
            f"= {total} = {sum(shares):g}: must be 1 (within {allowed.WEIGHT_TOLERANCE:g})",
        )


def _slot(view: View, place: KeyPath) -> Iterator[Fault]:
    tasks, known = view.get(*place, "tasks"), view.names("tasks")
    gain, path = view.entries(*place, "gain"), dotted(place)
    for n, name in enumerate(tasks or []):
        if known and name not in known:
            yield f"{path}.tasks[{n}]", _no_task(name, known)
    users, channels = _counts(view)
    for key, entries in (("tasks", tasks), ("gain", gain)):
        if entries and users is not None and len(entries) != users:
            words = f"has length {len(entries)}: must have {users}, an entry for each user"
            yield f"{path}.{key}", words
    for n, row in enumerate(gain):
        if isinstance(row, list) and (not row or len(row) != channels):
            words = f"must have {channels or 'at least 1'}, a gain for each sub-channel"
            yield f"{path}.gain[{n}]", f"= {quoted(row)} has length {len(row)}: {words}"


def _no_task(name: str, known: list[str]) -> str:
    """Return the words about a name of no task."""
    suggestion = nearest(name, known)
    hint = f"; did you mean {suggestion}?" if suggestion else ""
    return f"= {quoted(name)}: must be one of the tasks {', '.join(known)}{hint}"


def _queue(view: View) -> Iterator[Fault]:
    length, slots = view.get("queue", "length"), len(view.entries("queue", "slots"))
    tasks, known, (users, _) = view.get("queue", "tasks"), view.names("tasks"), _counts(view)
    if tasks and slots:
        yield "queue.tasks", "must not stand beside [[queue.slots]], which have tasks of their own"
    for t, row in enumerate(tasks or []):
        if users is not None and len(row) != users:
            words = f"must have {users}, a task for each user"
            yield f"queue.tasks[{t}]", f"has length {len(row)}: {words}"
        for n, name in enumerate(row):
            if known and name not in known:
                yield f"queue.tasks[{t}][{n}]", _no_task(name, known)
    if length is not None and slots and length != slots:
        words = f"must be {slots}, the number of [[queue.slots]], or left out"
        yield "queue.length", f"= {length}: {words}"


def _channel(view: View, folder: Path | None) -> Iterator[Fault]:
    model = view.get("channel", "model")
    if model is None:
        return
    law, sentences = LAWS[model], keys_of(Channel)
    present = {key for key in view.names("channel") if key in sentences} - {"model"}
    needed, allowed_keys = set(keys(law.needs)), set(keys(sorted(law.takes)))
    if law.mean:
        mean_gain, *loss = keys(MEANS)
        if not present & {mean_gain, *loss}:
            words = f"is missing: {model} needs it, or {' and '.join(loss)}"
            yield f"channel.{mean_gain}", words
        if present & {*loss}:
            needed |= {*loss}
    for key in sorted(needed - present):
        yield f"channel.{key}", f"is missing: {model} needs it ({sentences[key]})"
    for key in sorted(present - allowed_keys):
        if key == "gain_range" and law.correlated:
            why = f"must be left out: a range would break the law of {model} in time"
            yield "channel.gain_range", f"= {quoted(view.raw('channel', key))}: {why}"
        else:
            yield f"channel.{key}", f"is not used by {model}, which has {law}"
    lists = list(_channel_lists(view, law))
    yield from lists
    if not (needed - present or present - allowed_keys or lists):
        yield from _law(view)
    if folder is not None and "file" in allowed_keys:
        yield from _trace(view, folder)


def _trace(view: View, folder: Path) -> Iterator[Fault]:
    """Yield faults of the file of measured gains."""
    file, sound = view.get("channel", "file"), not affected(("channel",), view.unsound)
    if file is None:
        return
    if not (folder / file).exists():
        yield "channel.file", f"= {quoted(file)}: there is no such file beside the scenario"
        return
    keys = ("unit", "variable", "sha256")
    unit, variable, sha256 = (view.get("channel", key) for key in keys)
    if any(view.raw("channel", key) is not None for key in keys) and not sound:
        return  # how to read the file is not known
    try:
        trace = load_trace(folder / file, unit or "linear", variable, sha256)
    except ValueError as error:
        _, _, reason = str(error).partition(f"channel.file = {folder / file}: ")
        yield "channel.file", f"= {quoted(file)}: {reason}"
        return
    users, channels = _counts(view)
    shape = trace.gain.shape
    if users and channels and shape[1:] != (users, channels):
        hint = f"; {RESPONSES}" if unit == "complex" else ""
        yield "channel.file", f"= {quoted(file)}: {other_shape(shape, users, channels)}{hint}"


def _channel_lists(view: View, law: Law) -> Iterator[Fault]:
    """Yield faults of the keys that take one number or several."""
    users, _ = _counts(view)
    for name in sorted(law.takes):
        row = KEYS[name]
        values = view.get("channel", row.key)
        if row.form not in ("users", "pair") or not isinstance(values, list):
            continue
        words = None
        if row.form == "pair" or name in law.pairs:
            if len(values) != 2 or values[0] > values[1]:
                words = "must be one number, or [low, high] with low <= high"
            elif name == "speed" and values[0] == 0 < values[1]:
                words = "must start above 0: users that stop for good have no law that lasts"
        elif users is not None and len(values) != users:
            words = f"must be one number, or one for each of the {users} users"
        if words:
            yield f"channel.{row.key}", f"= {quoted(values)}: {words}"


def _law(view: View) -> Iterator[Fault]:
    """Yield what is wrong with keys that are sound alone and fit the model."""
    values = view.get("channel")
    if values is None:
        return
    try:
        laws.Channel.from_keys(values)
    except ValueError as error:
        for fault in str(error).split("; channel."):
            path, _, words = fault.removeprefix("channel.").partition(": ")
            for row in KEYS.values():
                path = re.sub(rf"\b{row.name}\b", row.key, path)
            yield f"channel.{path}", words


def _assumed(view: View) -> Iterator[Fault]:
    paths = {dotted(path) for path in _paths(view.data)}
    for name in view.names("assumed"):
        if name not in paths:
            suggestion = nearest(name, sorted(paths))
            yield (
                f"assumed.{toml.key(name)}",
                "names no key of this file"
                + (f": did you mean {suggestion}?" if suggestion else ""),
            )


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every key, table and entry of an array of tables."""
    for key in value:
        if path or key != "assumed":
            yield (*path, key)
        below = value[key]
        if isinstance(below, dict):
            yield from _paths(below, (*path, key))
        elif isinstance(below, list) and below and all(isinstance(item, dict) for item in below):
            for n, item in enumerate(below):
                yield (*path, key, n)
                yield from _paths(item, (*path, key, n))
