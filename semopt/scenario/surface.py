"""Accuracy tables in CSV files of their own: `accuracy = {file = "surface.csv"}` of a scenario."""

from __future__ import annotations

import re
from itertools import product
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from ..allowed import Fault
from ..files import read_bytes
from ..rows import number, read_rows
from ..strict import shortened
from . import toml
from .faults import KeyPath, dotted, quoted


class Source(NamedTuple):
    """Where values of a document came from.

    Attributes
    ----------
    file : as the scenario names it
    table : what it holds, where that has axes
    """

    file: str
    table: dict[str, Any]


def with_tables(
    data: dict[str, Any], folder: Path | None
) -> tuple[dict[str, Any], dict[str, Source], list[tuple[KeyPath, str]]]:
    """Put the tables of `accuracy = {file = ...}` into a document; without a folder none is opened.

    Returns
    -------
    The new document; the files, by the path of the table that each filled; faults. A table that
    could not be read is None.
    """
    files: dict[str, Source] = {}
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
            faults.append(((*path, "file"), f"= {quoted(file)}: must be the name of a CSV file"))
            filled[name] = {**task, "accuracy": None}
            continue
        if folder is None:
            words = "the table itself must stand here, since this document stands alone"
            faults.append(((*path, "file"), f"= {quoted(file)}: {words}"))
            filled[name] = {**task, "accuracy": None}
            continue
        if misplaced := [key for key in accuracy if key != "file"]:
            words = f"must not stand beside file = {toml.text(file)}"
            faults += [((*path, key), words) for key in misplaced]
        try:
            table = read_table(folder / file)
        except (OSError, ValueError) as error:
            faults.append(((*path, "file"), f"= {toml.text(file)}: {reason(error)}"))
            filled[name] = {**task, "accuracy": None}
            continue
        filled[name] = {**task, "accuracy": table}
        files[dotted(path)] = Source(file, table)
    return {**data, "tasks": filled}, files, faults


LAYOUTS = (
    'a grid, whose first row is "extraction" and then the SNRs in dB, each further row an '
    "extraction and its accuracies; or a row for each point, below the headings "
    "extraction, snr_db, accuracy"
)
COLUMNS = ("extraction", "snr_db", "accuracy")  # of a table with a row for each point
RAW = "raw"  # where an extraction stands: the accuracies are those of raw mode


def read_table(file: Path) -> dict[str, Any]:
    """Return an accuracy table from CSV as the keys of [tasks.NAME.accuracy].

    The table is a grid, or has a row for each point: `LAYOUTS`. Points come in any order; where
    `raw` stands for the extraction, accuracies are those of raw mode. Empty lines and lines that
    begin with # are skipped. Cells of a grid that are no numbers are left for the checks.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, is neither, or has not each point of its axes once
    """
    content = read_bytes(file)
    rows, delimiter = read_rows(content)
    headings = [cell.lower() for cell in rows[0]] if rows else []
    if set(COLUMNS) <= set(headings):
        places = [headings.index(name) for name in COLUMNS]
        return _of_points([_picked(row, places) for row in rows[1:]], delimiter)
    numbers = [cell for cell in headings[1:] if isinstance(_number(cell, delimiter), float)]
    if headings[:1] != ["extraction"] or not numbers:
        words = f"is no accuracy table: must be {LAYOUTS}"
        raise ValueError(f"{words}; it begins: {beginning(content)}")
    table: dict[str, Any] = {
        "extraction": [],
        "snr_db": [_number(cell, delimiter) for cell in rows[0][1:]],
        "table": [],
    }
    for head, *cells in rows[1:]:
        values = [_number(cell, delimiter) for cell in cells]
        if head.lower() == RAW:
            table["raw"] = values
        else:
            table["extraction"].append(_number(head, delimiter))
            table["table"].append(values)
    return table


SHOWN = 3  # lines of a file of another layout


def beginning(content: bytes) -> str:
    """Return the first lines of a text file, as a message about its layout shows them."""
    lines = content.decode("utf-8-sig").splitlines()[:SHOWN]
    return " / ".join(shortened(line.strip()) for line in lines) or "nothing"


def _picked(row: list[str], places: list[int]) -> list[str]:
    """Return the cells of a row that are read; what a short row lacks is empty."""
    return [row[place] if place < len(row) else "" for place in places]


def _of_points(rows: list[list[str]], delimiter: str) -> dict[str, Any]:
    """Return the table of points, whose axes they must fill."""
    points: dict[tuple[float | str, float], float] = {}
    for line, (head, snr, accuracy) in enumerate(rows, 1):
        try:
            extraction = RAW if head.lower() == RAW else _finite(head, delimiter)
            key = extraction, _finite(snr, delimiter)
            value = number(accuracy, delimiter)
        except ValueError:
            cells = ", ".join((head, snr, accuracy))
            raise ValueError(f"point {line} = {cells}: must be three numbers") from None
        if key in points:
            raise ValueError(f"has extraction {head} at {snr} dB twice: each point must come once")
        points[key] = value
    extractions = sorted({x for x, _ in points if isinstance(x, float)})
    snrs = sorted({snr for _, snr in points})
    raw = [x for x, _ in points if isinstance(x, str)][:1]
    heads: list[float | str] = [*extractions, *raw]
    for x, y in product(heads, snrs):
        if (x, y) not in points:
            words = "every extraction must have every SNR"
            raise ValueError(f"has no accuracy of extraction {x} at {y:g} dB: {words}")
    table: dict[str, Any] = {
        "extraction": extractions,
        "snr_db": snrs,
        "table": [[points[x, y] for y in snrs] for x in extractions],
    }
    return table | {x: [points[x, y] for y in snrs] for x in raw}


def _finite(cell: str, delimiter: str) -> float:
    """Return the place on an axis that a cell names, or raise ValueError."""
    if not isfinite(value := number(cell, delimiter)):
        raise ValueError("is no place on an axis")
    return value


def _number(cell: str, delimiter: str) -> float | str:
    try:
        return number(cell, delimiter)
    except ValueError:
        return cell


def reason(error: OSError | ValueError) -> str:
    """Return why a file could not be read."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def with_file(fault: Fault, files: dict[str, Source]) -> Fault:
    """Add the file to a fault of a table that came from one, and the extraction and SNR there."""
    for path, (file, table) in files.items():
        if fault[0].startswith(path):
            place = place_of(fault[0].removeprefix(path), table)
            return fault[0], f"{placed(fault[1], table)} (in {file}{place and f', {place}'})"
    return fault


_PLACE = re.compile(r"\b(table|raw)\[(\d+)\](?:\[(\d+)\])?")


def placed(words: str, table: dict[str, Any]) -> str:
    """Return words that say behind each place of an accuracy table its extraction and SNR."""

    def with_axes(match: re.Match[str]) -> str:
        place = place_of(match[0], table)
        return f"{match[0]} ({place})" if place else match[0]

    return _PLACE.sub(with_axes, words)


def place_of(path: str, table: dict[str, Any]) -> str:
    """Return the extraction and SNR of a path such as table[0][3]; "" where it has none."""
    if (match := _PLACE.search(path)) is None:
        return ""
    first, second = int(match[2]), match[3] and int(match[3])
    try:
        if match[1] == RAW:
            return f"raw mode at {table['snr_db'][first]:g} dB"
        row = f"extraction {table['extraction'][first]:g}"
        return row if second is None else f"{row} at {table['snr_db'][second]:g} dB"
    except (KeyError, TypeError, ValueError, IndexError):  # the axes have faults of their own
        return ""
