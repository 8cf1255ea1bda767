"""The model of a decision slot in readable NumPy: the reference of every fast path.

Equation numbers are those of Chen et al., "Online Multi-Task Offloading for Semantic-Aware Edge
Computing Systems". `csrc/model/model.h` is the fast twin: same names, same order. All units are SI.

Glossary (the paper's letters, each used once here; the paper uses at least ten of them twice)
--------
N, K -> users, channels             g_{k,n} -> gain[n, k], linear power gain
B, sigma_z^2 -> bandwidth, noise    rho_n, x_{k,n} -> channel[n]: -1 local, else the sub-channel
p_n, f_n, mu_n -> power, frequency, extraction          s_n -> bits
exponent p in (3) -> compress_exponent                  exponent k in (4) -> extract_exponent
l^U, l^SE, l^S -> local_flop, extract_flop, server_flop
o_n, o_s -> flop_per_cycle          kappa (alpha in Table II) -> energy_coefficient
lambda, beta, eta in (11) -> slope_latency, slope_energy, slope_accuracy
epsilon -> accuracy                 m -> offloaders, the number of users that offload
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .actions import LOCAL as LOCAL
from .actions import MODES as MODES
from .actions import QUEUE_MODES as QUEUE_MODES
from .actions import RAW as RAW
from .actions import SEMANTIC as SEMANTIC
from .actions import SKIP as SKIP
from .actions import Actions as Actions
from .arrays import Flags, Floats, Integers
from .figures import SHARED_LIMITS, USER_LIMITS
from .limits import bound, is_set
from .problem import AccuracyTable, Problem, System
from .records import Record

TOLERANCE = 1e-9  # relative: solvers keep limits exactly, who judges a decision allows this much
SLACK = 1.0 + TOLERANCE


@dataclass(frozen=True)
class Outcome(Record):
    """What joint actions give: each array is shaped like the actions."""

    latency: Floats  # s
    energy: Floats  # J
    accuracy: Floats
    qoe: Floats
    violations: NDArray[np.uint8]  # sum of the bits of `figures.LIMITS`

    def take(self, index: Any) -> Outcome:
        """Index every array alike."""
        return Outcome(*(getattr(self, f.name)[index] for f in fields(self)))


# The score S(x) of a figure that is better than its reference by x, in units of its slope. Another
# one has another name and offers the same: it rises with x from above 0 to at most TOP_SCORE, with
# S(-x) = TOP_SCORE - S(x), and is concave where x is positive. Weights sum to 1: a QoE lies between
# 0 and TOP_SCORE too. Who restates it (csrc/model/model.h, csrc/global, certificate/balls.py)
# does so for one name, and others are refused.
SCORE, TOP_SCORE = "logistic", 1.0


def sigmoid(x: Floats) -> Floats:
    """S(x) = 1 / (1 + e^-x)."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0))))


def sigmoid_slope(value: Floats) -> Floats:
    """S'(x) where S(x) is a value."""
    return value * (1.0 - value)


def sigmoid_steep(slope: Floats) -> Floats:
    """Return the x >= 0 at which S'(x) equals `slope`; 0 where S is nowhere as steep."""
    root = 1.0 + np.sqrt(np.maximum(1.0 - 4.0 * slope, 0.0))
    return 2.0 * np.log(root) - np.log(np.maximum(4.0 * slope, 1e-300))


def snr(gain: Floats, power: Floats, noise: float) -> Floats:
    """Signal-to-noise ratio of a sub-channel (2), linear; reading `gain_is_power`."""
    return gain / noise * power


def decibel(ratio: Floats) -> Floats:
    """Convert a linear power ratio to dB."""
    return np.asarray(10.0 * np.log10(ratio))


def rate(bandwidth: float, snr: Floats) -> Floats:
    """Bits a second of a sub-channel (2); log1p keeps weak signals exact."""
    bits: Floats = bandwidth * (np.log1p(snr) / np.log(2.0))
    return bits


def sent_bits(bits: Floats, extraction: Floats, compress_exponent: float) -> Floats:
    """Bits left after semantic compression (3)."""
    return bits * extraction**compress_exponent


