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
from ..channel.laws import KEYS, LAWS, MEANS, Law, keys
from ..channel.traces import load_trace, other_shape
from ..figures import WEIGHTS
from . import toml
from .faults import KeyPath, covered, nearest, quoted, spelled
from .sections import Channel, keys_of

WEIGHT_KEYS = tuple(figure.key for figure in WEIGHTS)
OWN_SEMANTIC = (("semantic_kbit",), ("server_raw_mflop",), ("accuracy", "raw"))


class Sound:
    """A document seen through its faults: what is missing or faulty reads as None."""

    def __init__(self, data: dict[str, Any], unsound: set[KeyPath]) -> None:
        self.data, self.unsound = data, unsound

    def get(self, *path: str | int) -> Any:
        """Return the value at a path, if it and everything in it is there and sound."""
        if covered(path, self.unsound):
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


def cross_faults(see: Sound, folder: Path | None) -> Iterator[Fault]:
    """Yield every fault between keys; a trace is looked for in `folder`, if there is one."""
    yield from _sizes(see)
    yield from _weights(see)
    for name in see.names("tasks"):
        yield from _task(see, name)
    yield from _shares(see)
    yield from _slot(see)
    yield from _channel(see, folder)
    yield from _assumed(see)


def _counts(see: Sound) -> tuple[int | None, int | None]:
    """Return the numbers of users and of sub-channels, as far as the file says them."""
    users, channels = see.get("system", "users"), see.get("system", "channels")
    lengths = Counter(len(row) for row in see.entries("slot", "gain") if isinstance(row, list))
    if users is None:
        users = len(see.entries("slot", "tasks")) or None
    if channels is None and lengths:
        channels = max(lengths, key=lambda length: (lengths[length], length))
    return users, channels


def _sizes(see: Sound) -> Iterator[Fault]:
    if "slot" not in see.data and "channel" not in see.data:
        yield (
            "slot",
            "table is missing: give a [slot] of pinned gains, a [channel] that draws them, or both",
        )
    if "slot" not in see.data and "channel" in see.data and isinstance(see.raw("system"), dict):
        for key in ("users", "channels"):
            if see.raw("system", key) is None:
                yield f"system.{key}", "is missing: without a [slot] nothing else says it"
    users, _ = _counts(see)
    overrides = see.raw("users")
    if isinstance(overrides, list) and users is not None and len(overrides) != users:
        yield "users", f"has length {len(overrides)}: must have {users}, an entry for each user"


def _weights(see: Sound) -> Iterator[Fault]:
    shared = [see.get("qoe", key) for key in WEIGHT_KEYS]
    if None not in shared and not allowed.sums_to_one(sum(shared)):
        yield _sum_fault("qoe", shared)
        shared = [None] * len(WEIGHT_KEYS)
    for n, _ in enumerate(see.entries("users")):
        given = [key for key in WEIGHT_KEYS if see.raw("users", n, key) is not None]
        weights = [
            see.get("users", n, key) if key in given else value
            for key, value in zip(WEIGHT_KEYS, shared, strict=True)
        ]
        if given and None not in weights and not allowed.sums_to_one(sum(weights)):
            yield _sum_fault(f"users[{n}]", weights)


def _sum_fault(path: str, weights: list[float]) -> Fault:
    total = " + ".join(f"{w:g}" for w in weights)
    return (
        f"{path}.weight_latency + weight_energy + weight_accuracy",
        f"= {total} = {sum(weights):g}: must be 1 (within {allowed.WEIGHT_TOLERANCE:g})",
    )


def _task(see: Sound, name: str) -> Iterator[Fault]:
    path = ("tasks", name)
    parts = [see.get(*path, "accuracy", key) for key in ("extraction", "snr_db", "table", "raw")]
    yield from allowed.table_faults(spelled((*path, "accuracy")), *parts)
    own = [".".join(keys) for keys in OWN_SEMANTIC if see.raw(*path, *keys) is not None]
    if own and see.raw(*path, "extraction_max") is None:
        words = f"is missing: must be given and below 1 beside {', '.join(own)}"
        yield spelled((*path, "extraction_max")), words
    elif own and see.get(*path, "extraction_max") == 1.0:
        yield spelled((*path, "extraction_max")), f"= 1.0: must be below 1 beside {', '.join(own)}"


def _shares(see: Sound) -> Iterator[Fault]:
    names = see.names("tasks")
    given = [name for name in names if see.raw("tasks", name, "share") is not None]
    if not given:
        return
    for name in names:
        if name not in given and isinstance(see.raw("tasks", name), dict):
            yield spelled(("tasks", name, "share")), "is missing: give every task a share, or none"
    shares = [see.get("tasks", name, "share") for name in names]
    if None not in shares and not allowed.sums_to_one(sum(shares)):
        total = " + ".join(f"{share:g}" for share in shares)
        yield (
            "tasks.*.share",
            f"= {total} = {sum(shares):g}: must be 1 (within {allowed.WEIGHT_TOLERANCE:g})",
        )


