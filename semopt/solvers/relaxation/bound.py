"""An upper bound on the continuous problem: convex programs of pieces, and a linear one of weights.

Every way to run a task is a piece (see `pieces`) with a weight w. The program is

    max   sum of value x w over all pieces
    s.t.  weights sum to 1 for each user, to at most 1 on each sub-channel, to m over offloaders

where a piece's value is that of its own convex problem (see `convex`): nothing but the weights
couples pieces. So their problems are solved in groups (`linear`), and only those that the weights
could use: until then a piece has its interval bound, or what the prices of the same user's piece on
a like sub-channel prove for it.

No figure of a solver is trusted. Any prices of costs prove a value, and any prices of sub-channels
and offloading prove

    bound = sum_n max_(pieces of n) [value - price of its sub-channel - price of offloading]
            + sum of prices x capacities.

Branching tightens it: first the range of m is halved, then the pieces in use are cut where the
program's point lies, in the sigmoid or the variable whose relaxation is the loosest there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from math import inf
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np

from ... import worth
from ...backends import packing
from ...limits import PRICED, refuse_other_limits
from ...model import LOCAL
from ...problem import Problem
from ...result import INTERRUPTED, TIME_LIMIT, Result, Status
from ..infeasibility import infeasible, time_left
from .node import Node
from .pieces import Pieces, all_pieces, propagate
from .weights import free

LOOSE = 0.1  # part of the largest loss from which on a piece is cut
STEP = 1e-3  # relative, of the differences that prices are made of
BYTES, SECONDS = 6500, 50e-6  # that a piece takes about, until the first program is solved
MEMORY = 2e9  # bytes, that a slot may take

Progress = Callable[[float], None]


class TimeUpError(Exception):
    """The time is up between two steps."""


class Search:
    """Branch and bound over ranges of m and cuts of pieces.

    Parameters
    ----------
    programs : how many nodes may be solved
    deadline : of `perf_counter`
    progress : called with the share of `programs` that are solved
    """

    def __init__(
        self, problem: Problem, programs: int, deadline: float, progress: Progress
    ) -> None:
        self.problem, self.programs, self.deadline = problem, programs, deadline
        self.progress, self.solved, self.stopped = progress, 0, ""
        self.bound = worth.upper_limit(problem)
        self.node: Node | None = None

    def left(self) -> float:
        """Return the seconds left."""
        return self.deadline - perf_counter()

    def step(self, part: float = 0.0) -> None:
        """Report progress, `part` of a node's among it; raise TimeUpError where no time is left."""
        if self.left() <= 0.0:
            raise TimeUpError
        self.progress(min((self.solved + part) / self.programs, 1.0))

    def relax(self, pieces: Pieces, span: tuple[int, int]) -> Node | None:
        """Solve a range of m; None where some user cannot be served."""
        self.step()
        if span[1] == 0:
            pieces = pieces.take(pieces.mode == LOCAL)
        pieces = propagate(self.problem, pieces, *span)
        users = len(self.problem.task)
        if np.unique(pieces.user).size < users:
            return None
        self.step(0.2)
        penalty = np.full(users, worth.forbidding_weight(users))
        y = self.node.multipliers if self.node else free(self.problem)
        node = Node.of(self.problem, pieces, span, penalty, self.bound, y)
        self.step(0.4)
        node.solve(self.left)
        return node

    def run(self, gap: float) -> None:
        """Branch until the relaxation is tight, or proves that not all can be served.

        Afterwards `bound` is -inf if they cannot, `node` is the one with that bound, and `stopped`
        says so if it was cut short.
        """
        heap: list[tuple[float, int, Node]] = []
        try:
            pending = [(all_pieces(self.problem), (0, min(self.problem.gain.shape)))]
            while pending:
                for pieces, span in pending:
                    node = self.relax(pieces, span)
                    self.solved += 1
                    if node and not node.bound < 0.0:  # no QoE is
                        heapq.heappush(heap, (-node.bound, self.solved, node))
                if not heap:
                    self.bound, self.node = -inf, None
                    return
                self.node = heapq.heappop(heap)[2]
                self.bound = self.node.bound
                self.step()
                if self.solved >= self.programs:
                    return
                pending = self.branch(self.node, gap)
        except TimeUpError:
            self.stopped = TIME_LIMIT
        except KeyboardInterrupt:
            self.stopped = INTERRUPTED

    def branch(self, node: Node, gap: float) -> list[tuple[Pieces, tuple[int, int]]]:
        """Return what a node is divided into; nothing where it is tight."""
        fewest, most = node.span
        loss, row, place = node.losses()
        cut = np.flatnonzero(loss > LOOSE * loss.max(initial=0.0))
        loose = loss.sum() > gap and cut.size > 0
        parts = [node.pieces.cut(cut, row[cut], place[cut])] if loose else [node.pieces]
        if fewest < most:
            middle = (fewest + most) // 2
            return [(parts[0], (fewest, middle)), (parts[0], (middle + 1, most))]
        if not loose:
            parts = node.unmix(self.bound - gap)
        return [(part, node.span) for part in parts]