def transmission_time(sent_bits: Floats, rate: Floats) -> Floats:
    """Seconds on the air (3)."""
    return sent_bits / rate


def extraction_flop(extract_flop: Floats, extraction: Floats, extract_exponent: float) -> Floats:
    """FLOP of semantic extraction (4): stronger compression costs more."""
    return extract_flop / extraction**extract_exponent


def execution_time(flop: Floats, flop_per_cycle: Floats, frequency: Floats) -> Floats:
    """Seconds of computing on the user's own GPU (4)."""
    return flop / (flop_per_cycle * frequency)


def server_time(server_flop: Floats, offloaders: Floats, system: System) -> Floats:
    """Seconds on the edge server, shared equally (5); reading `server_share`."""
    return server_flop * offloaders / (system.server_flop_per_cycle * system.server_frequency)


def execution_energy(energy_coefficient: Floats | float, time: Floats, frequency: Floats) -> Floats:
    """Joules of computing on the user's own GPU (7): those of a cycle times how many there are."""
    return energy_coefficient * frequency * frequency * (time * frequency)


def transmission_energy(power: Floats, time: Floats) -> Floats:
    """Joules on the air (7)."""
    return power * time


def server_energy(time: Floats, offloaders: Floats, system: System) -> Floats:
    """Joules on the edge server, charged to the offloader (8)."""
    share = system.server_frequency / offloaders
    return execution_energy(system.server_energy_coefficient, time, share)


def between(share: Floats, low: Floats, high: Floats | float) -> Floats:
    """Go from low to high >= low as the share rises from 0 to 1: never above, never falling."""
    return np.minimum(low + share * (high - low), high)


def mixed(share: Floats, low: Floats, high: Floats) -> Floats:
    """Do the same; what never falls is the value as low or high grows."""
    return np.maximum(np.minimum((1 - share) * low + share * high, high), low)


def place(axis: Floats, x: Floats) -> tuple[Integers, Integers, Floats]:
    """Return the points on both sides of x, clamped, and its share of the way between them."""
    within = np.clip(x, axis[0], axis[-1])
    low = np.clip(np.searchsorted(axis, within, "right") - 1, 0, len(axis) - 1)
    high = np.minimum(low + 1, len(axis) - 1)  # the last point is a cell of its own
    width = np.where(high > low, axis[high] - axis[low], 1.0)
    return low, high, (within - axis[low]) / width


def accuracy(table: AccuracyTable, extraction: Floats, snr_db: Floats) -> Floats:
    """Accuracy of an offloaded task (10): bilinear in (extraction, SNR in dB), clamped outside.

    It never leaves the corners of its cell, and never falls as the signal grows.
    """
    i, down, u = place(table.extraction, extraction)
    j, right, v = place(table.snr_db, snr_db)
    a = table.table
    low, high = between(v, a[i, j], a[i, right]), between(v, a[down, j], a[down, right])
    raw = between(v, table.raw[j], table.raw[right])
    return np.where(extraction == 1.0, raw, mixed(u, low, high))


def exceeds(value: Floats, limit: Floats | float, slack: float = SLACK) -> Flags:
    """Tell where a value lies above a limit by more than the tolerance; NaN meets no limit."""
    return ~np.asarray(value <= limit * slack)


def violations(
    problem: Problem, outcome: Outcome, task: Integers | None = None, slack: float = SLACK
) -> NDArray[np.uint8]:
    """Return the limits of users that outcomes break: (..., N), the sum of their bits.

    Whoever judges decisions asks here. `Outcome.violations` is the same without tolerance, for
    solvers: what they choose holds exactly, in arithmetic whose last digits may differ from ours.
    """
    flags = np.zeros(outcome.qoe.shape, dtype=np.uint8)
    for limit in USER_LIMITS:
        sides = limit.sides(getattr(outcome, limit.figure), bound(problem, limit, task))
        flags |= np.uint8(limit.bit) * exceeds(*sides, slack)
    return flags


