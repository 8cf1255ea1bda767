"""Finds every fault of a scenario file in one go and words it for the person who wrote the file.

Three passes add to one list: accuracy tables are read in from their own files, each key is checked
by the models of `sections.py`, and keys are checked against each other where they are sound alone,
so that no fault hides another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import allowed, toml
from .allowed import Fault
from .sections import LAWS, PATH_LOSS, Accuracy, Channel, Document, keys_of, section_at

KeyPath = tuple[str | int, ...]
WEIGHTS = ("weight_latency", "weight_energy", "weight_accuracy")
OWN_SEMANTIC = (("semantic_kbit",), ("server_raw_mflop",), ("accuracy", "raw"))
SHOWN_OF_ARRAY = 8  # faults of one array that are listed before the rest is counted
SHOWN_VALUE = 60  # characters of a value that a message quotes


class ScenarioError(ValueError):
    """A scenario that cannot be used, with every fault found.

    Attributes
    ----------
    source : the file or preset
    faults : (path of the key, what is wrong with it), in the order of the sections
    """

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        super().__init__(source, faults)
        self.source, self.faults = source, tuple(faults)

    def __str__(self) -> str:
        """Return a line for each fault."""
        lines = [" ".join(part for part in fault if part) for fault in self.faults]
        if len(lines) == 1:
            return f"{self.source}: {lines[0]}"
        return "\n  ".join([f"{self.source}: {len(lines)} faults", *lines])


def spelled(path: KeyPath) -> str:
    """Return a path as messages show it: tasks.text.accuracy.table[0][1]."""
    words = (f"[{part}]" if isinstance(part, int) else f".{toml.key(part)}" for part in path)
    return "".join(words).removeprefix(".")


def nearest(word: str, words: Sequence[str] | Mapping[str, Any], cutoff: float = 0.6) -> str | None:
    """Return the known word that is most like a given one."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(words), 1, cutoff)), None)


def find(data: dict[str, Any], folder: Path, validate: Any) -> tuple[Any, list[Fault]]:
    """Return the validated document, or None, and every fault.

    `validate` turns a plain document into a model or raises pydantic's `ValidationError`.
    """
    data, files, faults = _with_tables(data, folder)
    unsound = {path for path, _ in faults}
    model = None
    try:
        model = validate(data)
    except ValidationError as error:
        found = [f for f in _key_faults(error, data) if not _covered(f[0], unsound)]
        unsound |= {path for path, _ in found}
        faults += found
    listed = [(spelled(path), words) for path, words in faults]
    listed += _cross_faults(Sound(data, unsound), folder)
    order = [field.alias or name for name, field in Document.model_fields.items()]
    listed.sort(key=lambda fault: _rank(fault[0], order))
    return model, list(_shortened([_with_file(fault, files) for fault in listed]))


def _rank(path: str, order: list[str]) -> int:
    """Return the place of a path's section among the sections."""
    section = re.split(r"[.\[]", path, maxsplit=1)[0]
    return order.index(section) if section in order else len(order)


def _shortened(faults: list[Fault]) -> Iterator[Fault]:
    """Count the faults of one array beyond the first few."""
    seen: Counter[str] = Counter()
    for path, words in faults:
        array = re.sub(r"(\[\d+\])+$", "", path)
        seen[array] += 1
        if seen[array] <= SHOWN_OF_ARRAY:
            yield path, words
    for array, times in seen.items():
        if times > SHOWN_OF_ARRAY:
            yield array, f"has {times - SHOWN_OF_ARRAY} more faults like these"


# --------------------------------------------------------------------- accuracy tables in CSV files


def _with_tables(
    data: dict[str, Any], folder: Path
) -> tuple[dict[str, Any], dict[str, str], list[tuple[KeyPath, str]]]:
    """Put the tables of `accuracy = {file = ...}` into the document.

    Returns the new document, the files by the path they filled, and faults.
    """
    files: dict[str, str] = {}
    faults: list[tuple[KeyPath, str]] = []
    tasks = data.get("tasks")
    if not isinstance(tasks, dict):
        return data, files, faults
    filled = dict(tasks)
    for name, task in tasks.items():
        accuracy = task.get("accuracy") if isinstance(task, dict) else None
        if not isinstance(accuracy, dict) or "file" not in accuracy:
            continue
        path: KeyPath = ("tasks", name, "accuracy")
        file = accuracy["file"]
        if not isinstance(file, str):
            faults.append(((*path, "file"), f"= {_quoted(file)}: must be the name of a CSV file"))
            filled[name] = {**task, "accuracy": None}
            continue
        if others := [key for key in accuracy if key != "file"]:
            faults += [
                ((*path, key), f"must not stand beside file = {toml.text(file)}") for key in others
            ]
        try:
            table = read_table(folder / file)
        except (OSError, ValueError) as error:
            faults.append(((*path, "file"), f"= {toml.text(file)}: {_reason(error)}"))
            filled[name] = {**task, "accuracy": None}
            continue
        filled[name] = {**task, "accuracy": table}
        files[spelled(path)] = file
    return {**data, "tasks": filled}, files, faults