def _slot(see: Sound) -> Iterator[Fault]:
    tasks, known = see.get("slot", "tasks"), see.names("tasks")
    gain = see.entries("slot", "gain")
    for n, name in enumerate(tasks or []):
        if known and name not in known:
            near = nearest(name, known)
            hint = f"; did you mean {near}?" if near else ""
            yield (
                f"slot.tasks[{n}]",
                f"= {quoted(name)}: must be one of the tasks {', '.join(known)}{hint}",
            )
    users, channels = _counts(see)
    for key, entries in (("tasks", tasks), ("gain", gain)):
        if entries and users is not None and len(entries) != users:
            words = f"has length {len(entries)}: must have {users}, an entry for each user"
            yield f"slot.{key}", words
    for n, row in enumerate(gain):
        if isinstance(row, list) and (not row or len(row) != channels):
            words = f"must have {channels or 'at least 1'}, a gain for each sub-channel"
            yield f"slot.gain[{n}]", f"= {quoted(row)} has length {len(row)}: {words}"


def _channel(see: Sound, folder: Path | None) -> Iterator[Fault]:
    model = see.get("channel", "model")
    if model is None:
        return
    law, sentences = LAWS[model], keys_of(Channel)
    given = {key for key in see.names("channel") if key in sentences} - {"model"}
    needs, may = set(keys(law.needs)), set(keys(sorted(law.takes)))
    if law.mean:
        mean_gain, *loss = keys(MEANS)
        if not given & {mean_gain, *loss}:
            words = f"is missing: {model} needs it, or {' and '.join(loss)}"
            yield f"channel.{mean_gain}", words
        if given & {*loss}:
            needs |= {*loss}
    for key in sorted(needs - given):
        yield f"channel.{key}", f"is missing: {model} needs it ({sentences[key]})"
    for key in sorted(given - may):
        if key == "gain_range" and law.correlated:
            why = f"must be left out: a range would break the law of {model} in time"
            yield "channel.gain_range", f"= {quoted(see.raw('channel', key))}: {why}"
        else:
            yield f"channel.{key}", f"is not used by {model}, which has {law}"
    lists = list(_channel_lists(see, law))
    yield from lists
    if not (needs - given or given - may or lists):
        yield from _law(see)
    if folder is not None and "file" in may:
        yield from _trace(see, folder)


def _trace(see: Sound, folder: Path) -> Iterator[Fault]:
    """Yield faults of the file of measured gains."""
    file, sound = see.get("channel", "file"), not covered(("channel",), see.unsound)
    if file is None:
        return
    if not (folder / file).exists():
        yield "channel.file", f"= {quoted(file)}: there is no such file beside the scenario"
        return
    keys = ("unit", "variable", "sha256")
    unit, variable, sha256 = (see.get("channel", key) for key in keys)
    if any(see.raw("channel", key) is not None for key in keys) and not sound:
        return  # how to read the file is not known
    try:
        trace = load_trace(folder / file, unit or "linear", variable, sha256)
    except ValueError as error:
        _, _, reason = str(error).partition(f"channel.file = {folder / file}: ")
        yield "channel.file", f"= {quoted(file)}: {reason}"
        return
    users, channels = _counts(see)
    shape = trace.gain.shape
    if users and channels and shape[1:] != (users, channels):
        yield "channel.file", f"= {quoted(file)}: {other_shape(shape, users, channels)}"


def _channel_lists(see: Sound, law: Law) -> Iterator[Fault]:
    """Yield faults of the keys that take one number or several."""
    users, _ = _counts(see)
    for name in sorted(law.takes):
        row = KEYS[name]
        values = see.get("channel", row.key)
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


def _law(see: Sound) -> Iterator[Fault]:
    """Yield what is wrong with keys that are sound alone and fit the model."""
    given = see.get("channel")
    if given is None:
        return
    try:
        laws.Channel.from_keys(given)
    except ValueError as error:
        for fault in str(error).split("; channel."):
            path, _, words = fault.removeprefix("channel.").partition(": ")
            for row in KEYS.values():
                path = re.sub(rf"\b{row.name}\b", row.key, path)
            yield f"channel.{path}", words


def _assumed(see: Sound) -> Iterator[Fault]:
    paths = {spelled(path) for path in _paths(see.data)}
    for name in see.names("assumed"):
        if name not in paths:
            near = nearest(name, sorted(paths))
            yield (
                f"assumed.{toml.key(name)}",
                "names no key of this file" + (f": did you mean {near}?" if near else ""),
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
