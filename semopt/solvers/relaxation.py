"""An upper bound on the continuous problem: the whole slot relaxed to a linear program.

Every way to run a task is a piece with a weight w (see `pieces`). The program is

    max   sum of q_latency + q_energy + q_accuracy over all pieces
    s.t.  weights sum to 1 for each user, to at most 1 on each sub-channel, to m over offloaders

and, for each piece, in perspective form (all terms homogeneous in w and the variables)

    radio_energy   >= T (2^(D/(B T)) - 1) noise/gain,    R(p_min) T <= D <= R(p_max) T
    compute_energy >= kappa C (W/(o C))^3,               f_min o C <= W <= f_max o C
    D >= bits mu^compress_exponent,                      W >= extract_flop mu^-extract_exponent
    accuracy <= concave envelope of A(mu, SNR at p_max)
    q <= weight x concave envelope of the sigmoid between the values that box and limits leave

with D = bits, T = airtime, W = work, C = compute_time, mu = extraction. Curves are replaced by
tangents. Both energies are perspectives themselves: a tangent holds for one power, one frequency.

No figure of the solver is trusted. Any multipliers y >= 0 of these rows and any prices give

    bound = sum_n max_(pieces of n) [value(y) - price of its sub-channel - price of offloading]
            + sum of prices x capacities,

where value(y) is the Lagrangian's maximum over the piece's box; `Relaxed.lagrangian` computes it.
Branching tightens it: first the range of m is halved, then the pieces in use are cut where the
program's point lies, in the sigmoid or the variable whose relaxation is the loosest there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from time import perf_counter
from typing import Any

import numpy as np

from ..model import LIMITS, LOCAL, MODES, TOLERANCE
from ..problem import Floats, Integers, Problem
from ..result import Infeasibility, Result, Status
from .linear import FREE, Multipliers, Program, Relaxed, block
from .pieces import (
    EXTRACTION,
    FREQUENCY,
    LATENCY,
    POWER,
    QOE,
    Flags,
    Physics,
    Pieces,
    Terms,
    all_pieces,
    families,
    fold,
    latency_limit,
    propagate,
)

USED = 1e-3  # weight from which on a piece counts as used
LOOSE = 0.02  # part of the whole loss from which on a piece is cut
STEP = 1e-3  # relative, of the differences that prices are made of


@dataclass(frozen=True)
class Node:
    """A range of the number of offloaders, solved.

    Attributes
    ----------
    bound : proven on the objective with that many offloaders
    pieces : that cover it
    slots : (J,) which of them each piece of the program is: padding repeats some
    units, multipliers : what the solver returned
    """

    bound: float
    pieces: Pieces
    slots: Integers
    data: Relaxed
    units: list[Floats]
    multipliers: Multipliers

    def point(self) -> tuple[Floats, Terms]:
        """Return the weights (J,) of the program's solution, and its variables at weight 1."""
        weight = np.zeros(len(self.slots))
        point = {name: ends[1].copy() for name, ends in self.data.ends.items()}
        for part, unit in zip(self.data.blocks, self.units, strict=True):
            weight[part.index] = np.maximum(unit[0], 0.0)
            share = np.clip(unit / np.maximum(unit[0], 1e-9), 0.0, 1.0)
            for v, name in enumerate(FREE[part.mode], start=1):
                point[name][part.index] = part.start[v] + part.width[v] * share[v]
        return weight, point

    def losses(self) -> tuple[Floats, Integers, Floats]:
        """Compare the program's point with the model's value of the same action.

        Returns
        -------
        loss : what each of `pieces` adds to the bound by its relaxation alone
        row, at : the row of its box to cut, and the value to cut it at
        """
        pieces, physics = self.data.pieces, self.data.physics
        weight, point = self.point()

        def ratio(a: Floats, b: Floats) -> Floats:
            return a / np.where(b > 0.0, b, 1.0)

        symbols = ratio(point["bits"], point["airtime"]) / physics.system.bandwidth
        power = np.expm1(np.minimum(symbols * np.log(2.0), 700.0)) * physics.system.noise
        frequency = ratio(point["work"], point["compute_time"]) / physics.flop_per_cycle
        action = np.stack([power / physics.gain, frequency, point["extraction"]])
        action = np.clip(action, *pieces.box[:, :LATENCY])
        true = physics.ranges(np.stack([action, action]))[1][0]
        seen = np.stack(
            [
                point["airtime"] + point["compute_time"] + physics.server_time[0],
                point["radio_energy"] + point["compute_energy"] + physics.server_energy[0],
                point["accuracy"],
            ]
        )
        # Loss in the sigmoids, and in the curves below them; these are laid to the variable
        # whose range is the wider.
        loss = np.zeros_like(pieces.box[0])
        loss[LATENCY:] = np.stack([point[name] for name in QOE]) - physics.qoe(seen)
        rate, bits = physics.rate(pieces.box[:, POWER]), self.data.ends["bits"]
        shape = np.where(bits[0] * rate[1] < bits[1] * rate[0], EXTRACTION, POWER)
        shape = np.where(pieces.mode == LOCAL, FREQUENCY, shape)
        column = np.arange(len(shape))
        loss[shape, column] = (physics.qoe(seen) - physics.qoe(true)).sum(axis=0)
        low, high = pieces.box
        margin = 0.1 * (high - low)
        loss = np.where(margin > 1e-6 * np.abs(high), np.maximum(loss, 0.0), 0.0)
        row: Integers = loss.argmax(axis=0).astype(np.int64)
        at: Floats = np.clip(np.concatenate([action, true]), low + margin, high - margin)
        share = self.multipliers.user[pieces.user] * weight * (weight > USED)
        first = np.unique(self.slots, return_index=True)[1]
        whole = np.zeros(len(first))
        np.add.at(whole, self.slots, share * loss.sum(axis=0))
        return whole, row[first], at[row, column][first]

    def unmix(self, enough: float, objective: str) -> list[Pieces]:
        """Settle on which sub-channel a user is, or is not, if mixing them is what the bound is of.

        The weights of an optimal point are 0 or 1 if the objective is "sum" and only users and
        sub-channels couple the pieces; nothing is done where each user's main share gives `enough`.
        """
        data, (weight, point) = self.data, self.point()
        cell = data.pieces.user, data.pieces.channel
        share, value = np.zeros((2, len(data.penalty), data.pieces.channel.max() + 2))
        np.add.at(share, cell, weight)
        np.add.at(value, cell, weight * sum(point[name] for name in QOE))
        main = share.argmax(axis=1)
        main = np.where(main == share.shape[1] - 1, -1, main)
        users = np.arange(len(main))
        own = value[users, main] / np.maximum(share[users, main], 1e-9)
        seats = main[main >= 0]
        total = own.min() if objective == "min" else own.sum()
        user = int(share[users, main].argmin())
        if share[user, main[user]] > 1 - USED or (
            total >= enough and len(set(seats)) == len(seats)
        ):
            return []
        mine, there = self.pieces.user == user, self.pieces.channel == main[user]
        return [self.pieces.take(~mine | there), self.pieces.take(~mine | ~there)]

    def effect(self, problem: Problem, changed: Problem, crowd: float = 0.0) -> float:
        """Return by how much the bound moves, to first order, with the problem.

        Parameters
        ----------
        changed : differs from `problem` in limits or speeds, and a little only
        crowd : by how much the number of offloaders grows beside
        """
        data, y = self.data, self.multipliers
        used = np.flatnonzero(self.point()[0] > 1e-6)

        def activities(side: Problem, more: float) -> tuple[list[Floats], Floats]:
            span = data.fewest + more, data.most + more
            some = data.pieces.take(used)
            # What followed from the limits follows anew.
            ends = some.origin[1, LATENCY]
            ends[ends == latency_limit(problem)] = latency_limit(side)
            left = propagate(side, replace(some, box=some.origin.copy()), *span)
            some = left if len(left.user) == len(used) else some
            physics = Physics(side, some, *span)
            rows, ends_of = families(physics, some.box)
            found = []
            for part, unit in zip(data.blocks, self.units, strict=True):
                mine = np.flatnonzero(some.mode == part.mode)
                at = np.searchsorted(part.index, used[mine])
                x = part.start[:, at] * unit[0, at] + part.width[:, at] * unit[:, at]
                x[0] = unit[0, at]
                table = fold(rows, ends_of, FREE[part.mode], mine)[0]
                found.append(np.einsum("rvj,vj->rj", table, x))
            return found, physics.server_energy[0] / problem.system.server_energy_max

        before, after = activities(problem, 0.0), activities(changed, crowd)
        total = -y.server * float(self.point()[0][used] @ (after[1] - before[1]))
        for part, dual, a, b in zip(data.blocks, y.rows, before[0], after[0], strict=True):
            at = np.flatnonzero(np.isin(part.index, used))
            total -= float((dual[:, at] / part.norm[:, at] * (b - a)).sum())
        return float(total)