def read_table(file: Path) -> dict[str, Any]:
    """Return an accuracy table from CSV as the keys of [tasks.NAME.accuracy].

    The first row is `extraction` and then the SNRs in dB, each further row an extraction factor and
    then the accuracies; a row that begins with `raw` holds the accuracies of raw mode. Empty lines
    and lines that begin with # are skipped. Cells that are no numbers are left for the checks.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or has no such first row
    """
    import csv

    with file.open(newline="", encoding="utf-8") as lines:
        kept = (line for line in lines if line.strip() and not line.startswith("#"))
        rows = [[cell.strip() for cell in row] for row in csv.reader(kept)]
    if not rows or rows[0][0] != "extraction":
        raise ValueError('the first row must be "extraction" and then the SNRs in dB')
    table: dict[str, Any] = {
        "extraction": [],
        "snr_db": [_number(c) for c in rows[0][1:]],
        "table": [],
    }
    for head, *cells in rows[1:]:
        values = [_number(cell) for cell in cells]
        if head == "raw":
            table["raw"] = values
        else:
            table["extraction"].append(_number(head))
            table["table"].append(values)
    return table


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _with_file(fault: Fault, files: dict[str, str]) -> Fault:
    for path, file in files.items():
        if fault[0].startswith(path):
            return fault[0], f"{fault[1]} (in {file})"
    return fault


# ------------------------------------------------------------------------------- each key by itself

_EXPECTED = {
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "list_type": "must be an array",
    "string_type": "must be a text in quotes",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
}


