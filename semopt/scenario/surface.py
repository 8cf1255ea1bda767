"""Accuracy tables in CSV files of their own: `accuracy = {file = "surface.csv"}` of a scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..allowed import Fault
from ..files import read_bytes
from ..rows import number, read_rows
from . import toml
from .faults import KeyPath, dotted, quoted


def with_tables(
    data: dict[str, Any], folder: Path | None
) -> tuple[dict[str, Any], dict[str, str], list[tuple[KeyPath, str]]]:
    """Put the tables of `accuracy = {file = ...}` into a document; without a folder none is opened.

    Returns
    -------
    The new document; the files, by the path of the table that each filled; faults. A table that
    could not be read is None.
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
            faults.append(((*path, "file"), f"= {toml.text(file)}: {_reason(error)}"))
            filled[name] = {**task, "accuracy": None}
            continue
        filled[name] = {**task, "accuracy": table}
        files[dotted(path)] = file
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
    rows, delimiter = read_rows(read_bytes(file))
    if not rows or rows[0][0].lower() != "extraction":
        raise ValueError('the first row must be "extraction" and then the SNRs in dB')
    table: dict[str, Any] = {
        "extraction": [],
        "snr_db": [_number(cell, delimiter) for cell in rows[0][1:]],
        "table": [],
    }
    for head, *cells in rows[1:]:
        values = [_number(cell, delimiter) for cell in cells]
        if head.lower() == "raw":
            table["raw"] = values
        else:
            table["extraction"].append(_number(head, delimiter))
            table["table"].append(values)
    return table


def _number(cell: str, delimiter: str) -> float | str:
    try:
        return number(cell, delimiter)
    except ValueError:
        return cell


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def with_file(fault: Fault, files: dict[str, str]) -> Fault:
    """Add the file to a fault of a table that came from one."""
    for path, file in files.items():
        if fault[0].startswith(path):
            return fault[0], f"{fault[1]} (in {file})"
    return fault
