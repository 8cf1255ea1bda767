"""One decision slot as arrays in SI units: what every kernel and solver reads.

A `Problem` is validated where numbers enter (`Scenario`, `Problem.from_arrays`); past that point
arrays are trusted. Lengths: N users, K sub-channels, T kinds of task, I x J points of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import inf, perm
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import allowed
from .gains import gains

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


OBJECTIVES = ("sum", "min")


class Frozen:
    """A record whose arrays are read-only, as are those of its copies: backends pack them once."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.__post_init__()  # neither pickle nor copy keeps the flag


@dataclass(frozen=True)
class System:
    """What all users share: radio, edge server, limits and QoE slopes (SI units)."""

    bandwidth: float  # Hz, of one sub-channel
    noise: float  # W
    server_frequency: float  # Hz
    server_flop_per_cycle: float
    server_energy_coefficient: float  # J s^2
    compress_exponent: float
    extract_exponent: float
    latency_max: float  # s
    slope_latency: float  # 1/s
    slope_energy: float  # 1/J
    slope_accuracy: float
    server_energy_max: float = inf  # J a slot, over all offloaders


@dataclass(frozen=True)
class Users(Frozen):
    """What differs between users: each field is (N,) float64 in SI units."""

    flop_per_cycle: Floats
    energy_coefficient: Floats  # J s^2
    frequency_min: Floats  # Hz
    frequency_max: Floats  # Hz
    reference_frequency: Floats  # Hz
    power_min: Floats  # W
    power_max: Floats  # W
    extraction_min: Floats
    energy_max: Floats  # J a task, inf where there is no limit
    weight_latency: Floats
    weight_energy: Floats
    weight_accuracy: Floats


@dataclass(frozen=True)
class AccuracyTable(Frozen):
    """Accuracy of an offloaded task, bilinear between its points and clamped outside (10).

    Attributes
    ----------
    extraction : (I,) float64, strictly increasing
    snr_db : (J,) float64, dB, strictly increasing
    table : (I, J) float64, accuracy of semantic mode, non-decreasing along both axes
    raw : (J,) float64, accuracy of raw mode, non-decreasing
    """

    extraction: Floats
    snr_db: Floats
    table: Floats
    raw: Floats

    @classmethod
    def from_arrays(
        cls,
        extraction: ArrayLike,
        snr_db: ArrayLike,
        table: ArrayLike,
        raw: ArrayLike | None = None,
    ) -> AccuracyTable:
        """Return a checked table.

        `raw` is the last row of `table` unless given: the accuracy at the largest extraction.

        Raises
        ------
        ValueError
            Naming the argument, for axes that do not increase, shapes that disagree and
            accuracies outside [0, 1] or falling along an axis
        """
        x = _array("accuracy.extraction", extraction, allowed.FRACTION, 1)
        y = _array("accuracy.snr_db", snr_db, allowed.DECIBEL, 1)
        cells = _array("accuracy.table", table, allowed.FRACTION, 2)
        last = _array("accuracy.raw", cells[-1] if raw is None else raw, allowed.FRACTION, 1)
        for name, axis in (("extraction", x), ("snr_db", y)):
            if len(axis) < 2:
                raise ValueError(f"accuracy.{name} has {len(axis)} values: must have at least 2")
        parts = (x.tolist(), y.tolist(), cells.tolist(), last.tolist())
        for where, what in allowed.table_faults("accuracy", *parts):
            raise ValueError(f"{where} {what}")
        return cls(x, y, cells, last)


@dataclass(frozen=True)
class Tasks(Frozen):
    """The kinds of task: each array is (T,) float64 in SI units."""

    names: tuple[str, ...]
    bits: Floats  # raw mode
    semantic_bits: Floats  # semantic mode at extraction 1
    local_flop: Floats
    extract_flop: Floats
    server_flop: Floats  # semantic mode
    server_raw_flop: Floats
    local_accuracy: Floats
    accuracy_min: Floats
    extraction_max: Floats  # upper end of semantic mode; 1 stands for "below 1"
    accuracy: tuple[AccuracyTable, ...]


