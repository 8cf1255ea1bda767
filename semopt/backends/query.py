"""What a batch of joint actions is, what a search reads and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from ..grid import Space
from ..model import Actions, Outcome
from ..problem import Floats, Integers, Problem
from ..records import Record

MAX_SIZE = 2**63 - 1  # of a space whose flat index is a 64-bit integer
MAX_KEPT = 2**24  # joint actions, or bins of a histogram, that one query asks for
MAX_ENTRIES = 2**27  # tabulated scores, 1 GiB


class Batch(NamedTuple):
    """Joint actions to be scored: what all backends and, as `Batch`, the compiled kernels take."""

    actions: Actions
    gain: Floats
    task: Integers
    out: Outcome | None = None
    threads: int = 0

    @classmethod
    def of(
        cls,
        problem: Problem,
        actions: Actions,
        gain: Floats | None = None,
        task: Integers | None = None,
        out: Outcome | None = None,
        threads: int = 0,
    ) -> Batch:
        """Return the arguments of `operations.evaluate`, with the problem's slot by default."""
        if gain is None:
            gain = np.ascontiguousarray(problem.gain, actions.power.dtype)
        return cls(actions, gain, problem.task if task is None else task, out, threads)


@dataclass(frozen=True)
class Tables(Record):
    """Scores of every action of every user, from which joint actions are scored.

    A joint action scores the sum (from the first user to the last) or the minimum of its users'
    entries, and -inf where its server energies sum to more than their limit.

    Attributes
    ----------
    space : the joint actions; `Space.list_start` says where a user's list begins
    value : for each user (list_total,) float64, QoE; -inf where the user's own limits fail
    server_energy : the same in J; empty where nothing limits it
    server_energy_max : J a slot
    fairest : the objective is the minimum of the users' QoE, not their sum
    """

    space: Space
    value: tuple[Floats, ...]
    server_energy: tuple[Floats, ...] = ()
    server_energy_max: float = inf
    fairest: bool = False

    def bound(self) -> float:
        """Return an upper bound on every score: each user at its best, whatever the others do."""
        tops = [float(values.max()) for values in self.value]
        return min(tops) if self.fairest else sum(tops)

    @cached_property
    def slack(self) -> tuple[float, float]:
        """Return the largest error of a score and of a server energy in single precision.

        Rounding the sum h of some users' entries and the sum t of the others', and adding the two,
        errs by at most 2 u (|h| + |t|) (1 + u) with u = 2^-24. The small excess covers the terms of
        second order and the order of additions in double precision.
        """
        unit = 2.0**-23 * (1.0 + 1e-4)
        return unit * largest_sum(self.value), unit * largest_sum(self.server_energy)


def largest_sum(lists: tuple[Floats, ...]) -> float:
    """Return the sum over users of their largest finite magnitude, refusing NaN and overflow."""
    total = 0.0
    for n, values in enumerate(lists):
        if np.isnan(values).any():
            raise ValueError(f"tables: an entry of user {n} is NaN: numbers or -inf are expected")
        finite = np.abs(values[np.isfinite(values)])
        total += float(finite.max()) if finite.size else 0.0
    if total > 1e37:
        raise ValueError(f"tables: entries of size {total:.3g}: below 1e37 is expected")
    return total


@dataclass(frozen=True)
class SearchResult(Record):
    """What a search over a range of joint actions found.

    Attributes
    ----------
    value, index : (<= keep,) the best feasible joint actions, by falling score, then rising index
    above : number of joint actions that score strictly above the given value
    histogram : (bins,) int64, feasible joint actions by score
    examined : number of joint actions in the range
    """

    value: Floats
    index: Integers
    above: int
    histogram: Integers
    examined: int

    def merged(self, other: SearchResult, keep: int) -> SearchResult:
        """Return what a search over both ranges finds."""
        value = np.concatenate([self.value, other.value])
        index = np.concatenate([self.index, other.index])
        order = np.lexsort((index, -value))[:keep]
        return SearchResult(
            value[order],
            index[order],
            self.above + other.above,
            self.histogram + other.histogram,
            self.examined + other.examined,
        )


def nothing(bins: int = 0) -> SearchResult:
    """Return what a search over an empty range finds."""
    empty = np.empty(0, dtype=np.int64)
    return SearchResult(np.empty(0), empty, 0, np.zeros(bins, dtype=np.int64), 0)


@dataclass(frozen=True)
class Query:
    """What a search is asked for besides the best joint action.

    Attributes
    ----------
    keep : how many of the best joint actions; 0 to count only
    above : count the joint actions that score strictly above this; None: do not count
    bins, low, high : equal bins of a histogram of feasible scores within [low, high]; 0: none
    """

    keep: int = 1
    above: float | None = None
    bins: int = 0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        for name in ("keep", "bins"):
            count = getattr(self, name)
            if not isinstance(count, int | np.integer) or count > MAX_KEPT:
                raise ValueError(f"{name} = {count}: a whole number up to {MAX_KEPT} is expected")
        if self.bins and not (isfinite(self.low) and isfinite(self.high)):
            raise ValueError(f"histogram over [{self.low}, {self.high}]: numbers are expected")
        if self.keep < 0:
            raise ValueError(f"keep = {self.keep}: must not be negative")
        if self.bins < 0 or (self.bins and not self.low < self.high):
            raise ValueError(
                f"histogram: {self.bins} bins over [{self.low}, {self.high}]: must be an interval"
            )
        if self.above is not None and np.isnan(self.above):
            raise ValueError("above = nan: must be a number")
