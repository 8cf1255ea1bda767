"""Joint actions of a slot in one documented order: joint action <-> flat index.

A channel pattern says for each user whether it is local (-1) or which sub-channel it has. Patterns
come in lexicographic order of (channel of user 0, channel of user 1, ...), local first. Within a
pattern the users' own actions are the digits of a mixed radix, the last user's the fastest:

- local: frequency ascending;
- offloaded: raw by power ascending, then semantic by (power, frequency, extraction below 1), each
  ascending, the last fastest.

`csrc/model/space.h` is the compiled twin. Here indices are Python integers and may exceed 2^63.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from .model import Actions
from .problem import Floats, Problem

NO_CHANNEL = -1  # the sub-channel of a task that runs locally
Pattern = tuple[int, ...]


@dataclass(frozen=True)
class Space:
    """The joint actions of a slot, by how many actions each user has.

    Attributes
    ----------
    local : (N,) local actions of each user
    offload : (N,) actions of each user on each sub-channel
    channels : number of sub-channels
    """

    local: tuple[int, ...]
    offload: tuple[int, ...]
    channels: int

    @classmethod
    def of(cls, problem: Problem) -> Space:
        """Return the space of a problem."""
        counts = [problem.action_counts(n) for n in range(len(problem.task))]
        return cls(tuple(c[0] for c in counts), tuple(c[1] for c in counts), problem.gain.shape[1])

    @cached_property
    def counts_after(self) -> list[list[int]]:
        """Number of joint actions of users n.. by how many sub-channels are free: [n][free]."""
        table = [[1] * (self.channels + 1)]
        for local, offload in zip(reversed(self.local), reversed(self.offload), strict=True):
            after = table[0]
            row = [
                local * after[free] + (free * offload * after[free - 1] if free else 0)
                for free in range(self.channels + 1)
            ]
            table.insert(0, row)
        return table

    @property
    def size(self) -> int:
        """The exact number of joint actions."""
        return self.counts_after[0][self.channels]

    @property
    def most_offloaders(self) -> int:
        """How many users can offload at once."""
        return min(len(self.local), self.channels)

    def sizes(self, pattern: Pattern) -> tuple[int, ...]:
        """Return how many actions each user has in a pattern."""
        return tuple(
            self.local[n] if k == NO_CHANNEL else self.offload[n] for n, k in enumerate(pattern)
        )

    def pattern_at(self, index: int) -> tuple[Pattern, int]:
        """Return the pattern of a joint action and the pattern's first index."""
        if not 0 <= index < self.size:
            raise ValueError(f"index = {index}: must be from 0 to {self.size - 1}")
        remaining, before = index, 1
        free = list(range(self.channels))
        pattern = []
        for n, (local, offload) in enumerate(zip(self.local, self.offload, strict=True)):
            after = self.counts_after[n + 1]
            local_total = before * local * after[len(free)]
            if remaining < local_total:
                pattern.append(NO_CHANNEL)
                before *= local
                continue
            before *= offload
            skip, remaining = divmod(remaining - local_total, before * after[len(free) - 1])
            pattern.append(free.pop(skip))
        return tuple(pattern), index - remaining

    def pattern_start(self, pattern: Pattern) -> int:
        """Return the first index of a pattern."""
        start, before = 0, 1
        free = list(range(self.channels))
        for n, k in enumerate(pattern):
            if k == NO_CHANNEL:
                before *= self.local[n]
                continue
            after = self.counts_after[n + 1]
            start += before * self.local[n] * after[len(free)]
            before *= self.offload[n]
            start += free.index(k) * before * after[len(free) - 1]
            free.remove(k)
        return start

    def list_start(self, user: int, channel: int, offloaders: int) -> int:
        """Return where, among a user's tabulated scores, those of one channel and m begin.

        First the local actions, then for each number of offloaders from 1 and each sub-channel the
        actions there.
        """
        if channel == NO_CHANNEL:
            return 0
        return self.local[user] + ((offloaders - 1) * self.channels + channel) * self.offload[user]

    def list_total(self, user: int) -> int:
        """Return how many scores of a user are tabulated."""
        return self.list_start(user, 0, self.most_offloaders + 1)


