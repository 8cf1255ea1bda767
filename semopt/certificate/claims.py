"""Claims of files that are re-checked: a false one is found, not repaired."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from ..model import TOLERANCE as TOLERANCE  # of limits, and of reported figures

Progress = Callable[[float], None]  # told the share that is done, 0 to 1
LARGEST_FIGURE = 1e100  # no figure of a file is that large; sums of some stay finite


class FalseClaim(Exception):  # noqa: N818 - it is a finding, not a fault of the program
    """The first claim of a file that does not hold."""


def require(holds: bool, claim: str) -> None:
    """Raise `FalseClaim` unless a claim holds."""
    if not holds:
        raise FalseClaim(claim)


def real(value: Any, name: str) -> float:
    """Return a finite JSON number as float."""
    good = isinstance(value, int | float) and not isinstance(value, bool)
    good = good and abs(value) <= LARGEST_FIGURE and isfinite(value)
    require(good, f"{name} {value!r:.60} is not a number of at most {LARGEST_FIGURE:g}")
    return float(value)


def whole(value: Any, low: int, end: int, name: str) -> int:
    """Return a JSON integer from `low` to `end` - 1."""
    good = isinstance(value, int) and not isinstance(value, bool) and low <= value < end
    require(good, f"{name} {value!r} is not an integer from {low} to {end - 1}")
    return int(value)