def _key_faults(error: ValidationError, data: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    """Word pydantic's errors; an unknown key that looks like a missing one answers for both."""
    errors = [(*_locate(e["loc"], data), e) for e in error.errors(include_url=False)]
    missing = {path for path, _, e in errors if e["type"] == "missing"}
    faults: list[tuple[KeyPath, str]] = []
    for path, _, e in errors:
        if e["type"] == "extra_forbidden":
            words, meant = _unknown(path, data, missing)
            missing.discard(meant)
            faults.append((path, words))
    for path, value, e in errors:
        context = e.get("ctx", {})
        match e["type"]:
            case "extra_forbidden":
                continue
            case "missing":
                if path in missing:
                    faults.append((path, _missing(path)))
                continue
            case "allowed":
                words = f"must be {e['msg']}"
            case "too_short":
                words = f"must have a length of at least {context['min_length']}"
            case "literal_error":
                words = f"must be {context['expected']}"
                if isinstance(value, str) and (
                    near := nearest(value, context["expected"].split("'"))
                ):
                    words += f"; did you mean '{near}'?"
            case "list_type" if isinstance(value, dict):
                words = f"must be an array of tables, [[{spelled(path)}]]"
            case kind:
                words = _EXPECTED.get(kind, e["msg"])
        faults.append((path, f"= {_quoted(value)}: {words}"))
    return faults


def _locate(loc: tuple[str | int, ...], data: Any) -> tuple[KeyPath, Any]:
    """Return the part of pydantic's location that is a path of the file, and what stands there."""
    value = data
    for depth, part in enumerate(loc):
        inside = isinstance(value, dict) or (isinstance(value, list) and isinstance(part, int))
        if not inside:
            return loc[:depth], value
        if isinstance(value, dict) and part not in value:
            return loc[: depth + 1], None
        value = value[part]
    return loc, value


def _missing(path: KeyPath) -> str:
    section = section_at(path[:-1])
    sentence = keys_of(section).get(str(path[-1]), "") if section else ""
    what = "table is missing" if section_at(path) or path == ("tasks",) else "is missing"
    return f"{what} ({sentence})" if sentence else what


def _unknown(path: KeyPath, data: dict[str, Any], missing: set[KeyPath]) -> tuple[str, KeyPath]:
    """Return the words about an unknown key, and the path of the key that was probably meant."""
    *table, name = path
    section = section_at(tuple(table))
    known = keys_of(section) if section else {}
    if section is Accuracy:
        known = {**known, "file": ""}
    absent = [key for key in known if (*table, key) in missing]
    meant = nearest(str(name), absent)
    if not meant:
        for other in ("system", "qoe", "user", "grid", "slot", "channel"):
            if name in keys_of(section_at((other,)) or Document):
                return f"is an unknown key here: it belongs in [{other}]", ()
        meant = nearest(str(name), known)
    if meant:
        return f"is an unknown key: did you mean {meant}?", (*table, meant)
    return f"is an unknown key: allowed here are {', '.join(known)}", ()


def _quoted(value: Any) -> str:
    words = toml.inline(value)
    return words if len(words) <= SHOWN_VALUE else f"{words[:SHOWN_VALUE]}..."


def _covered(path: KeyPath, unsound: set[KeyPath]) -> bool:
    """Tell whether a fault that is already known concerns this path or the table around it."""
    return any(path == other[: len(path)] or other == path[: len(other)] for other in unsound)


# -------------------------------------------------------------------------- keys against each other


class Sound:
    """A document seen through its faults: what is missing or faulty reads as None."""

    def __init__(self, data: dict[str, Any], unsound: set[KeyPath]) -> None:
        self.data, self.unsound = data, unsound

    def get(self, *path: str | int) -> Any:
        """Return the value at a path, if it and everything in it is there and sound."""
        if _covered(path, self.unsound):
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


def _cross_faults(see: Sound, folder: Path) -> Iterator[Fault]:
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
    shared = [see.get("qoe", key) for key in WEIGHTS]
    if None not in shared and not allowed.sums_to_one(sum(shared)):
        yield _sum_fault("qoe", shared)
        shared = [None] * len(WEIGHTS)
    for n, _ in enumerate(see.entries("users")):
        given = [key for key in WEIGHTS if see.raw("users", n, key) is not None]
        weights = [
            see.get("users", n, key) if key in given else value
            for key, value in zip(WEIGHTS, shared, strict=True)
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
                f"= {_quoted(name)}: must be one of the tasks {', '.join(known)}{hint}",
            )
    users, channels = _counts(see)
    for key, entries in (("tasks", tasks), ("gain", gain)):
        if entries and users is not None and len(entries) != users:
            words = f"has length {len(entries)}: must have {users}, an entry for each user"
            yield f"slot.{key}", words
    for n, row in enumerate(gain):
        if isinstance(row, list) and (not row or len(row) != channels):
            words = f"must have {channels or 'at least 1'}, a gain for each sub-channel"
            yield f"slot.gain[{n}]", f"= {_quoted(row)} has length {len(row)}: {words}"


def _channel(see: Sound, folder: Path) -> Iterator[Fault]:
    model = see.get("channel", "model")
    if model is None:
        return
    law, sentences = LAWS[model], keys_of(Channel)
    given = {key for key in see.names("channel") if key in sentences} - {"model"}
    needs, may = set(law.needs), set(law.needs + law.may)
    if law.mean:
        may |= {"mean_gain", *PATH_LOSS}
        if not given & may & {"mean_gain", *PATH_LOSS}:
            words = f"is missing: {model} needs it, or {' and '.join(PATH_LOSS)}"
            yield "channel.mean_gain", words
        if given & set(PATH_LOSS):
            needs |= set(PATH_LOSS)
    for key in sorted(needs - given):
        yield f"channel.{key}", f"is missing: {model} needs it ({sentences[key]})"
    for key in sorted(given - may):
        if key == "gain_range" and law.bound_in_time:
            why = f"must be left out: a range would break the law of {model} in time"
            yield "channel.gain_range", f"= {_quoted(see.raw('channel', key))}: {why}"
        else:
            yield f"channel.{key}", f"is not used by {model}, which has {law}"
    yield from _channel_lists(see, model, may)
    file = see.get("channel", "file")
    if file is not None and "file" in may and not (folder / file).is_file():
        yield "channel.file", f"= {_quoted(file)}: there is no such file beside the scenario"


def _channel_lists(see: Sound, model: str, may: set[str]) -> Iterator[Fault]:
    """Yield faults of the keys that take one number or several."""
    users, _ = _counts(see)
    for key in ("mean_gain", "distance_m", "speed_mps"):
        values = see.get("channel", key)
        if key not in may or not isinstance(values, list):
            continue
        words = None
        if key == "speed_mps" or (key == "distance_m" and model == "mobility"):
            if len(values) != 2 or values[0] > values[1]:
                words = "must be one number, or [low, high] with low <= high"
            elif key == "speed_mps" and values[0] == 0 < values[1]:
                words = "must start above 0: users that stop for good have no law that lasts"
        elif users is not None and len(values) != users:
            words = f"must be one number, or one for each of the {users} users"
        if words:
            yield f"channel.{key}", f"= {_quoted(values)}: {words}"


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
