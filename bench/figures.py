"""What every suite reports of a benchmark: a rate, its ratio to a peer, its shares of ceilings."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

from semopt import _core


@cache
def ceiling(kind: str) -> float:
    """Return what this machine reaches at most: operations a second, or bytes for `copy`."""
    return _core.ceiling(kind)


def seconds_of(
    function: Callable[[], Any], rounds: int = 3, of: Callable[[list[float]], float] = min
) -> float:
    """Return the shortest time of a function that is warm, or the median of its times."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        function()
        times.append(perf_counter() - start)
    return of(times)


def report(
    benchmark: Any,
    suite: str,
    name: str,
    function: Callable[[], Any],
    amount: float,
    unit: str,
    reference: str,
    reference_rate: float,
    *,
    kind: str,
    operations: float | None,
    read: float,
    cached: bool = False,
    rounds: int = 5,
) -> None:
    """Time a function, whose result was checked, and state how it compares.

    Parameters
    ----------
    amount : units of work in a call
    reference_rate : units a second of the peer, measured in this run
    kind : the ceiling that `operations` are held against, a name of `_core.ceiling`
    operations : arithmetic operations that a unit needs; None where most units are never scored
    read : bytes that a unit needs to move between memory and cores
    cached : whether a cache holds them all, so that memory sets no ceiling
    """
    benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)
    rate = amount / benchmark.stats.stats.min
    benchmark.extra_info |= {
        "suite": suite,
        "name": name,
        "value": rate,
        "unit": unit,
        "reference": reference,
        "ratio": rate / reference_rate,
        "ceiling": f"{kind}, {ceiling(kind):.3g} operations/s",
        "ceiling_fraction": None if operations is None else rate * operations / ceiling(kind),
        "memory_fraction": None if cached or not read else rate * read / ceiling("copy"),
        "operations": operations,
        "bytes": read,
    }
