"""Which values are allowed: written once for both doors, scenario files and `Problem.from_arrays`.

The wide ends (1e-40, 1e40) keep every formula of the model finite; scenario files stop ten decades
earlier, so that no conversion of units can leave the range.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

WEIGHT_TOLERANCE = 1e-3  # by which weights or shares may miss a sum of 1 before they are normalised
MAX_LEVELS = 4096


@dataclass(frozen=True)
class Interval:
    """A closed interval of allowed numbers and the words for it."""

    low: float
    high: float
    sentence: str
    in_files: Interval | None = None  # where a file's is narrower

    def refuses(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where values lie outside; NaN does."""
        return ~((values >= self.low) & (values <= self.high))


_POSITIVE = Interval(1e-30, 1e30, "a number above 0 (1e-30 to 1e30)")
_NON_NEGATIVE = Interval(0.0, 1e30, "a number of at least 0 (up to 1e30)")
POSITIVE = Interval(1e-40, 1e40, "a number above 0 (1e-40 to 1e40)", _POSITIVE)
NON_NEGATIVE = Interval(0.0, 1e40, "a number of at least 0 (up to 1e40)", _NON_NEGATIVE)
LIMIT = Interval(1e-40, inf, "a number above 0 (from 1e-40), or inf for no limit", _POSITIVE)
FRACTION = Interval(0.0, 1.0, "a number from 0 to 1")
EXTRACTION = Interval(1e-6, 1.0, "a number above 0 (from 1e-6) up to 1")
EXPONENT = Interval(0.0, 20.0, "a number from 0 to 20")
DECIBEL = Interval(-1000.0, 1000.0, "a number of dB from -1000 to 1000")
COUNT = Interval(1, 2**31, "a whole number from 1 (to 2^31)")
LEVELS = Interval(1, MAX_LEVELS, f"a whole number from 1 to {MAX_LEVELS}")

KINDS = {  # of NumPy's types that are no numbers, and of complex ones, in words
    "b": "booleans",
    "c": "complex numbers",
    "U": "text",
    "S": "bytes",
    "O": "objects",
    "M": "dates",
    "m": "durations",
    "V": "records",
}

Fault = tuple[str, str]  # the key's path or the argument's name, and what is wrong with it


def whole(name: str, value: object, low: int, high: float = inf, hint: str = "") -> None:
    """Raise ValueError unless a value is a whole number of a range; NumPy's are."""
    number = isinstance(value, Integral) and not isinstance(value, bool)
    if not (number and low <= value <= high):  # type: ignore[operator]
        upto = "of at least" if high == inf else f"from {low} to"
        words = f"a whole number {upto} {low if high == inf else int(high)}{hint}"
        raise ValueError(f"{name} = {value!r}: must be {words}")


def check_path(name: str, value: object, what: str = "a file's path") -> None:
    """Raise ValueError unless a value is a path, or a text that may be one."""
    if not isinstance(value, str | Path):
        raise ValueError(f"{name}: {what} is expected, not {type(value).__name__}")


def one_of(name: str, value: object, words: Sequence[str]) -> None:
    """Raise ValueError unless a value is one of some words."""
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{name} = {value!r}: must be one of {', '.join(words)}")


def numbers(name: str, value: ArrayLike, instead: str = "must hold real numbers") -> NDArray[Any]:
    """Return an array of real numbers, integer or floating, of what a caller gave.

    Text, booleans, masked entries and complex numbers are refused wherever they stand: NumPy would
    turn them into numbers, or drop their imaginary part.

    Parameters
    ----------
    name : what messages call it
    instead : what is expected where numbers are complex

    Raises
    ------
    ValueError
        Naming what it holds that is no number
    """
    if np.ma.isMaskedArray(value):
        mask = np.ma.getmaskarray(value)
        if mask.any():
            raise ValueError(f"{name} has {int(mask.sum())} masked entries: must hold numbers")
    elif isinstance(value, (list, tuple)) and (odd := _odd(value)):
        raise ValueError(f"{name} holds {odd}: must hold numbers")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of ragged rows and lost parts, in versions of NumPy
        try:
            array: NDArray[Any] = np.asarray(value)
            if array.dtype.kind == "O" and all(map(_is_real, array.flat)):
                array = array.astype(float)
        except (ValueError, TypeError, RuntimeError, OverflowError, Warning):
            raise ValueError(f"{name}: must be a rectangular array of numbers") from None
    kind = array.dtype.kind
    if kind not in "iuf":
        words = KINDS.get(kind, str(array.dtype))
        if kind == "O" and (no_number := [x for x in array.flat if not _is_real(x)]):
            words = f"{type(no_number[0]).__name__} objects"
        raise ValueError(f"{name} holds {words}: {instead if kind == 'c' else 'must hold numbers'}")
    return array


