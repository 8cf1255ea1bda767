"""Boxes of actions: interval bounds, what the limits leave of them, and linear relaxations.

A piece is one way to run a task, local, or raw or semantic on a sub-channel, within a box of power,
frequency and extraction. All terms of the model are monotone in these three, so both ends of every
term over a box are values of `model.py` at its corners. A relaxation of a piece is a set of linear
rows that every point of it meets; `relaxation` builds its program from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import model
from ..model import LOCAL, RAW, SEMANTIC, TOLERANCE
from ..problem import Floats, Integers, Problem

# Rows of a box: a piece's own variables, then what limits and sigmoids see.
POWER, FREQUENCY, EXTRACTION, LATENCY, ENERGY, ACCURACY = range(6)
QOE = ("q_latency", "q_energy", "q_accuracy")
TANGENTS = 8  # of a curve; twice as many of the steep radio energy
ROUNDING = 1e-12  # relative; more than the error of any formula here
WORTHWHILE = 1 / 32  # smallest part of a box that propagation cuts off

Terms = dict[str, Floats]  # linear forms: name of a variable, or "weight" -> coefficients (rows, J)
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Pieces:
    """J pieces, ordered by mode.

    Attributes
    ----------
    user, channel, mode : (J,) int64; the sub-channel is -1 for local
    box : (2, 6, J) float64, SI, lower and upper ends
    origin : (2, 6, J) float64, the box as it was cut, before anything followed from the limits
    """

    user: Integers
    channel: Integers
    mode: Integers
    box: Floats
    origin: Floats

    def take(self, index: Integers | Flags) -> Pieces:
        """Return some of the pieces, copied."""
        own = (self.user[index], self.channel[index], self.mode[index])
        return Pieces(*own, self.box[..., index], self.origin[..., index])

    def cut(self, index: Integers, row: Integers, at: Floats) -> Pieces:
        """Return the pieces with `index` cut in two, each at `at` in its `row` of the box."""
        parts = self.take(np.concatenate([np.arange(len(self.user)), index]))
        upper = len(self.user) + np.arange(len(index))
        for box in (parts.box, parts.origin):
            box[1, row, index] = at
            box[0, row, upper] = at
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
        *(nothing, nothing, tasks.accuracy_min[kind] / (1.0 + TOLERANCE)),
    ]
    high = [
        np.where(local, one, users.power_max[user]),
        np.where(mode == RAW, users.frequency_min[user], users.frequency_max[user]),
        np.where(semantic, tasks.extraction_max[kind], one),
        one * latency_limit(problem),
        *(users.energy_max[user] * (1.0 + TOLERANCE), 2.0 * one),
    ]
    box = np.array([low, high])
    return Pieces(user, channel, mode, box, box.copy())


def latency_limit(problem: Problem) -> float:
    """Return the latency (s) up to which a checker passes."""
    return problem.system.latency_max * (1.0 + TOLERANCE)


class Physics:
    """The model on J pieces while between `fewest` and `most` users offload."""

    def __init__(self, problem: Problem, pieces: Pieces, fewest: float, most: float) -> None:
        n, kind = pieces.user, problem.task[pieces.user]
        users, tasks, self.system = problem.users, problem.tasks, problem.system
        offload, self.semantic = pieces.mode != LOCAL, pieces.mode == SEMANTIC
        self.tables = [(offload & (kind == i), t) for i, t in enumerate(tasks.accuracy)]
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

    def rate(self, power: Floats) -> Floats:
        """Return bits a second at powers (..., J)."""
        return model.rate(self.system.bandwidth, model.snr(self.gain, power, self.system.noise))

    def accuracy(self, extraction: Floats, power: Floats) -> Floats:
        """Return the accuracy of the tasks (..., J)."""
        link = model.decibel(model.snr(self.gain, power, self.system.noise))
        extraction = np.where(self.semantic, extraction, 1.0)
        extraction, link, found = np.broadcast_arrays(extraction, link, self.reference[2])
        found = found.copy()
        for own, table in self.tables:
            found[..., own] = model.accuracy(table, extraction[..., own], link[..., own])
        return found

    def bends(self, low: Floats, high: Floats) -> Floats:
        """Return the extractions in [low, high] between which accuracy is linear: (any, J)."""
        knots = np.ones((max(len(table.extraction) for _, table in self.tables), len(low)))
        for own, table in self.tables:
            knots[: len(table.extraction), own] = table.extraction[:, None]
        return np.concatenate([low[None], np.clip(knots, low, high), high[None]])

    def ranges(self, box: Floats) -> tuple[Terms, Floats]:
        """Bound everything over boxes (2, 3 or more, J).

        Returns
        -------
        variables : name -> (2, J), ends of each variable of the relaxation
        seen : (2, 3, J), ends of latency, energy and accuracy
        """
        power, frequency, extraction = box[:, POWER], box[:, FREQUENCY], box[:, EXTRACTION]
        bits = model.sent_bits(self.bits, extraction, self.system.compress_exponent)
        work = model.extraction_flop(self.work, extraction[::-1], self.system.extract_exponent)
        rate = self.rate(power)
        airtime = model.transmission_time(bits, rate[::-1])
        radio_energy = model.transmission_energy(power, model.transmission_time(bits, rate))
        compute_time = model.execution_time(work, self.flop_per_cycle, frequency[::-1])
        at_ends = model.execution_time(work, self.flop_per_cycle, frequency)
        compute_energy = model.execution_energy(self.coefficient, at_ends, frequency)
        latency = airtime + compute_time + self.server_time
        energy = radio_energy + compute_energy + self.server_energy
        accuracy = self.accuracy(extraction, power)
        variables = {
            "extraction": extraction,
            "bits": bits,
            "airtime": airtime,
            "radio_energy": radio_energy,
            "work": work,
            "compute_time": compute_time,
            "compute_energy": compute_energy,
            "accuracy": accuracy,
        }
        return variables, np.stack([latency, energy, accuracy], axis=1)

    def seen(self, term: int, end: int) -> Terms:
        """Write latency, energy or accuracy as a form, with that end of the server's share."""
        one = np.ones((1, len(self.gain)))
        return (
            {"airtime": one, "compute_time": one, "weight": self.server_time[end, None]},
            {"radio_energy": one, "compute_energy": one, "weight": self.server_energy[end, None]},
            {"accuracy": one, "weight": 0.0 * one},
        )[term]

    def qoe(self, seen: Floats) -> Floats:
        """Return the terms of the QoE (3, J) at latency, energy and accuracy (3, J)."""
        return self.weight * model.sigmoid(self.slope * (seen - self.reference))