@dataclass(frozen=True)
class Readings:
    """How equations that cannot be coded as printed are read; echoed in every result."""

    gain_is_power: str = "(2): g is the linear power gain itself"
    server_share: str = "(5): equal shares, t_es = server_flop m / (o_s f_s)"
    normalised_penalty: str = "(13): violated margins are divided by their own limits"
    preference_assignment: str = "channels go to the highest remaining preference score"
    path_loss: str = "|g|^2 = |h|^2 d^-alpha, exponent negative"
    accuracy_min_unused: str = "0.56 of Table II is not enforced by the preset `paper`"


@dataclass(frozen=True)
class Grid:
    """Number of equally spaced values of each continuous variable, 1 to 4096."""

    power: int = 10
    frequency: int = 10
    extraction: int = 10


def levels(low: float, high: float, count: int) -> Floats:
    """Return `count` equally spaced values from `low` to `high`, both ends exact.

    One level is the upper end; equal ends collapse to one level.
    """
    if count == 1 or low == high:
        return np.array([high], dtype=float)
    return np.linspace(low, high, count)


@dataclass(frozen=True)
class Problem:
    """One slot of problem P0 (12).

    Attributes
    ----------
    gain : (N, K) float64, linear power gain of each user on each sub-channel
    task : (N,) int64, index into `tasks` of the task at the head of each user's queue
    objective : "sum" or "min" of the users' QoE
    origin : the scenario it was made from, in the words and units of the file; echoed in results
    """

    system: System
    users: Users
    tasks: Tasks
    grid: Grid
    gain: Floats
    task: Integers
    objective: str = "sum"
    readings: Readings = field(default_factory=Readings)
    origin: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def from_arrays(
        cls,
        *,
        gain: ArrayLike,
        task: Sequence[str] | ArrayLike = 0,
        bits: ArrayLike,
        local_flop: ArrayLike,
        extract_flop: ArrayLike,
        server_flop: ArrayLike,
        local_accuracy: ArrayLike,
        accuracy: AccuracyTable | Sequence[AccuracyTable],
        latency_max: float,
        slope_latency: float,
        slope_energy: float,
        slope_accuracy: float,
        names: Sequence[str] | None = None,
        semantic_bits: ArrayLike | None = None,
        server_raw_flop: ArrayLike | None = None,
        accuracy_min: ArrayLike = 0.0,
        extraction_max: ArrayLike = 1.0,
        bandwidth: float = 2e6,
        noise: float = 2e-3,
        server_frequency: float = 3e9,
        server_flop_per_cycle: float = 4.0,
        server_energy_coefficient: float = 5e-27,
        server_energy_max: float = inf,
        compress_exponent: float = 1.0,
        extract_exponent: float = 1.0,
        flop_per_cycle: ArrayLike = 2.0,
        energy_coefficient: ArrayLike = 1e-26,
        frequency_min: ArrayLike = 0.55e9,
        frequency_max: ArrayLike = 1.0e9,
        reference_frequency: ArrayLike | None = None,
        power_min: ArrayLike = 0.01,
        power_max: ArrayLike = 0.1,
        extraction_min: ArrayLike = 0.3,
        energy_max: ArrayLike = inf,
        weight_latency: ArrayLike = 1 / 3,
        weight_energy: ArrayLike = 1 / 3,
        weight_accuracy: ArrayLike = 1 / 3,
        grid: Grid | None = None,
        objective: str = "sum",
        origin: dict[str, Any] | None = None,
    ) -> Problem:
        """Return a checked problem from SI numbers and arrays.

        Figures of users are numbers or (N,) arrays, figures of tasks numbers or (T,) arrays, all of
        them float64 after conversion. T is the number of accuracy tables. Defaults are those of the
        paper's Table II where it has the figure; no limit, and exponents of 1, where it has none.

        Parameters
        ----------
        gain : (N, K), linear power gain of each user on each sub-channel
        task : (N,) indices or names of the tasks at the heads of the queues, or one for all
        bits, semantic_bits : bit, raw mode, and semantic mode at extraction 1 (default: the same)
        local_flop, extract_flop : FLOP of local execution, and of extraction at extraction 1
        server_flop, server_raw_flop : FLOP on the server, semantic and raw mode (default: the same)
        local_accuracy, accuracy_min : fractions
        accuracy : one table for each kind of task
        extraction_max : upper end of semantic mode; must be below 1 where `semantic_bits`,
            `server_raw_flop` or a table's own `raw` make the modes differ
        latency_max, energy_max, server_energy_max : limits in s, J a task, J a slot
        slope_latency, slope_energy, slope_accuracy : QoE slopes (11), 1/s, 1/J, 1
        bandwidth, noise : Hz and W of a sub-channel
        frequency_min, frequency_max, reference_frequency, server_frequency : Hz; the reference is
            `frequency_max` unless given
        power_min, power_max : W
        energy_coefficient, server_energy_coefficient : J s^2, so that coefficient x f^3 is W
        weight_latency, weight_energy, weight_accuracy : sum to 1 (1e-3, then normalised)
        grid : levels of the discretised variables; 10 of each unless given
        objective : "sum" or "min" of the users' QoE

        Raises
        ------
        ValueError
            Naming the argument, the value found and what is allowed

        Examples
        --------
        Two users, two sub-channels, one kind of task whose accuracy depends on extraction only:

        >>> table = AccuracyTable.from_arrays([0.3, 1.0], [0.0, 10.0], [[0.7, 0.7], [0.9, 0.9]])
        >>> problem = Problem.from_arrays(
        ...     gain=[[0.9, 0.2], [0.4, 0.6]],
        ...     bits=12e3, local_flop=6e6, extract_flop=1e6, server_flop=8e6,
        ...     local_accuracy=0.6, accuracy=table, latency_max=5e-3,
        ...     slope_latency=1e3, slope_energy=100.0, slope_accuracy=10.0,
        ...     grid=Grid(power=2, frequency=2, extraction=2),
        ... )
        >>> problem.action_counts(0)  # 2 local; 2 powers x (raw + 2 frequencies x 1 extraction)
        (2, 6)
        >>> problem.joint_actions()  # 2^2 + 2 x 2 x (2 x 6) + 2 x 6^2
        124
        """
        channels = gains(gain, (None, None)).copy()
        count = len(channels)
        tables = (accuracy,) if isinstance(accuracy, AccuracyTable) else tuple(accuracy)
        kinds = tuple(names) if names is not None else tuple(f"task{t}" for t in range(len(tables)))
        if not tables or len(kinds) != len(tables):
            raise ValueError(
                f"accuracy has {len(tables)} tables for {len(kinds)} tasks: must be one each"
            )

        def shared(name: str, value: float, interval: allowed.Interval) -> float:
            return float(_array(name, value, interval, 0))

        def user(name: str, value: ArrayLike, interval: allowed.Interval) -> Floats:
            return _spread(name, value, interval, count, "user")

        def kind(name: str, value: ArrayLike, interval: allowed.Interval) -> Floats:
            return _spread(name, value, interval, len(tables), "task")

        positive, at_least_0 = allowed.POSITIVE, allowed.NON_NEGATIVE
        system = System(
            bandwidth=shared("bandwidth", bandwidth, positive),
            noise=shared("noise", noise, positive),
            server_frequency=shared("server_frequency", server_frequency, positive),
            server_flop_per_cycle=shared("server_flop_per_cycle", server_flop_per_cycle, positive),
            server_energy_coefficient=shared(
                "server_energy_coefficient", server_energy_coefficient, at_least_0
            ),
            compress_exponent=shared("compress_exponent", compress_exponent, allowed.EXPONENT),
            extract_exponent=shared("extract_exponent", extract_exponent, allowed.EXPONENT),
            latency_max=shared("latency_max", latency_max, positive),
            slope_latency=shared("slope_latency", slope_latency, at_least_0),
            slope_energy=shared("slope_energy", slope_energy, at_least_0),
            slope_accuracy=shared("slope_accuracy", slope_accuracy, at_least_0),
            server_energy_max=shared("server_energy_max", server_energy_max, allowed.LIMIT),
        )
        weights = np.stack(
            [
                user("weight_latency", weight_latency, allowed.FRACTION),
                user("weight_energy", weight_energy, allowed.FRACTION),
                user("weight_accuracy", weight_accuracy, allowed.FRACTION),
            ]
        )
        for n, total in enumerate(weights.sum(axis=0)):
            if not allowed.sums_to_one(total):
                raise ValueError(
                    f"weights of user {n} sum to {total:.6g}: must sum to 1 within 1e-3"
                )
        weights /= weights.sum(axis=0)
        top = user("frequency_max", frequency_max, positive)
        users = Users(
            flop_per_cycle=user("flop_per_cycle", flop_per_cycle, positive),
            energy_coefficient=user("energy_coefficient", energy_coefficient, at_least_0),
            frequency_min=user("frequency_min", frequency_min, positive),
            frequency_max=top,
            reference_frequency=user(
                "reference_frequency",
                top if reference_frequency is None else reference_frequency,
                positive,
            ),
            power_min=user("power_min", power_min, positive),
            power_max=user("power_max", power_max, positive),
            extraction_min=user("extraction_min", extraction_min, allowed.EXTRACTION),
            energy_max=user("energy_max", energy_max, allowed.LIMIT),
            weight_latency=weights[0],
            weight_energy=weights[1],
            weight_accuracy=weights[2],
        )
        for name in ("frequency", "power"):
            low, high = getattr(users, f"{name}_min"), getattr(users, f"{name}_max")
            for n in np.flatnonzero(low > high).tolist():
                raise ValueError(
                    f"{name}_min of user {n} = {low[n]}: must be at most {name}_max = {high[n]}"
                )

        tasks = Tasks(
            names=kinds,
            bits=kind("bits", bits, positive),
            semantic_bits=kind(
                "semantic_bits", bits if semantic_bits is None else semantic_bits, positive
            ),
            local_flop=kind("local_flop", local_flop, positive),
            extract_flop=kind("extract_flop", extract_flop, at_least_0),
            server_flop=kind("server_flop", server_flop, at_least_0),
            server_raw_flop=kind(
                "server_raw_flop",
                server_flop if server_raw_flop is None else server_raw_flop,
                at_least_0,
            ),
            local_accuracy=kind("local_accuracy", local_accuracy, allowed.FRACTION),
            accuracy_min=kind("accuracy_min", accuracy_min, allowed.FRACTION),
            extraction_max=kind("extraction_max", extraction_max, allowed.EXTRACTION),
            accuracy=tables,
        )
        differ = (
            (tasks.semantic_bits != tasks.bits)
            | (tasks.server_raw_flop != tasks.server_flop)
            | [not np.array_equal(table.raw, table.table[-1]) for table in tables]
        )
        for t in np.flatnonzero(differ & (tasks.extraction_max >= 1.0)):
            raise ValueError(
                f"extraction_max of task {kinds[t]} = {tasks.extraction_max[t]}: must be below 1, "
                "since semantic_bits, server_raw_flop or accuracy.raw make its modes differ"
            )
        levels_of = grid or Grid()
        for name in ("power", "frequency", "extraction"):
            value = getattr(levels_of, name)
            if type(value) is not int or not 1 <= value <= allowed.MAX_LEVELS:
                raise ValueError(f"grid.{name} = {value!r}: must be {allowed.LEVELS.sentence}")
        if objective not in OBJECTIVES:
            raise ValueError(f'objective = {objective!r}: must be "sum" or "min"')
        return cls(
            system,
            users,
            tasks,
            levels_of,
            channels,
            _task_indices(task, kinds, count),
            objective,
            origin=origin or {},
        )

    def with_slot(self, gain: ArrayLike, task: Sequence[str] | ArrayLike) -> Problem:
        """Return the same scenario in another slot: gains (N, K), and tasks as in `from_arrays`.

        Raises
        ------
        ValueError
            Naming the argument, the value found and what is allowed
        """
        heads = _task_indices(task, self.tasks.names, len(self.task))
        return replace(self, gain=gains(gain, self.gain.shape).copy(), task=heads)

    def only(self, user: int) -> Problem:
        """Return the problem of one user alone (N = 1)."""
        own = {f.name: getattr(self.users, f.name)[user : user + 1] for f in fields(self.users)}
        rows = slice(user, user + 1)
        return replace(self, users=Users(**own), gain=self.gain[rows], task=self.task[rows])

    def without_channels(self) -> Problem:
        """Return the same problem with no sub-channel: every task is local, the server idle."""
        idle = replace(self.system, server_energy_max=inf)
        return replace(self, system=idle, gain=np.empty((len(self.task), 0)))

    def without_semantic(self) -> Problem:
        """Return the semantic-unaware variant: every offloaded task is sent raw."""
        ones = np.ones_like(self.users.extraction_min)
        return replace(self, users=replace(self.users, extraction_min=ones))

    def grid_levels(self, user: int, task: int | None = None) -> tuple[Floats, Floats, Floats]:
        """Return the grid of one user: powers (W), frequencies (Hz), extractions of semantic mode.

        `task` is the user's own in this slot unless given. Extraction 1, raw mode, is left out.
        """
        users, kind = self.users, int(self.task[user]) if task is None else task
        extraction = levels(users.extraction_min[user], 1.0, self.grid.extraction)
        semantic = extraction[(extraction < 1.0) & (extraction <= self.tasks.extraction_max[kind])]
        return (
            levels(users.power_min[user], users.power_max[user], self.grid.power),
            levels(users.frequency_min[user], users.frequency_max[user], self.grid.frequency),
            semantic,
        )

    def action_counts(self, user: int) -> tuple[int, int]:
        """Return how many local actions a user has, and how many on each sub-channel."""
        power, frequency, semantic = self.grid_levels(user)
        return len(frequency), len(power) * (1 + len(frequency) * len(semantic))

    def joint_actions(self) -> int:
        """Return the exact number of canonical joint actions on the grid.

        The coefficient of x^m in prod_n (local_n + offload_n x) counts the actions of m offloaders;
        K!/(K - m)! ways give them distinct sub-channels.
        """
        channels = self.gain.shape[1]
        by_offloaders = [1]
        for user in range(len(self.task)):
            local, offload = self.action_counts(user)
            padded = [0, *by_offloaders, 0]
            by_offloaders = [
                local * padded[m + 1] + offload * padded[m]
                for m in range(min(len(by_offloaders), channels) + 1)
            ]
        return sum(count * perm(channels, m) for m, count in enumerate(by_offloaders))

    def to_json(self) -> dict[str, Any]:
        """Return the scenario and the slot in the words and units of a scenario file."""
        tasks = [self.tasks.names[kind] for kind in self.task]
        return self.origin | {"slot": {"tasks": tasks, "gain": self.gain.tolist()}}


