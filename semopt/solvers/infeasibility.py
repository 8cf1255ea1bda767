"""Why a slot has no feasible joint action: on the grid, or with continuous variables.

What is asked is the same for both: who has a feasible action alone, in which mode and on how many
sub-channels, from the strongest on (csrc/global/feasibility.h). An explanation takes a bounded
time; what it could not finish by then it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from time import perf_counter

import numpy as np

from .. import _core
from ..arrays import Flags, Integers
from ..backends import packing
from ..figures import SHARED_LIMITS, USER_LIMITS
from ..limits import is_set, tightened, without
from ..model import LOCAL, MODES, RAW, SEMANTIC
from ..problem import Problem
from ..result import INTERRUPTED, ROUNDING_ERRORS, TIME_LIMIT, Infeasibility, Result, Status
from .cells import best_local, best_offloads

SECONDS = 10.0  # that an explanation may take unless told otherwise
SHORTEST = 0.1  # s, that it gets at least
PART = 64  # users that are asked about at once
EDGE = 1e-12  # of a limit: more than arithmetics differ by


class Inquiry:
    """Asks who can do what in a slot, until time is up.

    Attributes
    ----------
    stopped : why answers are incomplete, "" while they are not; what is open counts as feasible
    """

    def __init__(self, continuous: bool, seconds: float) -> None:
        self.continuous, self.deadline, self.stopped = continuous, perf_counter() + seconds, ""

    def has_stopped(self) -> bool:
        """Tell whether to end: time is up, or Ctrl-C came."""
        if perf_counter() >= self.deadline:
            self.stopped = self.stopped or TIME_LIMIT
        return self.stopped not in ("", ROUNDING_ERRORS)

    def feasible_channels(
        self,
        problem: Problem,
        users: Sequence[int],
        offloaders: Iterable[int],
        modes: int = RAW + SEMANTIC,
    ) -> Integers:
        """Return on how many sub-channels each of U users has a feasible action, (M, U).

        Parameters
        ----------
        offloaders : their M numbers; for 0, 1 where the local task is feasible
        modes : of offloaded tasks
        """
        if self.continuous or packing.knows(problem):
            counts, stopped = _core.feasible_channels(
                packing.scenario(problem),
                np.ascontiguousarray(problem.gain),
                problem.task,
                users,
                list(offloaders),
                modes,
                self.continuous,
                max(self.deadline - perf_counter(), 0.0),
            )
            self.stopped = self.stopped or stopped
        else:
            counts = [[self.plain(problem, n, m, modes) for n in users] for m in offloaders]
        return np.array(counts, dtype=np.int64).reshape(-1, len(users))

    def plain(self, problem: Problem, user: int, offloaders: int, modes: int) -> int:
        """Return the same of one user by the model itself, on the grid."""
        if self.has_stopped():
            return max(int(problem.gain.shape[1]), 1)
        if not offloaders:
            return int(best_local(problem, user)[0] > -inf)
        value, _ = best_offloads(problem, user, offloaders, modes)
        return int((value > -inf).sum())


def time_left(start: float, time_limit: float | None) -> float:
    """Return the seconds that are left to an explanation of a limit that began at `start`."""
    return SECONDS if time_limit is None else max(start + time_limit - perf_counter(), SHORTEST)


def infeasible(result: Result, *, continuous: bool = False, seconds: float = SECONDS) -> Result:
    """Return a result with the status infeasible and the reason."""
    inquiry = Inquiry(continuous, seconds)
    reason = explain(result.problem, inquiry)
    details = result.details
    if reason.unfinished:
        details = details | {"explanation": reason.unfinished}
    if inquiry.stopped == INTERRUPTED:
        details = details | {"stopped": inquiry.stopped}
    return replace(result, status=Status.INFEASIBLE, infeasibility=reason, details=details)


def explain(problem: Problem, inquiry: Inquiry, edge: bool = False) -> Infeasibility:
    """Name the users whose own actions all fail, else a small set that cannot be served together.

    The set is inclusion-minimal if there was time: without any one of its users the others can be
    served.

    Parameters
    ----------
    edge : whether limits are tighter than asked for, by the last digits
    """
    everyone = tuple(range(len(problem.task)))
    most = min(problem.gain.shape)
    alone = inquiry.feasible_channels(strongest(problem), everyone, range(min(most, 1) + 1)) > 0
    broken: dict[int, dict[str, tuple[str, ...]]] = {}
    lacking = np.flatnonzero(~alone.any(axis=0))
    limits = Lifted(strongest(problem.only(lacking)), most, inquiry)
    for first in range(0, len(lacking), PART):
        part = limits.broken(np.arange(first, min(first + PART, len(lacking))))
        if inquiry.has_stopped():
            first_user = f"user {lacking[first]} and those after it"
            why = f"{first_user} were not looked at ({inquiry.stopped})"
            if broken:
                return Infeasibility(users=broken, unfinished=why)
            break
        broken |= {int(lacking[n]): modes for n, modes in part.items()}
    if broken:
        return Infeasibility(users=broken)
    unfinished = f"a part of these users may be enough ({inquiry.stopped or TIME_LIMIT})"
    if inquiry.has_stopped():
        return Infeasibility(joint=everyone, unfinished=unfinished)
    local, *counts = inquiry.feasible_channels(problem, everyone, range(most + 1))
    crowd = Crowd(problem, local > 0, counts, inquiry)
    if not crowd.servable(everyone):
        joint = crowd.not_servable()
        return Infeasibility(joint=joint, unfinished=unfinished if inquiry.has_stopped() else "")
    if inquiry.has_stopped():
        return Infeasibility(joint=everyone, unfinished=unfinished)
    for limit in SHARED_LIMITS:
        if is_set(problem, limit):
            return Infeasibility(joint=everyone, limit=limit.bound)
    if edge:
        return Infeasibility(joint=everyone)
    # Infeasible in the digits of another backend: some limit is met by its last digits alone.
    return explain(tightened(problem, EDGE), inquiry, edge=True)


class Lifted:
    """A slot with some of its limits lifted, each choice of them packed once.

    Parameters
    ----------
    problem : each user's strongest sub-channel, which stands for all: on a weaker one latency and
        energy are higher and accuracy is lower
    most : offloaders, at most
    """

    def __init__(self, problem: Problem, most: int, inquiry: Inquiry) -> None:
        self.problem, self.most, self.inquiry = problem, most, inquiry
        self.limits = [limit for limit in USER_LIMITS if is_set(problem, limit)]
        self.free = without(problem, self.limits)
        self.alone = [
            without(problem, [other for other in self.limits if other is not limit])
            for limit in self.limits
        ]
        self.lifted = [without(problem, [limit]) for limit in self.limits]

    def broken(self, users: Integers) -> dict[int, dict[str, tuple[str, ...]]]:
        """Return the limits that users' actions break, by mode, of those without a feasible one.

        Of a mode: each limit that all its actions break, or, where it takes several together,
        those without which some action would be feasible.
        """
        users = users[~self.modes(self.problem, users).any(axis=0)]
        modes = self.modes(self.free, users)
        alone, lifted = (
            [self.modes(problem, users) for problem in problems]
            for problems in (self.alone, self.lifted)
        )
        return {
            int(n): {
                mode: self.names(~part[i, at] for part in alone)
                or self.names(part[i, at] for part in lifted)
                or tuple(limit.name for limit in self.limits)
                for i, mode in enumerate(MODES)
                if modes[i, at]
            }
            for at, n in enumerate(users)
        }

    def names(self, chosen: Iterable[bool]) -> tuple[str, ...]:
        """Return the names of some of the limits."""
        return tuple(
            limit.name for limit, included in zip(self.limits, chosen, strict=True) if included
        )

    def modes(self, problem: Problem, users: Integers) -> Flags:
        """Return in which modes users alone have a feasible action, for some m: (3, U)."""
        feasible = np.zeros((len(MODES), len(users)), dtype=bool)
        for mode in (LOCAL, RAW, SEMANTIC):
            # Latency is least for few offloaders, the server's energy for many.
            most = self.most
            parts: tuple[Iterable[int], ...] = ([1], [most], range(2, most)) if most else ()
            for offloaders in [[0]] if mode == LOCAL else parts:
                remaining = np.flatnonzero(~feasible[mode])
                if remaining.size:
                    selected = users[remaining].tolist()
                    counts = self.inquiry.feasible_channels(
                        problem, selected, offloaders, mode or RAW
                    )
                    feasible[mode, remaining] = (counts > 0).any(axis=0)
        return feasible


def strongest(problem: Problem) -> Problem:
    """Return the problem with each user's strongest sub-channel alone."""
    if not problem.gain.shape[1]:
        return problem
    return replace(problem, gain=problem.gain.max(axis=1, keepdims=True))