def _odd(values: Sequence[Any]) -> str:
    """Return what nested lists hold that NumPy would silently take for a number; else ""."""
    for value in values:
        if type(value) is float or type(value) is int:
            continue
        if isinstance(value, (bool, np.bool_)):
            return f"the boolean {value}"
        if value is np.ma.masked or (np.ma.isMaskedArray(value) and np.ma.getmask(value).any()):
            return "masked entries"
        if isinstance(value, np.ndarray) and value.dtype.kind == "b":
            return "booleans"
        if isinstance(value, (list, tuple)) and (odd := _odd(value)):
            return odd
    return ""


def _is_real(value: object) -> bool:
    return isinstance(value, (Real, Decimal)) and not isinstance(value, (bool, np.bool_))


def sums_to_one(total: float) -> bool:
    """Tell whether a sum of probabilities or weights is 1 within the tolerance."""
    return abs(total - 1.0) <= WEIGHT_TOLERANCE


def table_faults(
    path: str,
    extraction: Sequence[float] | None,
    snr_db: Sequence[float] | None,
    table: Sequence[Sequence[float]] | None,
    raw: Sequence[float] | None,
) -> Iterator[Fault]:
    """Yield what is wrong between the parts of an accuracy table; parts that are None are skipped.

    Axes must increase strictly, shapes must agree, and accuracy may not fall along either axis:
    the bounds of the solvers rely on it.
    """
    yield from _axis_faults(f"{path}.extraction", extraction)
    yield from _axis_faults(f"{path}.snr_db", snr_db)
    if table is not None:
        if extraction is not None and len(table) != len(extraction):
            yield (
                f"{path}.table",
                f"has length {len(table)}: must have {len(extraction)}, a row for each extraction",
            )
        if snr_db is not None:
            for i, row in enumerate(table):
                yield from _row_faults(f"{path}.table[{i}]", row, snr_db)
        yield from _falls(f"{path}.table", table)
    if raw is not None:
        if snr_db is not None:
            yield from _row_faults(f"{path}.raw", raw, snr_db)
        yield from _falls(f"{path}.raw", [raw], raw=True)


def _axis_faults(path: str, axis: Sequence[float] | None) -> Iterator[Fault]:
    for i, (before, after) in enumerate(pairwise(axis or [])):
        if after <= before:
            yield f"{path}[{i + 1}]", f"= {after!r}: must be above the value before it, {before!r}"


def _row_faults(path: str, row: Sequence[float], snr_db: Sequence[float]) -> Iterator[Fault]:
    if len(row) != len(snr_db):
        yield path, f"has length {len(row)}: must have {len(snr_db)}, a value for each snr_db"


def _falls(path: str, rows: Sequence[Sequence[float]], raw: bool = False) -> Iterator[Fault]:
    """Yield one fault for all falls of a table, or of the row of raw mode, and say the largest."""
    falls: list[tuple[float, str, str, str]] = []  # by how much, from, to, as what rises
    name = "raw" if raw else "table"

    def place(i: int, j: int) -> str:
        return f"[{j}]" if raw else f"[{i}][{j}]"

    for i, row in enumerate(rows):
        for j, entry in enumerate(row):
            before = [(i, j - 1, "SNR")] if j else []
            if i and j < len(rows[i - 1]):
                before.append((i - 1, j, "extraction"))
            for k, m, rises in before:
                if entry < rows[k][m]:
                    words = f"{name}{place(k, m)} = {rows[k][m]!r}"
                    falls.append((rows[k][m] - entry, words, f"{place(i, j)}\n{entry!r}", rises))
    if not falls:
        return
    drop, start, end, rises = max(falls, key=lambda fall: fall[0])
    end, value = end.split("\n")
    cure = "`semopt scenario monotone` fits the nearest table"
    if len(falls) == 1:
        yield (
            f"{path}{end}",
            f"= {value}: must be at least {start}, accuracy may not fall as {rises} rises; {cure}",
        )
    else:
        yield (
            path,
            f"falls {len(falls)} times, most by {drop:.3g} from {start} to {name}{end} = {value}: "
            f"accuracy may not fall as extraction or SNR rises; {cure}",
        )
