"""Boxes of actions: interval bounds, and what the limits leave of them.

A piece is one way to run a task, local, or raw or semantic on a sub-channel, within a box of power,
frequency and extraction. All terms of the model are monotone in these three, so both ends of every
term over a box are values of `model.py` at its corners.

Whatever compares or subtracts two figures allows for `ROUNDING` of each of them, not of their
difference: bounds then hold in floating point, and alike in any units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from ... import model
from ...arrays import Flags, Floats, Integers
from ...figures import LIMITS
from ...limits import PRICED, bound
from ...model import LOCAL, RAW, SEMANTIC, SLACK
from ...problem import AccuracyTable, Problem
from ...records import Record

# Rows of a box: a piece's own variables, then what limits and sigmoids see.
POWER, FREQUENCY, EXTRACTION, LATENCY, ENERGY, ACCURACY = range(6)
ROWS = {"latency": LATENCY, "energy": ENERGY, "accuracy": ACCURACY}  # of figures of an outcome
ROUNDING = 1e-12  # relative; more than the error of any formula here
WORTHWHILE = 1 / 32  # smallest part of a box that propagation cuts off


@dataclass(frozen=True)
class Pieces(Record):
    """J pieces, ordered by mode.

    Attributes
    ----------
    user, channel, mode : (J,) int64; the sub-channel is -1 for local
    box : (2, 6, J) float64, SI, lower and upper ends
    origin : (2, 6, J) float64, the box as it was cut, before anything followed from the limits
    price : (3, J) float64, multipliers of latency (QoE/s), energy (QoE/J), accuracy (QoE)
    point : (3, J) float64, SI, where the piece's convex problem is linearised
    """

    user: Integers
    channel: Integers
    mode: Integers
    box: Floats
    origin: Floats
    price: Floats
    point: Floats

    def take(self, index: Integers | Flags) -> Pieces:
        """Return some of the pieces, copied."""
        return Pieces(*(field[..., index] for field in vars(self).values()))

    def cut(self, index: Integers, row: Integers, place: Floats) -> Pieces:
        """Return the pieces with `index` cut in two, each at `place` in its `row` of the box."""
        parts = self.take(np.concatenate([np.arange(len(self.user)), index]))
        upper = len(self.user) + np.arange(len(index))
        for box in (parts.box, parts.origin):
            box[1, row, index] = place
            box[0, row, upper] = place
        return parts.take(np.argsort(parts.mode, kind="stable"))


def all_pieces(problem: Problem) -> Pieces:
    """Return every user's local piece, and its raw and semantic one on each sub-channel.

    Limits carry the tolerance of a checker: whatever passes there lies within the pieces.
    """
    users, tasks = problem.users, problem.tasks
    count, channels = problem.gain.shape
    n, k = np.indices((count, channels)).reshape(2, -1)
    top = tasks.extraction_max[problem.task[n]]
    able = (users.extraction_min[n] < 1.0) & (users.extraction_min[n] <= top)
    user = np.concatenate([np.arange(count), n, n[able]])
    channel = np.concatenate([np.full(count, -1), k, k[able]])
    mode = np.repeat((LOCAL, RAW, SEMANTIC), [count, n.size, able.sum()])
    kind, nothing, one = problem.task[user], np.zeros(len(user)), np.ones(len(user))
    local, semantic = mode == LOCAL, mode == SEMANTIC
    low = [
        np.where(local, one, users.power_min[user]),
        users.frequency_min[user],
        np.where(semantic, users.extraction_min[user], one),
        *(nothing, nothing, nothing),
    ]
    high = [
        np.where(local, one, users.power_max[user]),
        np.where(mode == RAW, users.frequency_min[user], users.frequency_max[user]),
        np.where(semantic, tasks.extraction_max[kind], one),
        *(inf * one, inf * one, 2.0 * one),
    ]
    box = np.array([low, high])
    for limit in LIMITS:
        if limit.name in PRICED:
            allowed = np.broadcast_to(bound(problem, limit), count)[user]
            if limit.worse > 0:
                box[1, ROWS[limit.figure]] = allowed * SLACK
            else:
                box[0, ROWS[limit.figure]] = allowed / SLACK
    return Pieces(user, channel, mode, box, box.copy(), np.zeros((3, len(user))), box[1, :3].copy())


def latency_limit(problem: Problem) -> float:
    """Return the latency (s) up to which a checker passes."""
    return problem.system.latency_max * SLACK


class Physics:
    """The model on J pieces while between `fewest` and `most` users offload."""

    def __init__(self, problem: Problem, pieces: Pieces, fewest: float, most: float) -> None:
        n, kind = pieces.user, problem.task[pieces.user]
        users, tasks, self.system = problem.users, problem.tasks, problem.system
        offload, self.semantic = pieces.mode != LOCAL, pieces.mode == SEMANTIC
        # At an extraction of 1 semantic mode has the table's last row, raw mode a row of its own.
        self.tables = [
            (index, mode_table)
            for i, table in enumerate(tasks.accuracy)
            for mode, mode_table in ((RAW, table), (SEMANTIC, replace(table, raw=table.table[-1])))
            if (index := np.flatnonzero((pieces.mode == mode) & (kind == i))).size
        ]
        gain = np.concatenate([problem.gain, np.ones((len(problem.gain), 1))], axis=1)
        self.gain = gain[n, pieces.channel]

        def by_mode(local: Floats | float, raw: Floats | float, semantic: Floats) -> Floats:
            return np.where(self.semantic, semantic, np.where(offload, raw, local))

        self.bits = by_mode(0.0, tasks.bits[kind], tasks.semantic_bits[kind])
        self.work = by_mode(tasks.local_flop[kind], 0.0, tasks.extract_flop[kind])
        self.flop_per_cycle = users.flop_per_cycle[n]
        self.coefficient = users.energy_coefficient[n]

        flop = by_mode(0.0, tasks.server_raw_flop[kind], tasks.server_flop[kind])
        m = np.maximum([[fewest], [most]], 1.0)
        self.server_time = model.server_time(flop, m, self.system)  # (2, J), rises in m
        self.server_energy = model.server_energy(self.server_time, m, self.system)[::-1]  # falls

        t0 = model.execution_time(
            tasks.local_flop[kind], self.flop_per_cycle, users.reference_frequency[n]
        )
        e0 = model.execution_energy(self.coefficient, t0, users.reference_frequency[n])
        slopes = (-self.system.slope_latency, -self.system.slope_energy, self.system.slope_accuracy)
        # QoE (11) is the sum over latency, energy, accuracy of weight S(slope (value - reference)).
        self.slope = np.array(slopes)[:, None]
        self.reference = np.stack([t0, e0, tasks.local_accuracy[kind]])
        self.weight = np.stack(
            [users.weight_latency[n], users.weight_energy[n], users.weight_accuracy[n]]
        )

    def snr(self, power: Floats) -> Floats:
        """Return the signal-to-noise ratio at powers (..., J)."""
        return model.snr(self.gain, power, self.system.noise)

    def accuracy(self, extraction: Floats, power: Floats, side: int = 0) -> Floats:
        """Return the accuracy of the tasks (..., J); see `table_accuracy` for `side`."""
        extraction, power, accuracy = np.broadcast_arrays(extraction, power, self.reference[2])
        accuracy = accuracy.copy()
        for index, table in self.tables:
            parts = extraction[..., index], power[..., index]
            accuracy[..., index] = self.table_accuracy(index, table, *parts, side)
        return accuracy

    def table_accuracy(
        self, index: Integers, table: AccuracyTable, extraction: Floats, power: Floats, side: int
    ) -> Floats:
        """Return the accuracy of pieces with that table (..., P).

        On a `side` of 1 or -1 it is no lower or higher however it and the SNR are computed: a table
        may be as steep as it likes.
        """
        link = model.decibel(model.snr(self.gain[index], power, self.system.noise))
        link, margin = link + side * ROUNDING * (10.0 + np.abs(link)), 1.0 + side * ROUNDING
        x = np.where(self.semantic[index], extraction * margin, 1.0)
        return np.asarray(margin * model.accuracy(table, *np.broadcast_arrays(x, link)))

    def terms(self, power: Floats, frequency: Floats, extraction: Floats) -> Floats:
        """Return airtime, compute time (s), radio and compute energy (J) at actions: (4, ..., J).

        Rows: airtime, radio energy, compute time, compute energy.
        """
        bits = model.sent_bits(self.bits, extraction, self.system.compress_exponent)
        rate = model.rate(self.system.bandwidth, self.snr(power))
        airtime = model.transmission_time(bits, rate)
        work = model.extraction_flop(self.work, extraction, self.system.extract_exponent)
        time = model.execution_time(work, self.flop_per_cycle, frequency)
        energy = model.execution_energy(self.coefficient, time, frequency)
        return np.stack([airtime, model.transmission_energy(power, airtime), time, energy])

    def ranges(self, box: Floats) -> tuple[Floats, Floats]:
        """Bound everything over boxes (2, 3 or more, J).

        Returns
        -------
        terms : (2, 4, J), ends of what `terms` returns
        figures : (2, 3, J), ends of latency, energy and accuracy
        """
        power, frequency, extraction = box[:, POWER], box[:, FREQUENCY], box[:, EXTRACTION]
        airtime = self.terms(power[::-1], frequency, extraction)[0]
        radio = self.terms(power, frequency, extraction)[1]
        time = self.terms(power, frequency[::-1], extraction[::-1])[2]
        energy = self.terms(power, frequency, extraction[::-1])[3]
        accuracy = [self.accuracy(extraction[e], power[e], side) for e, side in ((0, -1), (1, 1))]
        latency = airtime + time + self.server_time
        figures = np.stack([latency, radio + energy + self.server_energy, accuracy], axis=1)
        return np.stack([airtime, radio, time, energy], axis=1), figures

    def qoe(self, figures: Floats) -> Floats:
        """Return the terms of the QoE (3, J) at latency, energy and accuracy (3, J)."""
        return self.weight * model.sigmoid(self.slope * (figures - self.reference))


def propagate(problem: Problem, pieces: Pieces, fewest: float, most: float) -> Pieces:
    """Return what the limits leave of the pieces; those that cannot meet them are left out.

    An end of a box can go where the slab beside it misses the limits throughout.
    """

    def infeasible(part: Pieces) -> Flags:
        figures = Physics(problem, part, fewest, most).ranges(part.box)[1]
        above = figures[0] > part.box[1, LATENCY:] * (1.0 + ROUNDING)
        below = figures[1] < part.box[0, LATENCY:] * (1.0 - ROUNDING)
        return np.asarray((above | below).any(axis=0))

    pieces = pieces.take(~infeasible(pieces))
    for row in (POWER, FREQUENCY, EXTRACTION):
        for near, far in ((0, 1), (1, 0)):
            index = np.flatnonzero(pieces.box[0, row] < pieces.box[1, row])
            slab = pieces.take(index)
            excluded, kept = slab.box[near, row].copy(), slab.box[far, row].copy()
            slab.box[far, row] = excluded * (kept / excluded) ** WORTHWHILE
            empty = infeasible(slab)  # of few boxes: only these are bisected
            index, slab = index[empty], slab.take(empty)
            excluded, kept = excluded[empty], kept[empty]
            for _ in range(20 if index.size else 0):
                middle = np.sqrt(excluded) * np.sqrt(kept)
                slab.box[far, row] = np.clip(middle, *np.sort([excluded, kept], axis=0))
                empty = infeasible(slab)
                excluded = np.where(empty, slab.box[far, row], excluded)
                kept = np.where(empty, kept, slab.box[far, row])
            pieces.box[near, row, index] = excluded
    figures = Physics(problem, pieces, fewest, most).ranges(pieces.box)[1]
    low, high = pieces.box[:, LATENCY:]
    low[:] = np.fmax(low, figures[0])
    high[:] = np.maximum(np.fmin(high, figures[1]), low)
    return pieces