class Relaxation:
    """Bounds on the slots of one shape of scenario: programs compile once and are kept.

    One call at a time: a program's parameters are its own.

    Parameters
    ----------
    users, channels : N, K
    objective : "sum" or "min"
    """

    def __init__(self, users: int, channels: int, objective: str = "sum") -> None:
        self.shape = users, channels, objective
        self.programs: dict[tuple[tuple[int, ...], ...], Program] = {}

    def relax(
        self, problem: Problem, pieces: Pieces, span: tuple[int, int], must: Flags, seconds: float
    ) -> Node | None:
        """Solve the program of a range of m; None where a user that must be served cannot be."""
        if span[1] == 0:
            pieces = pieces.take(pieces.mode == LOCAL)
        pieces = propagate(problem, pieces, *span)
        if np.setdiff1d(np.flatnonzero(must), pieces.user).size:
            return None
        # Shapes are rounded up, by repeating pieces, so that few programs are compiled.
        modes = [np.flatnonzero(pieces.mode == mode) for mode in range(len(MODES))]
        padding = [np.repeat(i[:1], -len(i) % (2 * self.shape[0])) for i in modes]
        slots = np.concatenate([np.append(*both) for both in zip(modes, padding, strict=True)])
        padded = pieces.take(slots)
        physics = Physics(problem, padded, *span)
        rows, ends = families(physics, padded.box)
        index = [np.flatnonzero(padded.mode == mode) for mode in range(len(MODES))]
        blocks = [block(rows, ends, m, i) for m, i in enumerate(index) if len(i)]
        server = physics.server_energy[0] / (problem.system.server_energy_max * (1 + TOLERANCE))
        penalty = np.where(must, 2.0 * len(must), 0.0)  # more than others can gain by it
        data = Relaxed(padded, physics, ends, blocks, server, *span, penalty)
        size = tuple((part.mode, *part.rows.shape) for part in blocks)
        if size not in self.programs:
            self.programs[size] = Program(data, *self.shape)
        units, multipliers = self.programs[size].solve(data, seconds)
        return Node(data.lagrangian(multipliers), pieces, slots, data, units, multipliers)

    def search(
        self,
        problem: Problem,
        must: Flags,
        gap: float,
        programs: int,
        seconds: float,
        progress: Callable[[float], None] = lambda share: None,
    ) -> tuple[float, Node | None, int, bool]:
        """Branch until the relaxation is tight, or proves that `must` cannot all be served.

        Returns
        -------
        bound : -inf if infeasible
        node : the one with that bound
        solved : number of programs
        in_time : False if the time was up
        """
        start, solved = perf_counter(), 0
        users, channels, objective = self.shape
        # No QoE is above 1: its weights sum to 1.
        bound, node = 1.0 if objective == "min" else float(users), None
        heap: list[tuple[float, int, Node]] = []
        todo = [(all_pieces(problem), (0, min(users, channels)))]
        while True:
            try:
                for pieces, span in todo:
                    left = seconds - (perf_counter() - start)
                    part, solved = self.relax(problem, pieces, span, must, left), solved + 1
                    progress(min(solved / programs, 1.0))
                    if part and not part.bound < 0.0:  # no QoE is
                        heapq.heappush(heap, (-float(np.fmin(bound, part.bound)), solved, part))
            except KeyboardInterrupt:
                return bound, node, solved, False
            if not heap:
                return -inf, None, solved, True
            bound, node = -heap[0][0], heap[0][2]
            in_time = perf_counter() - start < seconds
            if not in_time or solved >= programs:
                return bound, node, solved, in_time
            fewest, most = node.data.fewest, node.data.most
            loss, row, at = node.losses()
            cut = np.flatnonzero(loss > LOOSE * loss.sum())
            loose = loss.sum() > gap and cut.size > 0
            parts = [node.pieces.cut(cut, row[cut], at[cut])] if loose else [node.pieces]
            if fewest < most:
                middle = (fewest + most) // 2
                todo = [(parts[0], (fewest, middle)), (parts[0], (middle + 1, most))]
            else:
                if not loose:
                    parts = node.unmix(bound - gap, objective) if gap < inf else []
                if not parts:
                    return bound, node, solved, in_time
                todo = [(part, (fewest, most)) for part in parts]
            heapq.heappop(heap)

    def solve(
        self,
        problem: Problem,
        gap: float | None = None,
        programs: int = 64,
        time_limit: float = inf,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Result:
        """Return a bound on the continuous problem, or the proof that no decision is feasible.

        Parameters
        ----------
        problem : a slot of this shape
        gap : QoE, what the relaxation may add at its own point; 0.002 a user unless given
        programs : how many linear programs may be solved
        time_limit : s
        progress : called with the share of `programs` that are solved; it may end before all are

        Returns
        -------
        Result with status BOUND_ONLY, LIMIT_REACHED (the bound holds all the same) or INFEASIBLE.
        Its details hold the number of `programs`, the range of `offloaders` that has the bound, the
        `loss` that `gap` is compared with, and `prices`.
        """
        users, channels = problem.gain.shape
        if (users, channels, problem.objective) != self.shape:
            raise ValueError(
                f"problem with {users} users, {channels} sub-channels, objective "
                f"{problem.objective!r}: this relaxation is for {self.shape}"
            )
        if gap is not None and not 0 <= gap < inf:
            raise ValueError(f"gap = {gap}: must be a number of at least 0")
        if not time_limit > 0:
            raise ValueError(f"time_limit = {time_limit}: must be above 0")
        start = perf_counter()
        every = np.ones(users, dtype=bool)
        gap = 0.002 * (users if problem.objective == "sum" else 1) if gap is None else gap
        with np.errstate(all="ignore"):  # a bound that is not finite proves nothing
            bound, node, solved, in_time = self.search(
                problem, every, gap, programs, time_limit, progress
            )
            result = Result(problem, "relaxation", "cpu", Status.INFEASIBLE)
            if bound == -inf:
                left = time_limit - (perf_counter() - start)
                reason = self.explain(problem, programs, left)
                return replace(result, infeasibility=reason, details={"programs": solved})
            details: dict[str, Any] = {"programs": solved}
            if node and node.bound <= users:  # else the bound is not the program's
                details["offloaders"] = [node.data.fewest, node.data.most]
                details["loss"] = float(node.losses()[0].sum())
                details["prices"] = self.prices(problem, node)
        status = Status.BOUND_ONLY if in_time else Status.LIMIT_REACHED
        return replace(
            result, status=status, upper_bound=bound, continuous_bound=bound, details=details
        )

    def explain(self, problem: Problem, programs: int, seconds: float) -> Infeasibility:
        """Name the users whose own pieces all fail, else a set that cannot be served together."""
        pieces, users = all_pieces(problem), range(len(problem.task))
        span = 1, min(problem.gain.shape)
        seen = Physics(problem, pieces, *span).ranges(pieces.box)[1]
        low, high = pieces.box[:, LATENCY:]
        always, ever = ((seen[e] > high) | (seen[1 - e] < low) for e in (0, 1))
        alive = set(propagate(problem, pieces, *span).user)
        broken: dict[int, dict[str, tuple[str, ...]]] = {}
        for n in set(users) - alive:
            broken[n] = {}
            for mode, name in enumerate(MODES):
                own = (pieces.user == n) & (pieces.mode == mode)
                # Limits that cannot be met at all, else those that cannot be met together.
                flags = always[:, own].all(axis=1)
                flags = flags if flags.any() else ever[:, own].any(axis=1)
                if own.any():
                    broken[n][name] = tuple(
                        w for w, f in zip(LIMITS.values(), flags, strict=True) if f
                    )
        if broken:
            return Infeasibility(users=broken)
        must, start = np.ones(len(users), dtype=bool), perf_counter()
        for n in users:  # leave out whom the proof does not need
            must[n] = False
            left = seconds - (perf_counter() - start)
            must[n] = self.search(problem, must, inf, programs, left)[0] > -inf
        return Infeasibility(joint=tuple(int(n) for n in np.flatnonzero(must)))

    def prices(self, problem: Problem, node: Node) -> dict[str, Any]:
        """Return what one more of a resource is worth: derivatives of the bound, from its duals.

        Rows a(theta) x <= 0 with multipliers y make it change by -y da/dtheta x. A sub-channel is
        priced as a second one like it; where all are taken, and users are left, it lets one more
        user offload, which changes the server's share of all (`crowd`).
        """
        system = problem.system
        later = replace(system, latency_max=system.latency_max * (1 + STEP))
        faster = replace(system, server_flop_per_cycle=system.server_flop_per_cycle * (1 + STEP))
        milliseconds = system.latency_max * 1e3 * STEP
        gigaflops = system.server_flop_per_cycle * system.server_frequency * 1e-9 * STEP
        y = node.multipliers
        seat = y.channel
        if node.data.most == self.shape[1] < self.shape[0]:
            crowd = node.effect(problem, problem, STEP) / STEP
            seat = seat + max(0.0, y.most - y.fewest + crowd)
        deadline = node.effect(problem, replace(problem, system=later)) / milliseconds
        speed = node.effect(problem, replace(problem, system=faster)) / gigaflops
        return {
            "sub_channel": {"value": seat.tolist(), "unit": "QoE for a second one like it"},
            "latency_max": {"value": max(0.0, deadline), "unit": "QoE/ms"},
            "server_speed": {"value": max(0.0, speed), "unit": "QoE/(GFLOP/s)"},
        }


@lru_cache(maxsize=8)
def warm(users: int, channels: int, objective: str) -> Relaxation:
    """Return the relaxation of a shape, with the programs that earlier calls compiled."""
    return Relaxation(users, channels, objective)


def solve(
    problem: Problem,
    *,
    gap: float | None = None,
    programs: int = 64,
    time_limit: float = inf,
    progress: Callable[[float], None] = lambda share: None,
) -> Result:
    """Bound the continuous problem from above; see `Relaxation.solve`."""
    relaxation = warm(*problem.gain.shape, problem.objective)
    return relaxation.solve(problem, gap, programs, time_limit, progress)