def propagate(problem: Problem, pieces: Pieces, fewest: float, most: float) -> Pieces:
    """Return what the limits leave of the pieces; those that cannot meet them are left out.

    An end of a box can go where the slab beside it misses the limits throughout.
    """

    def misses(some: Pieces) -> Flags:
        seen = Physics(problem, some, fewest, most).ranges(some.box)[1]
        over = seen[0] > some.box[1, LATENCY:] * (1.0 + ROUNDING)
        under = seen[1] < some.box[0, LATENCY:] * (1.0 - ROUNDING)
        return np.asarray((over | under).any(axis=0))

    pieces = pieces.take(~misses(pieces))
    for row in (POWER, FREQUENCY, EXTRACTION):
        for near, far in ((0, 1), (1, 0)):
            index = np.flatnonzero(pieces.box[0, row] < pieces.box[1, row])
            slab = pieces.take(index)
            gone, kept = slab.box[near, row].copy(), slab.box[far, row].copy()
            slab.box[far, row] = gone + (kept - gone) * WORTHWHILE
            found = misses(slab)  # of few boxes: only these are bisected
            index, slab, gone, kept = index[found], slab.take(found), gone[found], kept[found]
            for _ in range(20 if index.size else 0):
                slab.box[far, row] = 0.5 * (gone + kept)
                found = misses(slab)
                gone = np.where(found, slab.box[far, row], gone)
                kept = np.where(found, kept, slab.box[far, row])
            pieces.box[near, row, index] = gone
    seen = Physics(problem, pieces, fewest, most).ranges(pieces.box)[1]
    low, high = pieces.box[:, LATENCY:]
    low[:] = np.maximum(low, seen[0])
    high[:] = np.maximum(np.minimum(high, seen[1]), low)
    return pieces