def broken(
    problem: Problem, actions: Actions, outcome: Outcome, task: Integers | None = None
) -> dict[str, Flags]:
    """Return by whom each limit is broken, those on all users together by all offloaders: (..., N).

    Within the tolerance of whoever judges; limits on all users are left out where none is set.
    """
    flags = violations(problem, outcome, task)
    limits = {limit.name: (flags & limit.bit) != 0 for limit in USER_LIMITS}
    for limit in SHARED_LIMITS:
        if is_set(problem, limit):
            whole = USER_SHARES[limit.figure](problem, actions, task).sum(axis=-1, keepdims=True)
            exceeded = exceeds(*limit.sides(whole, bound(problem, limit)))
            limits[limit.name] = actions.offload & exceeded
    return limits


def margin(above: Floats, below: Floats, bound: Floats) -> Floats:
    """By how much what must not be above exceeds what must not be below, over the bound (13).

    One of the two is the bound (`Limit.sides`). 0 where the limit is kept, as `violations` tells.
    Plain arithmetic, as in `reward`: env compiles these very functions.
    """
    excess = (above > below * SLACK) * np.maximum(above - below, 0.0)
    missed: Floats = excess / (bound + (bound == 0.0))  # nothing lies below a bound of 0
    return missed


def reward(qoe: Floats, penalty: Floats) -> Floats:
    """Reward of a user (13), reading `normalised_penalty`: QoE, or less than 0 with a penalty."""
    rewarded: Floats = (penalty == 0.0) * qoe - penalty
    return rewarded


def rewards(problem: Problem, outcome: Outcome, task: Integers | None = None) -> Floats:
    """Return the rewards of users (13): (..., N).

    The QoE of who keeps every limit, as `violations` tells; else minus the margins of those it
    breaks, each over its bound. A limit on all users together has no part in it.
    """
    penalty = np.zeros(outcome.qoe.shape)
    for limit in USER_LIMITS:
        most = bound(problem, limit, task)
        penalty += margin(*limit.sides(getattr(outcome, limit.figure), most), most)
    return reward(outcome.qoe, penalty)


@dataclass(frozen=True)
class Costs(Record):
    """Where the time and the energy of tasks go: arrays like the actions, 0 where nothing is done.

    Attributes
    ----------
    device_time, air_time, server_time : s, on the user's GPU, in transmission, on the server
    device_energy, air_energy, server_energy : J, likewise
    """

    device_time: Floats
    air_time: Floats
    server_time: Floats
    device_energy: Floats
    air_energy: Floats
    server_energy: Floats

    @property
    def user_energy(self) -> Floats:
        """What the user's own device takes (7), on its GPU and on the air: J."""
        return self.device_energy + self.air_energy


def costs(
    problem: Problem,
    actions: Actions,
    gain: Floats | None = None,
    task: Integers | None = None,
    offloaders: Integers | int | None = None,
) -> tuple[Costs, Floats]:
    """Return the terms of (6) and of (7)-(9), and the SNR of offloaders; arguments of `evaluate`.

    The SNR, (..., N) float64, linear, has no meaning where a task is local.
    """
    system, users, tasks = problem.system, problem.users, problem.tasks
    gain = problem.gain if gain is None else gain
    task = problem.task if task is None else task
    shape = np.broadcast_shapes(actions.channel.shape, task.shape)
    offload = np.broadcast_to(actions.offload, shape)
    semantic = np.broadcast_to(actions.semantic, shape)
    task = np.broadcast_to(task, shape)

    # Stand-ins keep every formula defined where a task is local; their results are not used there.
    counted = offload.sum(axis=-1, keepdims=True) if offloaders is None else offloaders
    m = np.maximum(counted, 1).astype(float)
    stand_in = np.ones((*shape, 1))
    channels = np.concatenate([stand_in, np.broadcast_to(gain, (*shape, gain.shape[-1]))], axis=-1)
    gain = np.take_along_axis(channels, actions.channel[..., None] + 1, axis=-1)[..., 0]
    power = np.where(offload, actions.power, users.power_max)
    extraction = np.where(offload, actions.extraction, 1.0)
    frequency = np.where(offload & ~semantic, users.frequency_min, actions.frequency)

    link = snr(gain, power, system.noise)
    full_bits = np.where(semantic, tasks.semantic_bits[task], tasks.bits[task])
    bits = sent_bits(full_bits, extraction, system.compress_exponent)
    t_tx = transmission_time(bits, rate(system.bandwidth, link))
    extract = extraction_flop(tasks.extract_flop[task], extraction, system.extract_exponent)
    device_flop = np.where(semantic, extract, np.where(offload, 0.0, tasks.local_flop[task]))
    t_device = execution_time(device_flop, users.flop_per_cycle, frequency)
    server_flop = np.where(semantic, tasks.server_flop[task], tasks.server_raw_flop[task])
    t_es = server_time(server_flop, m, system)
    terms = (
        t_device,
        np.where(offload, t_tx, 0.0),
        np.where(offload, t_es, 0.0),
        execution_energy(users.energy_coefficient, t_device, frequency),
        np.where(offload, transmission_energy(power, t_tx), 0.0),
        np.where(offload, server_energy(t_es, m, system), 0.0),
    )
    return Costs(*terms), link