class Crowd:
    """Who can be served together.

    Parameters
    ----------
    local : (N,), whose local task is feasible
    counts : for each number of offloaders from 1, on how many sub-channels, from the strongest on,
        each user has a feasible action, (N,)
    """

    def __init__(
        self, problem: Problem, local: Flags, counts: list[Integers], inquiry: Inquiry
    ) -> None:
        order = np.argsort(-problem.gain, axis=1, kind="stable")
        self.rank = np.argsort(order, axis=1)
        self.local, self.counts, self.inquiry = local, counts, inquiry

    def servable(self, users: tuple[int, ...]) -> bool:
        """Tell whether these users can be served together when others have no limits at all.

        True too where there was no time to tell.
        """
        free = np.ones(len(self.local), dtype=bool)
        free[list(users)] = False
        alone = np.where(self.local | free, 0.0, -inf)
        obliged = int((alone == -inf).sum())
        if not obliged:
            return True  # without offloaders
        for m, count in enumerate(self.counts[obliged - 1 :], obliged):
            if self.inquiry.has_stopped():
                return True
            cells = (self.rank < count[:, None]) | free[:, None]
            if _core.assign(np.where(cells, 0.0, -inf), alone, m)[0] > -inf:
                return True
        return False

    def not_servable(self) -> tuple[int, ...]:
        """Return a set of users that cannot be served together, given that all cannot.

        Whole parts are left out first, then one user after the other, which makes the set
        inclusion-minimal.
        """
        joint = tuple(range(len(self.local)))
        part = len(joint)
        while part > 1:
            part = (part + 1) // 2
            first = 0
            while first < len(joint) and not self.inquiry.has_stopped():
                remaining = joint[:first] + joint[first + part :]
                if self.servable(remaining):
                    first += part
                else:
                    joint = remaining
        return joint
