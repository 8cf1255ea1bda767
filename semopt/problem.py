"""One decision slot as arrays in SI units: what every kernel and solver reads.

A `Problem` is validated where its numbers enter (`Scenario`, `Problem.from_arrays`); past that
point arrays are trusted. Lengths: N users, K sub-channels, T kinds of task, I x J points of an
accuracy table.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import inf, perm
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_LEVELS = 4096


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
class Users:
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
class AccuracyTable:
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


@dataclass(frozen=True)
class Tasks:
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

    def with_slot(self, gain: Floats, task: Integers) -> Problem:
        """Return the same scenario in another slot."""
        return replace(self, gain=gain, task=task)

    def only(self, user: int) -> Problem:
        """Return the problem of one user alone (N = 1)."""
        own = {f.name: getattr(self.users, f.name)[user : user + 1] for f in fields(self.users)}
        rows = slice(user, user + 1)
        return replace(self, users=Users(**own), gain=self.gain[rows], task=self.task[rows])

    def without_channels(self) -> Problem:
        """Return the same problem with no sub-channel, where every task is local."""
        return replace(self, gain=np.empty((len(self.task), 0)))

    def without_semantic(self) -> Problem:
        """Return the semantic-unaware variant: every offloaded task is sent raw."""
        ones = np.ones_like(self.users.extraction_min)
        return replace(self, users=replace(self.users, extraction_min=ones))

    def grid_levels(self, user: int, task: int | None = None) -> tuple[Floats, Floats, Floats]:
        """Return the grid of one user: powers (W), frequencies (Hz), extractions of semantic mode.

        `task` is the user's own in this slot unless given. Extraction 1 is raw mode and not among
        them.
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
        by_offloaders = [1]
        for user in range(len(self.task)):
            local, offload = self.action_counts(user)
            padded = [0, *by_offloaders, 0]
            by_offloaders = [
                local * padded[m + 1] + offload * padded[m] for m in range(len(by_offloaders) + 1)
            ]
        channels = self.gain.shape[1]
        return sum(count * perm(channels, m) for m, count in enumerate(by_offloaders))

    def to_json(self) -> dict[str, Any]:
        """Return the scenario and the slot in the words and units of a scenario file."""
        tasks = [self.tasks.names[kind] for kind in self.task]
        return self.origin | {"slot": {"tasks": tasks, "gain": self.gain.tolist()}}