def evaluate(
    problem: Problem,
    actions: Actions,
    gain: Floats | None = None,
    task: Integers | None = None,
    offloaders: Integers | int | None = None,
) -> Outcome:
    """Score joint actions by equations (2)-(11).

    Parameters
    ----------
    problem : the scenario; its own slot is used unless `gain` and `task` are given
    actions : B joint actions, arrays (..., N)
    gain : (..., N, K) float64, one slot a joint action
    task : (..., N) int64
    offloaders : (..., 1) int64, number of offloaders; counted from the actions unless given

    Returns
    -------
    Outcome with arrays (..., N). Infeasible tasks keep their QoE; `violations` marks them.
    """
    system, users, tasks = problem.system, problem.users, problem.tasks
    of, link = costs(problem, actions, gain, task, offloaders)
    task = np.broadcast_to(problem.task if task is None else task, link.shape)
    latency = of.device_time + (of.air_time + of.server_time)  # (6)
    energy = of.device_energy + (of.air_energy + of.server_energy)  # (9)
    reached = tasks.local_accuracy[task].copy()
    snr_db, extraction = decibel(link), np.broadcast_to(actions.extraction, link.shape)
    for kind, table in enumerate(tasks.accuracy):
        rows = actions.offload & (task == kind)
        reached[rows] = accuracy(table, extraction[rows], snr_db[rows])

    t0 = execution_time(tasks.local_flop[task], users.flop_per_cycle, users.reference_frequency)
    e0 = execution_energy(users.energy_coefficient, t0, users.reference_frequency)
    qoe = (
        users.weight_latency * sigmoid(system.slope_latency * (t0 - latency))
        + users.weight_energy * sigmoid(system.slope_energy * (e0 - energy))
        + users.weight_accuracy
        * sigmoid(system.slope_accuracy * (reached - tasks.local_accuracy[task]))
    )  # (11)
    outcome = Outcome(latency, energy, reached, qoe, np.zeros(link.shape, np.uint8))
    return replace(outcome, violations=violations(problem, outcome, task, slack=1.0))


def skipping(outcome: Outcome, skipped: NDArray[np.bool_]) -> Outcome:
    """Return what is given where some tasks (..., N) are not executed: neither QoE nor energy."""
    none, share = np.where(skipped, np.nan, 0.0), np.where(skipped, 0.0, 1.0)
    return Outcome(
        outcome.latency + none,
        outcome.energy * share,
        outcome.accuracy + none,
        outcome.qoe * share,
        outcome.violations * np.uint8(~skipped),
    )


def server_energies(problem: Problem, actions: Actions, task: Integers | None = None) -> Floats:
    """Return what each offloader takes of the server's energy (8): (..., N) float64, J."""
    return costs(problem, actions, None, task)[0].server_energy


# Of the figures that are limited for all users together: each offloader's share, 0 where local.
USER_SHARES = {"server_energy": server_energies}
