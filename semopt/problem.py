"""One decision slot as arrays in SI units: what every kernel and solver reads.

A `Problem` is validated where numbers enter (`Scenario`, `Problem.from_arrays`); past that point
arrays are trusted. Lengths: N users, K sub-channels, T kinds of task, I x J points of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import allowed, arguments
from .arrays import Floats as Floats
from .arrays import Integers as Integers
from .counts import joint_actions
from .document import document_of
from .figures import SHARED_LIMITS, WEIGHTS, check_names
from .gains import gains
from .readings import Readings as Readings
from .records import FEW, LEFT_OUT, Columns, Frozen, Record

OBJECTIVES = ("sum", "min")
LENGTH = 10  # tasks of a queue, unless a scenario says otherwise


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


@dataclass(frozen=True, kw_only=True)
class Users(Columns):
    """What differs between users: each field is (N,) float64 in SI units."""

    owner = "user"
    flop_per_cycle: Floats
    energy_coefficient: Floats  # J s^2
    frequency_min: Floats  # Hz
    frequency_max: Floats  # Hz
    reference_frequency: Floats  # Hz
    power_min: Floats  # W
    power_max: Floats  # W
    extraction_min: Floats
    energy_max: Floats = LEFT_OUT  # J a task, inf where there is no limit
    weight_latency: Floats
    weight_energy: Floats
    weight_accuracy: Floats
    # J a queue, inf where there is none; no part of a slot, whose documents leave it out
    battery: Floats = LEFT_OUT


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
        x = arguments.array("accuracy.extraction", extraction, allowed.FRACTION, 1)
        y = arguments.array("accuracy.snr_db", snr_db, allowed.DECIBEL, 1)
        cells = arguments.array("accuracy.table", table, allowed.FRACTION, 2)
        last = arguments.array(
            "accuracy.raw", cells[-1] if raw is None else raw, allowed.FRACTION, 1
        )
        for name, axis in (("extraction", x), ("snr_db", y)):
            if len(axis) < 2:
                raise ValueError(f"accuracy.{name} has {len(axis)} values: must have at least 2")
        parts = (x.tolist(), y.tolist(), cells.tolist(), last.tolist())
        for path, words in allowed.table_faults("accuracy", *parts):
            raise ValueError(f"{path} {words}")
        return cls(x, y, cells, last)

    @classmethod
    def of(
        cls,
        extraction: Sequence[float],
        snr_db: Sequence[float],
        table: Sequence[Sequence[float]],
        raw: Sequence[float] | None,
    ) -> AccuracyTable:
        """Return a table whose numbers were checked where they came from."""
        last = table[-1] if raw is None else raw
        return cls(*(np.array(part, dtype=float) for part in (extraction, snr_db, table, last)))


@dataclass(frozen=True, kw_only=True)
class Tasks(Columns):
    """The kinds of task: each array is (T,) float64 in SI units."""

    owner = "task"
    names: tuple[str, ...]
    bits: Floats  # raw mode
    semantic_bits: Floats  # semantic mode at extraction 1
    local_flop: Floats
    extract_flop: Floats
    server_flop: Floats  # semantic mode
    server_raw_flop: Floats
    local_accuracy: Floats
    accuracy_min: Floats = LEFT_OUT
    extraction_max: Floats  # upper end of semantic mode; 1 stands for "below 1"
    accuracy: tuple[AccuracyTable, ...]


@dataclass(frozen=True)
class Grid:
    """Number of equally spaced values of each continuous variable, 1 to 4096."""

    power: int = 10
    frequency: int = 10
    extraction: int = 10


@lru_cache(maxsize=1024)  # users and kinds of task share most of them
def levels(low: float, high: float, count: int) -> Floats:
    """Return `count` equally spaced values from `low` to `high`, both ends exact; read-only.

    One level is the upper end; equal ends collapse to one level.
    """
    one = count == 1 or low == high
    values = np.array([high], dtype=float) if one else np.linspace(low, high, count)
    values.setflags(write=False)
    return values


@dataclass(frozen=True)
class Problem(Record):
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

    def __repr__(self) -> str:
        """Return sizes and names, in one line."""
        users, channels = self.gain.shape
        name = f" of scenario {self.origin['name']}" if self.origin.get("name") else ""
        heads = ", ".join(self.tasks.names[kind] for kind in self.task[:FEW])
        rest = ", ..." if users > FEW else ""
        return f"<Problem{name}: {users} users ({heads}{rest}), {channels} sub-channels>"

    @classmethod
    def from_arrays(
        cls,
        *,
        gain: ArrayLike,
        accuracy: AccuracyTable | Sequence[AccuracyTable],
        task: Sequence[str] | ArrayLike = 0,
        names: Sequence[str] | None = None,
        grid: Grid | None = None,
        objective: str = "sum",
        origin: dict[str, Any] | None = None,
        **figures: ArrayLike,
    ) -> Problem:
        """Return a checked problem from SI numbers and arrays.

        Figures of users are numbers or (N,) arrays, figures of tasks numbers or (T,) arrays, all of
        them float64 after conversion. T is the number of accuracy tables. Defaults are those of the
        paper's Table II where it has the figure; no limit, and exponents of 1, where it has none.

        Parameters
        ----------
        gain : (N, K), linear power gain of each user on each sub-channel
        accuracy : one table for each kind of task
        task : (N,) indices or names of the tasks at the heads of the queues, or one for all
        names : (T,) of the kinds of task
        grid : levels of the discretised variables; 10 of each unless given
        objective : "sum" or "min" of the users' QoE
        {figures}

        Raises
        ------
        ValueError
            Naming the argument, the value found and what is allowed
        TypeError
            For a figure that is unknown, or must be given

        Notes
        -----
        Weights of a user sum to 1 (within 1e-3, then they are normalised). `extraction_max` must be
        below 1 where `semantic_bits`, `server_raw_flop` or a table's own `raw` make the two modes
        of an offloaded task differ.

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
        tables = (accuracy,) if isinstance(accuracy, AccuracyTable) else tuple(accuracy)
        kinds = tuple(names) if names is not None else tuple(f"task{t}" for t in range(len(tables)))
        if not tables or len(kinds) != len(tables):
            raise ValueError(
                f"accuracy has {len(tables)} tables for {len(kinds)} tasks: must be one each"
            )
        records = arguments.checked(figures, users=len(channels), tasks=len(tables))
        separate_raw = [not np.array_equal(table.raw, table.table[-1]) for table in tables]
        arguments.check_tasks(records["task"], kinds, separate_raw)
        counts_of_levels = grid or Grid()
        arguments.check_grid(vars(counts_of_levels))
        if objective not in OBJECTIVES:
            raise ValueError(f'objective = {objective!r}: must be "sum" or "min"')
        return cls.assembled(
            records,
            gain=channels,
            task=task,
            names=kinds,
            accuracy=tables,
            grid=counts_of_levels,
            objective=objective,
            origin=origin or {},
        )

    @classmethod
    def assembled(
        cls,
        records: dict[str, dict[str, Any]],
        *,
        gain: Floats,
        task: Sequence[str] | ArrayLike,
        names: Sequence[str],
        accuracy: Sequence[AccuracyTable],
        grid: Grid,
        objective: str,
        origin: dict[str, Any],
    ) -> Problem:
        """Return a problem of figures that were checked where they came from.

        Parameters
        ----------
        records : figures in SI by owner ("system", "user", "task") and name: numbers, arrays (N,)
            and arrays (T,)
        gain, task, names, accuracy, grid, objective, origin : as in `from_arrays`

        Raises
        ------
        ValueError
            For a task that is none of `names`
        """
        users = dict(records["user"])
        total = sum(users[figure.name] for figure in WEIGHTS)
        users |= {figure.name: users[figure.name] / total for figure in WEIGHTS}
        return cls(
            System(**records["system"]),
            Users(**users),
            Tasks(names=tuple(names), accuracy=tuple(accuracy), **records["task"]),
            grid,
            gain,
            arguments.task_indices(task, tuple(names), len(gain)),
            objective,
            origin=origin,
        )

    def with_slot(self, gain: ArrayLike, task: Sequence[str] | ArrayLike) -> Problem:
        """Return the same scenario in another slot: gains (N, K), and tasks as in `from_arrays`.

        Raises
        ------
        ValueError
            Naming the argument, the value found and what is allowed
        """
        heads = arguments.task_indices(task, self.tasks.names, len(self.task))
        return replace(self, gain=gains(gain, self.gain.shape).copy(), task=heads)

    def only(self, users: int | Integers) -> Problem:
        """Return the problem of some users alone: one, or those of an array."""
        rows = np.atleast_1d(users)
        chosen = {f.name: getattr(self.users, f.name)[rows] for f in fields(self.users)}
        return replace(self, users=Users(**chosen), gain=self.gain[rows], task=self.task[rows])

    def without_channels(self) -> Problem:
        """Return the same problem with no sub-channel: every task is local, the server idle."""
        idle = replace(self.system, **{limit.bound: limit.none for limit in SHARED_LIMITS})
        return replace(self, system=idle, gain=np.empty((len(self.task), 0)))

    def without_semantic(self) -> Problem:
        """Return the semantic-unaware variant: every offloaded task is sent raw."""
        ones = np.ones_like(self.users.extraction_min)
        return replace(self, users=replace(self.users, extraction_min=ones))

    def grid_levels(self, user: int, task: int | None = None) -> tuple[Floats, Floats, Floats]:
        """Return the grid of one user: powers (W), frequencies (Hz), extractions of semantic mode.

        `task` is the user's own in this slot unless given. Extraction 1, raw mode, is left out.
        """
        allowed.whole("user", user, 0, len(self.task) - 1)
        if task is not None:
            allowed.whole("task", task, 0, len(self.tasks.names) - 1)
        users, kind = self.users, int(self.task[user]) if task is None else task
        extraction = levels(users.extraction_min[user], 1.0, self.grid.extraction)
        semantic = extraction[(extraction < 1.0) & (extraction <= self.tasks.extraction_max[kind])]
        return (
            levels(users.power_min[user], users.power_max[user], self.grid.power),
            levels(users.frequency_min[user], users.frequency_max[user], self.grid.frequency),
            semantic,
        )

    def action_counts(self, user: int, task: int | None = None) -> tuple[int, int]:
        """Return how many local actions a user has, and how many on each sub-channel.

        `task` is the user's own in this slot unless given.
        """
        power, frequency, semantic = self.grid_levels(user, task)
        return len(frequency), len(power) * (1 + len(frequency) * len(semantic))

    def joint_actions(self) -> int | Decimal:
        """Return the number of canonical joint actions on the grid: see `counts.joint_actions`."""
        counts = [self.action_counts(user) for user in range(len(self.task))]
        return joint_actions(counts, self.gain.shape[1])

    def to_json(self) -> dict[str, Any]:
        """Return the scenario and the slot in the words and units of a scenario file."""
        tasks = [self.tasks.names[kind] for kind in self.task]
        return self.document() | {"slot": {"tasks": tasks, "gain": self.gain.tolist()}}

    def document(self) -> dict[str, Any]:
        """Return the scenario in the words and units of a file: that it was made from, if any."""
        return self.origin or document_of(self)


for _owner, _record in {"system": System, "user": Users, "task": Tasks}.items():
    _names = [entry.name for entry in fields(_record) if entry.name not in ("names", "accuracy")]
    check_names(_owner, _names, f"{_record.__name__} of semopt/problem.py")
arguments.document(Problem.from_arrays.__func__)  # type: ignore[attr-defined]