def solve(
    problem: Problem,
    *,
    gap: float | None = None,
    programs: int = 64,
    time_limit: float | None = None,
    progress: Progress = lambda share: None,
) -> Result:
    """Bound the continuous problem from above, or prove that no decision is feasible.

    Parameters
    ----------
    problem : a slot
    gap : QoE, what the relaxation may add at its own point; 0.002 a user unless given
    programs : how many programs over weights may be solved
    time_limit : s; one that is too short for any program gives the sum of the weights at once
    progress : called with the share of `programs` that are solved; it may end before all are

    Returns
    -------
    Result with status BOUND_ONLY, LIMIT_REACHED (the bound holds all the same) or INFEASIBLE.
    Its details hold the number of `programs`, the range of `offloaders` that has the bound, the
    `loss` that `gap` is compared with, `prices`, and why it `stopped` early.

    Raises
    ------
    ValueError
        For a `gap` below 0, less than one program, or a slot
        whose pieces would take over 2 GB.
    """
    number = isinstance(gap, Real) and not isinstance(gap, bool)
    if gap is not None and not (number and 0 <= gap < inf):
        raise ValueError(f"gap = {gap!r}: must be a number of at least 0")
    if not programs >= 1:
        raise ValueError(f"programs = {programs}: must be at least 1")
    start, users = perf_counter(), len(problem.task)
    pieces = number_of_pieces(problem)
    gap = 0.002 * (users if problem.objective == "sum" else 1) if gap is None else gap
    seconds = inf if time_limit is None else time_limit
    search = Search(problem, programs, start + seconds, progress)
    result = Result(problem, "relaxation", "cpu", Status.INFEASIBLE)
    with np.errstate(all="ignore"):  # what is not finite proves nothing
        if pieces * SECONDS < seconds:
            search.run(gap)
        else:
            search.stopped = TIME_LIMIT
        details: dict[str, Any] = {"programs": search.solved}
        if search.bound == -inf:
            result = replace(result, details=details)
            return infeasible(result, continuous=True, seconds=time_left(start, time_limit))
        if search.node:
            details["offloaders"] = list(search.node.span)
            details["loss"] = float(search.node.losses()[0].sum())
            details["prices"] = prices(problem, search.node)
    status = Status.LIMIT_REACHED if search.stopped else Status.BOUND_ONLY
    if search.stopped:
        details["stopped"] = search.stopped
    bound = search.bound
    return replace(
        result, status=status, upper_bound=bound, continuous_bound=bound, details=details
    )


def number_of_pieces(problem: Problem) -> int:
    """Return how many pieces a slot has.

    Raises
    ------
    ValueError
        For a limit that the relaxation does not know, or more pieces than memory should hold
    """
    known = (*PRICED, "server energy")
    refuse_other_limits(problem, known, "method 'relaxation'", packing.on_the_grid(problem))
    users, channels = problem.gain.shape
    pieces: int = users * (1 + 2 * channels)
    if pieces * BYTES > MEMORY:
        raise ValueError(
            f"relaxation: {users} users on {channels} sub-channels are {pieces} pieces, which take "
            f"about {pieces * BYTES / 1e9:.3g} GB, above {MEMORY / 1e9:.3g} GB: use method "
            "'exact', which has the optimum on the grid"
        )
    return pieces


def prices(problem: Problem, node: Node) -> dict[str, Any]:
    """Return what one more of a resource is worth: derivatives of the bound, from its duals.

    The bound changes with a limit or a speed as the values of the pieces in use do, at the prices
    and points that prove them. A sub-channel is priced as a second one like it; where all are
    taken, and users are left, it lets one more user offload, which changes the server's share of
    all (`crowd`).
    """
    system = problem.system
    users, channels = problem.gain.shape
    later = replace(system, latency_max=system.latency_max * (1 + STEP))
    faster = replace(system, server_flop_per_cycle=system.server_flop_per_cycle * (1 + STEP))
    milliseconds = system.latency_max * 1e3 * STEP
    gigaflops = system.server_flop_per_cycle * system.server_frequency * 1e-9 * STEP
    y = node.multipliers
    seat = y.channel
    if node.span[1] == channels < users:
        crowd = node.effect(problem, STEP) / STEP
        seat = seat + max(0.0, y.most - y.fewest + crowd)
    deadline = node.effect(replace(problem, system=later)) / milliseconds
    speed = node.effect(replace(problem, system=faster)) / gigaflops
    return {
        "sub_channel": {"value": seat.tolist(), "unit": "QoE for a second one like it"},
        "latency_max": {"value": max(0.0, deadline), "unit": "QoE/ms"},
        "server_speed": {"value": max(0.0, speed), "unit": "QoE/(GFLOP/s)"},
    }
