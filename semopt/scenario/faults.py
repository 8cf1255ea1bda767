"""Faults of a scenario file, worded for the person who wrote the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..allowed import Fault
from ..figures import UNITS
from ..gains import SILENT
from ..strict import shortened
from . import toml
from .sections import Accuracy, Document, Queue, keys_of, section_at

KeyPath = tuple[str | int, ...]
LISTED_OF_ARRAY = 8  # faults of one array that are listed before the rest is counted


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


def dotted(path: KeyPath) -> str:
    """Return a path as messages show it: tasks.text.accuracy.table[0][1]."""
    words = (f"[{part}]" if isinstance(part, int) else f".{toml.key(part)}" for part in path)
    return "".join(words).removeprefix(".")


def nearest(word: str, words: Sequence[str] | Mapping[str, Any], cutoff: float = 0.6) -> str | None:
    """Return the known word that is most like a given one."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(words), 1, cutoff)), None)


_EXPECTED = {
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "list_type": "must be an array",
    "string_type": "must be a text in quotes",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
}


def key_faults(error: ValidationError, data: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    """Word pydantic's errors; an unknown key that looks like a missing one answers for both."""
    errors = [(*_locate(e["loc"], data), e) for e in error.errors(include_url=False)]
    missing = {path for path, _, e in errors if e["type"] == "missing"}
    faults: list[tuple[KeyPath, str]] = []
    for path, _, e in errors:
        if e["type"] == "extra_forbidden":
            words, expected = _unknown(path, data, missing)
            missing.discard(expected)
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
                if value == 0 and "gain" in path:
                    words += f"; {SILENT}"
            case "too_short":
                words = f"must have a length of at least {context['min_length']}"
            case "literal_error":
                words = f"must be {context['expected']}"
                if isinstance(value, str) and (
                    suggestion := nearest(value, context["expected"].split("'"))
                ):
                    words += f"; did you mean '{suggestion}'?"
            case "list_type" if isinstance(value, dict):
                words = f"must be an array of tables, [[{dotted(path)}]]"
            case kind:
                words = _EXPECTED.get(kind, e["msg"])
        faults.append((path, f"= {quoted(value)}: {words}"))
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
    words = "table is missing" if section_at(path) or path == ("tasks",) else "is missing"
    return f"{words} ({sentence})" if sentence else words


def _unknown(path: KeyPath, data: dict[str, Any], missing: set[KeyPath]) -> tuple[str, KeyPath]:
    """Return the words about an unknown key, and the path of the key that was probably meant."""
    *table, name = path
    section = section_at(tuple(table))
    sentences = keys_of(section) if section else {}
    if section in (Accuracy, Queue):
        sentences = {**sentences, "file": ""}
    absent = [key for key in sentences if (*table, key) in missing]
    candidate = nearest(str(name), absent) or _with_unit(str(name), sentences)
    if not candidate:
        for place in _TABLES:
            if name in keys_of(section_at(place) or Document):
                return f"is an unknown key here: it belongs in [{'.'.join(place)}]", ()
        candidate = nearest(str(name), sentences)
    if not candidate:
        for place in _TABLES:
            if key := _with_unit(str(name), keys_of(section_at(place) or Document)):
                return f"is an unknown key here: {key} belongs in [{'.'.join(place)}]", ()
    if candidate:
        return f"is an unknown key: did you mean {candidate}?", (*table, candidate)
    return f"is an unknown key: allowed here are {', '.join(sentences)}", ()


_TABLES = (
    *((name,) for name in ("system", "qoe", "user", "grid", "slot", "queue", "channel")),
    *(("tasks", "NAME"), ("tasks", "NAME", "accuracy")),
)


def _with_unit(name: str, keys: Mapping[str, Any]) -> str | None:
    """Return the key of which only the unit was left out or is another: power_mw for power_w."""
    given = name, name.rpartition("_")[0]
    meant = (f"{stem}{end}" for stem in given if stem for end in UNITS)
    return next((key for key in meant if key in keys), None)


def quoted(value: Any) -> str:
    """Return a value as messages show it."""
    words = toml.inline(value)
    return shortened(words)


def affected(path: KeyPath, unsound: set[KeyPath]) -> bool:
    """Tell whether a known fault concerns this path, something in it or the table around it."""
    return any(path == fault[: len(path)] or fault == path[: len(fault)] for fault in unsound)


def arranged(faults: list[Fault]) -> Iterator[Fault]:
    """Put faults in the order of the sections; of one array, count those beyond the first few."""
    order = [field.alias or name for name, field in Document.model_fields.items()]

    def rank(fault: Fault) -> int:
        section = re.split(r"[.\[]", fault[0], maxsplit=1)[0]
        return order.index(section) if section in order else len(order)

    counts: Counter[str] = Counter()
    for path, words in sorted(faults, key=rank):
        array = re.sub(r"(\[\d+\])+$", "", path)
        counts[array] += 1
        if counts[array] <= LISTED_OF_ARRAY:
            yield path, words
    for array, times in counts.items():
        if times > LISTED_OF_ARRAY:
            yield array, f"has {times - LISTED_OF_ARRAY} more faults like these"


def nulls(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield where a document holds null, which JSON has and TOML has not."""
    if value is None:
        yield path
    elif isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nulls(part, (*path, key))
