"""Tables in CSV as people and spreadsheets write them."""

from __future__ import annotations

import csv
from collections.abc import Iterator

DELIMITERS = (",", ";", "\t")


def read_rows(data: bytes) -> tuple[list[list[str]], str]:
    """Return the cells of CSV rows, stripped, and the delimiter between them.

    A byte-order mark, empty lines and lines that begin with # are skipped; quotes are taken off.
    The delimiter is the one that splits the first row into most cells.

    Raises
    ------
    ValueError
        What is not UTF-8 text, or no CSV
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("is UTF-16 text: save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        return [], ","
    try:
        split = {mark: next(_cells(lines[:1], mark)) for mark in DELIMITERS}
        delimiter = max(DELIMITERS, key=lambda mark: len(split[mark]))
        return list(_cells(lines, delimiter)), delimiter
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _cells(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        yield [cell.strip() for cell in row]


def number(cell: str, delimiter: str) -> float:
    """Return the number in a cell; where no comma separates cells it may be a decimal one.

    Raises
    ------
    ValueError
        The cell is no number
    """
    return float(plain(cell if delimiter == "," else cell.replace(",", ".")))


def whole_number(name: str, cell: str) -> int:
    """Return the whole number in a cell; raise ValueError naming the column for what is none."""
    if not (cell.isascii() and cell.isdigit() and len(cell) < 10):
        raise ValueError(f"{name} = {cell}: must be a whole number from 0")
    return int(cell)


def plain(cell: str) -> str:
    """Return a cell; raise ValueError for digits that only Python reads as such: 1_0, say."""
    if "_" in cell or not cell.isascii():
        raise ValueError(f"{cell} is no number")
    return cell
