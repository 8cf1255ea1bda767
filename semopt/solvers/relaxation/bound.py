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
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np

from ...model import LIMITS, LOCAL, MODES
from ...problem import Problem
from ...result import Infeasibility, Result, Status
from .node import Node
from .pieces import LATENCY, Flags, Physics, Pieces, all_pieces, propagate
from .weights import free

LOOSE = 0.1  # part of the largest loss from which on a piece is cut
STEP = 1e-3  # relative, of the differences that prices are made of

Progress = Callable[[float], None]


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
        # No QoE is above 1: its weights sum to 1.
        self.bound = 1.0 if problem.objective == "min" else float(len(problem.task))
        self.node: Node | None = None

    def left(self) -> float:
        """Return the seconds left."""
        return self.deadline - perf_counter()

    def late(self) -> bool:
        """Return whether the time is up, and note it."""
        self.stopped = "" if self.left() > 0.0 else "time limit"
        return bool(self.stopped)

    def relax(self, pieces: Pieces, span: tuple[int, int], must: Flags) -> Node | None:
        """Solve a range of m; None where a user that must be served cannot be."""
        if span[1] == 0:
            pieces = pieces.take(pieces.mode == LOCAL)
        pieces = propagate(self.problem, pieces, *span)
        if np.setdiff1d(np.flatnonzero(must), pieces.user).size:
            return None
        penalty = np.where(must, 2.0 * len(must), 0.0)  # more than others can gain by it
        y = self.node.multipliers if self.node else free(self.problem)
        node = Node.of(self.problem, pieces, span, penalty, self.bound, y)
        node.solve(self.left)
        return node

    def run(self, must: Flags, gap: float) -> None:
        """Branch until the relaxation is tight, or proves that `must` cannot all be served.

        Afterwards `bound` is -inf if they cannot, `node` is the one with that bound, and `stopped`
        says so if it was cut short.
        """
        heap: list[tuple[float, int, Node]] = []
        todo = [(all_pieces(self.problem), (0, min(self.problem.gain.shape)))]
        try:
            while todo:
                for pieces, span in todo:
                    if self.late():
                        return
                    node = self.relax(pieces, span, must)
                    self.solved += 1
                    self.progress(min(self.solved / self.programs, 1.0))
                    if node and not node.bound < 0.0:  # no QoE is
                        heapq.heappush(heap, (-node.bound, self.solved, node))
                if not heap:
                    self.bound, self.node = -inf, None
                    return
                self.node = heapq.heappop(heap)[2]
                self.bound = self.node.bound
                if self.late() or self.solved >= self.programs:
                    return
                todo = self.branch(self.node, gap)
        except KeyboardInterrupt:
            self.stopped = "interrupted"

    def branch(self, node: Node, gap: float) -> list[tuple[Pieces, tuple[int, int]]]:
        """Return what a node is divided into; nothing where it is tight."""
        fewest, most = node.span
        loss, row, at = node.losses()
        cut = np.flatnonzero(loss > LOOSE * loss.max(initial=0.0))
        loose = loss.sum() > gap and cut.size > 0
        parts = [node.pieces.cut(cut, row[cut], at[cut])] if loose else [node.pieces]
        if fewest < most:
            middle = (fewest + most) // 2
            return [(parts[0], (fewest, middle)), (parts[0], (middle + 1, most))]
        if not loose:
            parts = node.unmix(self.bound - gap) if gap < inf else []
        return [(part, node.span) for part in parts]


def solve(
    problem: Problem,
    *,
    gap: float | None = None,
    programs: int = 64,
    time_limit: float = inf,
    progress: Progress = lambda share: None,
) -> Result:
    """Bound the continuous problem from above, or prove that no decision is feasible.

    Parameters
    ----------
    problem : a slot
    gap : QoE, what the relaxation may add at its own point; 0.002 a user unless given
    programs : how many programs over weights may be solved
    time_limit : s
    progress : called with the share of `programs` that are solved; it may end before all are

    Returns
    -------
    Result with status BOUND_ONLY, LIMIT_REACHED (the bound holds all the same) or INFEASIBLE.
    Its details hold the number of `programs`, the range of `offloaders` that has the bound, the
    `loss` that `gap` is compared with, `prices`, and why it `stopped` early.

    Raises
    ------
    ValueError
        For a `gap` below 0, a `time_limit` that is not above 0, less than one program.
    """
    if gap is not None and not 0 <= gap < inf:
        raise ValueError(f"gap = {gap}: must be a number of at least 0")
    if not time_limit > 0:
        raise ValueError(f"time_limit = {time_limit}: must be above 0")
    if not programs >= 1:
        raise ValueError(f"programs = {programs}: must be at least 1")
    users = len(problem.task)
    gap = 0.002 * (users if problem.objective == "sum" else 1) if gap is None else gap
    search = Search(problem, programs, perf_counter() + time_limit, progress)
    result = Result(problem, "relaxation", "cpu", Status.INFEASIBLE)
    with np.errstate(all="ignore"):  # what is not finite proves nothing
        search.run(np.ones(users, dtype=bool), gap)
        details: dict[str, Any] = {"programs": search.solved}
        if search.bound == -inf:
            reason = explain(problem, programs, search.deadline)
            return replace(result, infeasibility=reason, details=details)
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


def explain(problem: Problem, programs: int, deadline: float) -> Infeasibility:
    """Name the users whose own pieces all fail, else a set that cannot be served together."""
    pieces, users = all_pieces(problem), range(len(problem.task))
    span = 1, min(problem.gain.shape)
    seen = Physics(problem, pieces, *span).ranges(pieces.box)[1]
    low, high = pieces.box[:, LATENCY:]
    always, ever = ((seen[e] > high) | (seen[1 - e] < low) for e in (0, 1))
    alive = set(propagate(problem, pieces, *span).user)
    broken: dict[int, dict[str, tuple[str, ...]]] = {}
    for n in sorted(set(users) - alive):
        broken[n] = {}
        for mode, name in enumerate(MODES):
            own = (pieces.user == n) & (pieces.mode == mode)
            # Limits that cannot be met at all, else those that cannot be met together.
            flags = always[:, own].all(axis=1)
            flags = flags if flags.any() else ever[:, own].any(axis=1)
            if own.any():
                broken[n][name] = tuple(w for w, f in zip(LIMITS.values(), flags, strict=True) if f)
    if broken:
        return Infeasibility(users=broken)

    def served(problem: Problem, must: Flags) -> bool:
        search = Search(problem, programs, deadline, lambda share: None)
        search.run(must, inf)
        return search.bound > -inf

    must = np.ones(len(users), dtype=bool)
    if isfinite(problem.system.server_energy_max):
        free = replace(problem, system=replace(problem.system, server_energy_max=inf))
        if served(free, must):
            return Infeasibility(joint=tuple(users), limit="server_energy_max")
    for n in users:  # leave out whom the proof does not need
        must[n] = False
        must[n] = served(problem, must)
    return Infeasibility(joint=tuple(int(n) for n in np.flatnonzero(must)))


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