def _array(name: str, value: ArrayLike, interval: allowed.Interval, dimensions: int) -> Floats:
    """Return a checked float64 copy of `value` with so many dimensions."""
    found = allowed.numbers(name, value)
    if found.ndim != dimensions or (dimensions and 0 in found.shape):
        wanted = ("a number", "a non-empty array (n,)", "a non-empty array (n, m)")[dimensions]
        raise ValueError(f"{name} has shape {found.shape}: must be {wanted}")
    array = found.astype(np.float64, order="C")
    outside = np.atleast_1d(interval.refuses(array))
    if outside.any():
        first = np.argwhere(outside)[0] if dimensions else ()
        where = name + "".join(f"[{i}]" for i in first)
        raise ValueError(f"{where} = {array[tuple(first)]}: must be {interval.sentence}")
    return array


def _spread(name: str, value: ArrayLike, interval: allowed.Interval, count: int, of: str) -> Floats:
    """Return `value`, a number or an array, as a checked (count,) array."""
    array = _array(name, value, interval, min(np.ndim(value), 1))
    if array.ndim and len(array) != count:
        raise ValueError(
            f"{name} has shape {array.shape}: must be a number or ({count},), a value for each {of}"
        )
    return np.full(count, array) if not array.ndim else array


def _task_indices(task: Sequence[str] | ArrayLike, names: tuple[str, ...], count: int) -> Integers:
    """Return the tasks at the heads of the queues as (N,) indices into `names`."""
    given = np.asarray(task)
    if given.ndim > 1 or (given.ndim == 1 and len(given) != count):
        raise ValueError(
            f"task has shape {given.shape}: must be one index or name, or ({count},) of them"
        )
    heads = np.broadcast_to(given, count)
    if given.dtype.kind == "U":
        for n, name in enumerate(heads):
            if name not in names:
                raise ValueError(f"task[{n}] = {str(name)!r}: must be one of {', '.join(names)}")
        return np.array([names.index(name) for name in heads], dtype=np.int64)
    if given.dtype.kind not in "iu":
        raise ValueError(f"task holds {given.dtype}: must hold indices or names of tasks")
    for n in np.flatnonzero((heads < 0) | (heads >= len(names))).tolist():
        raise ValueError(f"task[{n}] = {heads[n]}: must be an index from 0 to {len(names) - 1}")
    return heads.astype(np.int64)