def local_actions(problem: Problem, user: int) -> Actions:
    """Return a user's local grid actions, arrays (A,), in canonical order."""
    frequency = problem.grid_levels(user)[1]
    zero = np.zeros(len(frequency))
    return Actions(np.full(len(frequency), NO_CHANNEL), zero, frequency, zero + 1.0)


def offload_actions(problem: Problem, user: int, channel: int) -> Actions:
    """Return a user's grid actions on one sub-channel, arrays (A,), in canonical order."""
    power, frequency, extraction = problem.grid_levels(user)
    lowest = problem.users.frequency_min[user]
    raw = np.stack([power, np.full(len(power), lowest), np.ones(len(power))])
    grid = np.meshgrid(power, frequency, extraction, indexing="ij")
    rows = np.concatenate([raw, np.reshape(grid, (3, -1))], axis=1)
    return Actions(np.full(rows.shape[1], channel), *rows)


def decode(problem: Problem, index: int) -> Actions:
    """Return joint action `index` of a problem: arrays (N,).

    Its compiled twin, of levels that a search has chosen, is `decode` in csrc/bindings/decode.h.
    """
    space = Space.of(problem)
    pattern, start = space.pattern_at(index)
    remaining = index - start
    rows: list[tuple[float, float, float]] = []
    for n in reversed(range(len(pattern))):
        remaining, digit = divmod(remaining, space.sizes(pattern)[n])
        power, frequency, extraction = problem.grid_levels(n)
        if pattern[n] == NO_CHANNEL:
            row = (0.0, frequency[digit], 1.0)
        elif digit < len(power):
            row = (power[digit], problem.users.frequency_min[n], 1.0)
        else:
            inner, e = divmod(digit - len(power), len(extraction))
            p, f = divmod(inner, len(frequency))
            row = (power[p], frequency[f], extraction[e])
        rows.append(row)
    columns = np.array(rows[::-1], dtype=float).T.copy()
    return Actions(np.array(pattern, dtype=np.int64), *columns)


def encode(problem: Problem, actions: Actions) -> int:
    """Return the index of a joint action, arrays (N,), whose values are levels of the grid.

    Raises
    ------
    ValueError
        For a value that is not on the grid or sub-channels that are used twice or do not exist.
    """
    space = Space.of(problem)
    pattern: Pattern = tuple(max(int(k), NO_CHANNEL) for k in actions.channel)
    used = [k for k in pattern if k != NO_CHANNEL]
    if len(set(used)) < len(used) or any(k >= space.channels for k in used):
        raise ValueError(
            f"channel = {pattern}: must be distinct sub-channels below {space.channels}, or -1"
        )
    offset = 0
    for n, (k, size) in enumerate(zip(pattern, space.sizes(pattern), strict=True)):
        power, frequency, extraction = problem.grid_levels(n)

        def level(name: str, levels: Floats, n: int = n) -> int:
            value: Any = getattr(actions, name)[n]
            position = int(np.searchsorted(levels, value))
            if position == len(levels) or levels[position] != value:
                raise ValueError(f"{name} of user {n} = {value}: must be a level of its grid")
            return position

        if k == NO_CHANNEL:
            digit = level("frequency", frequency)
        elif actions.extraction[n] == 1.0:
            digit = level("power", power)
        else:
            digit = len(frequency) * level("power", power) + level("frequency", frequency)
            digit = len(power) + digit * len(extraction) + level("extraction", extraction)
        offset = offset * size + digit
    return space.pattern_start(pattern) + offset


def pattern_size(space: Space, pattern: Pattern) -> int:
    """Return how many joint actions a pattern holds."""
    return prod(space.sizes(pattern))