def envelope(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return lines (slope, intercept), each (TANGENTS, J), above the sigmoid S on [low, high] (J,).

    The concave envelope is the secant from `low` to where it touches the concave branch, then S
    itself. Whatever the slopes are, the intercepts are exact: sup of S(x) - slope x.
    """
    sigmoid = model.sigmoid
    start = np.maximum(low, 0.0)
    end = np.maximum(np.minimum(high, start + 40.0), start)  # S is 1 beyond

    def reaches_low(touch: Floats) -> Flags:
        slope = sigmoid(touch) * sigmoid(-touch)
        return np.asarray(sigmoid(touch) + slope * (low - touch) >= sigmoid(low))

    short, touch = start, end
    for _ in range(40):
        middle = 0.5 * (short + touch)
        found = reaches_low(middle)
        short, touch = np.where(found, short, middle), np.where(found, middle, touch)
    # Even steps in sqrt(1 - S) follow the curvature.
    rest = np.linspace(np.sqrt(sigmoid(-touch)), np.sqrt(sigmoid(-end)), TANGENTS) ** 2
    secant = rise(low, high, sigmoid(low), sigmoid(high))
    slope = np.where(reaches_low(end), rest * (1.0 - rest), secant)
    root = 1.0 + np.sqrt(np.maximum(1.0 - 4.0 * slope, 0.0))
    peak = 2.0 * np.log(root) - np.log(np.maximum(4.0 * slope, 1e-300))  # where S' = slope
    candidates = (low, high, np.clip(peak, low, high))
    return slope, np.maximum.reduce([sigmoid(x) - slope * x for x in candidates])


def rise(low: Floats, high: Floats, first: Floats, last: Floats) -> Floats:
    """Return the slope of a secant, 0 where the interval is a point."""
    wide = high > low
    return np.where(wide, (last - first) / np.where(wide, high - low, 1.0), 0.0)


def families(physics: Physics, box: Floats) -> tuple[list[Terms], dict[str, Floats]]:
    """Relax pieces with propagated boxes (2, 6, J).

    Returns
    -------
    rows : families of rows "form <= 0", in perspective: variables are per piece, times its weight
    ends : name -> (2, J), ends of the variables at weight 1
    """
    system, ends = physics.system, physics.ranges(box)[0] | {"accuracy": box[:, ACCURACY]}
    one, share = np.ones((1, box.shape[2])), np.linspace(0.0, 1.0, TANGENTS)[:, None]
    rows: list[Terms] = []

    # radio_energy >= T (2^(D/(B T)) - 1) noise/gain: a tangent for each of some powers.
    slowest, fastest = physics.rate(box[:, POWER])
    symbols = np.linspace(slowest, fastest, 2 * TANGENTS) / system.bandwidth
    growth, loudness = np.exp2(symbols), system.noise / physics.gain
    per_bit = loudness * growth * np.log(2.0) / system.bandwidth
    per_second = loudness * (growth - 1.0 - symbols * growth * np.log(2.0))
    rows += [{"radio_energy": -one, "bits": per_bit, "airtime": per_second}]
    rows += [{"bits": one, "airtime": -fastest[None]}, {"bits": -one, "airtime": slowest[None]}]

    # compute_energy >= kappa C f^3, f = W/(o C): a tangent for each of some frequencies.
    slowest, fastest = physics.flop_per_cycle * box[:, FREQUENCY]
    frequency = np.linspace(box[0, FREQUENCY], box[1, FREQUENCY], TANGENTS)
    per_flop = 3.0 * physics.coefficient / physics.flop_per_cycle * frequency**2
    per_second = -2.0 * physics.coefficient * frequency**3
    rows += [{"compute_energy": -one, "work": per_flop, "compute_time": per_second}]
    rows += [{"work": one, "compute_time": -fastest[None]}]
    rows += [{"work": -one, "compute_time": slowest[None]}]

    # Work is convex in extraction; so are bits from an exponent of 1 on, else: their secant.
    low, high = box[:, EXTRACTION]
    at = low * (high / low) ** share
    work = model.extraction_flop(physics.work, at, system.extract_exponent)
    fall = system.extract_exponent * work / at
    rows += [{"work": -one, "extraction": -fall, "weight": work + fall * at}]
    bits = model.sent_bits(physics.bits, at, system.compress_exponent)
    climb = system.compress_exponent * bits / at
    if system.compress_exponent < 1.0:
        at, bits, climb = low[None], ends["bits"][:1], rise(low, high, *ends["bits"])[None]
    rows += [{"bits": -one, "extraction": climb, "weight": bits - climb * at}]
    rows += [{"extraction": -one, "weight": low[None]}, {"extraction": one, "weight": -high[None]}]

    # Accuracy at the highest power, by lines of some slopes; exact, as it is linear between bends.
    bends, at = physics.bends(low, high), np.linspace(low, high, TANGENTS)
    there, here = (physics.accuracy(x, box[1, POWER]) for x in (bends, at))
    steps = rise(at[:-1], at[1:], here[:-1], here[1:])
    slope = np.append(steps, rise(low, high, here[0], here[-1])[None], axis=0)
    level = (there - slope[:, None] * bends).max(axis=1)
    rows += [{"accuracy": np.ones_like(slope), "extraction": -slope, "weight": -level}]

    # Limits, and the sigmoids between them; the server's share enters with its favourable end.
    for i, name in enumerate(QOE):
        seen, most = (physics.seen(i, end) for end in (0, 1))
        low, high = box[:, LATENCY + i]
        rows += [seen | {"weight": seen["weight"] - high}]
        rows += [times(-one, most) | {"weight": low - most["weight"]}]
        slope, weight, reference = physics.slope[i], physics.weight[i], physics.reference[i]
        worst, best = (low, high) if i == 2 else (high, low)
        tilt, level = envelope(slope * (worst - reference), slope * (best - reference))
        tilt = weight * slope * tilt
        level = tilt * (reference - seen["weight"]) - weight * level
        rows += [times(-tilt, seen) | {name: one, "weight": level}]
        ends[name] = np.stack([0.0 * best, weight * model.sigmoid(slope * (best - reference))])
    return rows, ends


def times(factor: Floats, form: Terms) -> Terms:
    """Multiply a linear form."""
    return {name: factor * coefficients for name, coefficients in form.items()}


def fold(
    rows: list[Terms], ends: dict[str, Floats], free: tuple[str, ...], index: Integers
) -> tuple[Floats, Floats, Flags]:
    """Gather the rows that bind free variables on pieces `index`, the others folded into weight.

    Returns
    -------
    table : (R, V, J) coefficients over ("weight", *free)
    size : (R, J) sum of the sizes of a row's terms
    pattern : (R, V) where coefficients may differ from 0
    """
    columns = ("weight", *free)
    tables, sizes, pattern = [], [], []
    for row in rows:
        if not any(name in row for name in free):
            continue
        lines = max(len(c) for c in row.values())
        table, size = np.zeros((lines, len(columns), len(index))), np.zeros((lines, len(index)))
        for name, coefficients in row.items():
            c = coefficients[:, index]
            top = 1.0 if name == "weight" else ends[name][1, index]
            if name in columns:
                table[:, columns.index(name)] += c
            else:
                table[:, 0] += c * top
            size += np.abs(c * top)
        tables.append(table)
        sizes.append(size)
        pattern += [[name == "weight" or name in row for name in columns]] * lines
    return np.concatenate(tables), np.concatenate(sizes), np.array(pattern)
